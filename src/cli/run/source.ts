// What runs are made of: the definition, the frozen tree and the event.

import { join } from 'node:path'
import type { Config } from '../../pipeline/config/config.ts'
import { formatDiagnostic } from '../../pipeline/config/diagnostic.ts'
import type { GitEvent } from '../../pipeline/event.ts'
import { selectTasks } from '../../pipeline/select-tasks.ts'
import type { Invocation } from '../../server/local/state-directory.ts'
import { readDefinition, requireConfig } from '../definition.ts'
import { type FrozenTree, freezeTree } from '../working-tree/freeze.ts'
import { originUrl } from '../working-tree/repository.ts'
import type { AskedRun } from './asked-run.ts'
import type { RunContext } from './run-context.ts'

export type Source = { readonly frozen: FrozenTree; readonly event: GitEvent; readonly cloneUrl: string }

/** Not that of the commit: what it says about skipping is meant for pushes. */
export const eventMessage = 'slipway run'

/** The definition reduced to the tasks asked for. Tells notices and warnings; throws `config_invalid` with all errors. */
export async function readConfig(asked: AskedRun, { repository, output }: RunContext): Promise<Config> {
  const definition = readDefinition(repository, asked.file)
  for (const message of [...definition.notices, ...definition.warnings.map(formatDiagnostic)]) {
    await output.write({ type: 'notice', message })
  }
  return selectTasks(requireConfig(definition), asked.tasks)
}

export async function freezeSource(
  asked: AskedRun,
  { repository, stopping }: RunContext,
  invocation: Invocation,
): Promise<Source> {
  const [frozen, cloneUrl] = await Promise.all([
    freezeTree(repository, join(invocation.dir, 'tree'), stopping),
    originUrl(repository),
  ])
  return { frozen, event: { ...asked.ref, commitSha: frozen.commitSha, message: eventMessage }, cloneUrl }
}
