// Which run tells how a project stands: the newest of its main branch.

import type { Project, RunSummary } from '../../api/types.ts'
import { isLive, originOf, stateOfRun } from './run-state.ts'

/** Without a setting one of these is taken for it. */
const usualNames = ['main', 'master', 'trunk']

/** Of runs with the newest first; when none is of the main branch, the newest of any. */
export function mainBranchRun(
  { defaultBranch }: Pick<Project, 'defaultBranch'>,
  runs: readonly RunSummary[],
): RunSummary | undefined {
  return ofMainBranch(defaultBranch, runs)[0] ?? runs[0]
}

/** The run that broke its main branch: the last that ended there, when it ended badly. What runs there now has not mended it yet. */
export function brokenRun(
  { defaultBranch }: Pick<Project, 'defaultBranch'>,
  runs: readonly RunSummary[],
): RunSummary | undefined {
  const ended = ofMainBranch(defaultBranch, runs).find((run) => !isLive(run))
  return ended !== undefined && ['failed', 'setuperror'].includes(stateOfRun(ended)) ? ended : undefined
}

/** Whether one of these names, here or at a provider, stands at what started the run. */
export function isOwnRun({ annotations = {} }: Pick<RunSummary, 'annotations'>, names: ReadonlySet<string>): boolean {
  return annotations.webhook_sender !== undefined && names.has(annotations.webhook_sender.toLowerCase())
}

function ofMainBranch(defaultBranch: string | undefined, runs: readonly RunSummary[]): readonly RunSummary[] {
  const names = defaultBranch === undefined ? usualNames : [defaultBranch]
  return runs.filter((run) => {
    const origin = originOf(run)
    return origin.kind === 'branch' && names.includes(origin.name)
  })
}
