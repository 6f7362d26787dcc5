// `slipway config show` once its options are parsed.

import { expandRun } from '../../pipeline/expand.ts'
import { planRuns } from '../../pipeline/plan.ts'
import { readDefinition, requireConfig } from '../definition.ts'
import { type EventOptions, refOf } from '../event-options.ts'
import type { Io } from '../io.ts'
import { parseVariables, type VariableOptions } from '../variable-options.ts'
import { findRepository, headCommit } from '../working-tree/repository.ts'

export type ShowOptions = EventOptions & VariableOptions & { readonly file?: string }

/** Throws `config_invalid`, `config_not_found`, `not_a_repository` and `usage`. */
export async function showConfig(options: ShowOptions, io: Io): Promise<void> {
  const repository = await findRepository(io.cwd)
  const config = requireConfig(readDefinition(repository, options.file))
  const { variables } = parseVariables(options, io.environment)
  const event = {
    ...refOf(options, repository.branch),
    commitSha: (await headCommit(repository)) ?? '',
    message: '',
  }
  const runs = planRuns(config, event).flatMap((plan) => {
    if (plan.kind !== 'created') return []
    const counters = new Map(plan.run.tasks.map((task) => [task.name, 0]))
    let next = 0
    // Names instead of random ids: the same definition shows the same text, so two can be compared.
    const names = [...counters.keys()]
    return [
      expandRun({ config, run: plan.run, event, variables, newId: () => names[next++] ?? String(next) }).runConfig,
    ]
  })
  io.stdout.write(`${JSON.stringify({ runs }, undefined, 2)}\n`)
}
