// A change of the state of a branch in words, for people: subject, lines and link. Pure.

import { duration } from '../commit-status.ts'
import type { Message, RunMessage } from '../run-message.ts'

export type ChangeWords = {
  /** `acme/web: build is broken on main`. */
  readonly title: string
  /** Without link. */
  readonly lines: readonly string[]
  readonly url: string
}

const namesMost = 10

export function changeWords({ project, change, run }: Message): ChangeWords {
  const path = oneLine(project.path.replace(/^(org|user)\//, ''))
  if (run === null)
    return {
      title: `${path}: a test of Slipway`,
      lines: ['This was sent to see whether it arrives. Nothing has happened.'],
      url: project.url,
    }
  const on = oneLine(run.branch ?? run.ref)
  const what = { broken: 'is broken', still_broken: 'is still broken', fixed: 'is fixed' }[change ?? 'broken']
  return {
    title: `${path}: ${oneLine(run.name)} ${what} on ${on}`,
    lines: [howItEnded(run), commitLine(run), ...whoLines(run)].map(oneLine),
    url: run.url,
  }
}

function howItEnded(run: RunMessage): string {
  if (run.phase === 'setuperror') return `Run #${run.number} could not be set up: ${run.setupErrors[0] ?? ''}`
  const took =
    run.startedAt === null || run.endedAt === null
      ? ''
      : ` after ${duration(Date.parse(run.endedAt) - Date.parse(run.startedAt))}`
  if (run.result === 'success') return `Run #${run.number} succeeded${took}.`
  const failed = run.tasks.filter(({ status }) => status === 'failed').map(({ name }) => name)
  const more = failed.length > namesMost ? ` and ${failed.length - namesMost} more` : ''
  const names = failed.length === 0 ? '' : ` in ${failed.slice(0, namesMost).join(', ')}${more}`
  return `Run #${run.number} failed${took}${names}.`
}

function commitLine({ commitSha, commitMessage }: RunMessage): string {
  return `Commit ${commitSha.slice(0, 10)}: ${commitMessage}`
}

function whoLines({ sender, trigger }: RunMessage): readonly string[] {
  if (sender !== null) return [`Pushed by ${sender}.`]
  return trigger === 'manual' ? ['Started by hand.'] : []
}

/** What people wrote stays on its line, and ends no header. */
function oneLine(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').trim()
}
