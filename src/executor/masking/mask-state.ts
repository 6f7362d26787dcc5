// What leaves the executor besides logs: reasons of tasks and steps hold texts of registries, tools and helpers, in which a
// secret may stand as well as in any output.

import type { ReportedStep } from '../../runservice/executor-api.ts'
import type { Reason } from '../../runservice/reasons.ts'
import type { TaskState } from '../task-state.ts'

/** A reason is shown in one line; rows are small. */
const textCharactersMax = 2000

type MaskText = (text: string) => string

/** The state with its texts masked and cut. */
export function maskState(state: TaskState, maskText: MaskText): TaskState {
  return {
    ...withMaskedReason(state, maskText),
    setupStep: withMaskedReason(state.setupStep, maskText),
    steps: state.steps.map((step): ReportedStep => withMaskedReason(step, maskText)),
  }
}

function withMaskedReason<T extends { readonly reason?: Reason }>(value: T, maskText: MaskText): T {
  return value.reason === undefined ? value : { ...value, reason: maskReason(value.reason, maskText) }
}

function maskReason(reason: Reason, maskText: MaskText): Reason {
  const entries = Object.entries(reason).map(([name, value]) =>
    name === 'kind' || typeof value !== 'string' ? [name, value] : [name, cut(maskText(value))],
  )
  return Object.fromEntries(entries) as Reason // The same fields, with other texts.
}

function cut(text: string): string {
  return text.length <= textCharactersMax ? text : `${text.slice(0, textCharactersMax)}...`
}
