// A small schema with families, for tests: runs with steps, and notes that belong to nothing.

import { newUuid } from '../../lib/uuid.ts'
import type { RowTypes, Transaction } from '../database.ts'

export type TestRun = {
  readonly order: number
  readonly group: string
  readonly state: 'busy' | 'good' | 'bad'
  readonly number: number
  readonly createdAt: number
  readonly note?: string
  readonly repeats?: string
  readonly removableSince?: number
}
export type TestStep = { readonly run: string; readonly at: number; readonly text: string }
export type TestRows = { run: TestRun; step: TestStep; note: { readonly text: string } }
export type TestTx = Transaction<TestRows>

export const states = ['busy', 'good', 'bad'] as const

export const familyTestTypes = {
  run: {
    family: {
      members: ['step'],
      isFinal: (run: TestRun) => run.state !== 'busy',
      entry: (run: TestRun) => ({
        order: run.order,
        path: run.group,
        state: states.indexOf(run.state),
        number: run.number,
        label: 'test',
        createdAt: run.createdAt,
        ...(run.repeats === undefined ? {} : { repeats: run.repeats }),
        ...(run.removableSince === undefined ? {} : { removableSince: run.removableSince }),
      }),
    },
    indexes: { busy: (run: TestRun) => (run.state === 'busy' ? [run.group, run.order] : undefined) },
  },
  step: {
    familyIndexes: ['byRun'],
    localIndexes: ['byText'],
    indexes: { byRun: (step: TestStep) => [step.run, step.at], byText: (step: TestStep) => [step.text] },
  },
  note: {},
} as const satisfies RowTypes

/** In the order of time. */
export const runId = (order: number) => newUuid(1_800_000_000_000 + order)

export const aTestRun = (order: number, change: Partial<TestRun> = {}): TestRun => ({
  order,
  group: `/project/${order % 3}/branch/main`,
  state: 'good',
  number: Math.floor(order / 3) + 1,
  createdAt: 1_000_000 + order * 10,
  ...change,
})

export const stepId = (run: string, at: number) => `${run}/${at}`

export function putRun(tx: TestTx, id: string, run: TestRun, steps = 3): void {
  tx.put('run', id, run)
  for (let at = 0; at < steps; at++) tx.put('step', stepId(id, at), { run: id, at, text: `step ${at} of ${run.order}` })
}
