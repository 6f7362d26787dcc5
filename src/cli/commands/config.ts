// `slipway config check | show`: what is wrong with the definition, and what it says once expanded.

import type { Command } from 'commander'
import { formatDiagnostic } from '../../pipeline/config/diagnostic.ts'
import { expandRun } from '../../pipeline/expand.ts'
import { planRuns } from '../../pipeline/plan.ts'
import { readDefinition, requireConfig } from '../definition.ts'
import { addEventOptions, type EventOptions, refOf } from '../event-options.ts'
import { exitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'
import { parseVariables, type VariableOptions } from '../variable-options.ts'
import { currentBranch, findRepository, headCommit } from '../working-tree/repository.ts'

const collect = (value: string, before: readonly string[]) => [...before, value]

export function addConfigCommand(program: Command, io: Io, setStatus: (status: number) => void): void {
  const config = program.command('config').description('check the definition of this repository, or show it expanded')
  config
    .command('check')
    .summary('every error and warning of the definition')
    .description('Prints every error and warning, with file, line, column and what was expected.')
    .option('-f, --file <path>', 'the definition (default: .slipway/config.yml or .agola/config.yml)')
    .option('--strict', 'exit with 2 when there are warnings')
    .action(async (options: { file?: string; strict?: true }) => setStatus(await check(options, io)))
  const show = config
    .command('show')
    .summary('the run configs of an event, as JSON')
    .description('Prints the run configs that an event would start, fully expanded, as JSON.')
    .option('-f, --file <path>', 'the definition (default: .slipway/config.yml or .agola/config.yml)')
    .option('--var <name[=value]>', 'a variable, as for run (repeatable)', collect, [])
    .option('--var-file <file>', 'a file of NAME=value lines (repeatable)', collect, [])
  addEventOptions(show).action(async (options: EventOptions & VariableOptions & { file?: string }) => {
    await showExpanded(options, io)
    setStatus(exitStatus.success)
  })
}

async function check(options: { readonly file?: string; readonly strict?: true }, io: Io): Promise<number> {
  const definition = readDefinition(await findRepository(io.cwd), options.file)
  for (const notice of definition.notices) io.stderr.write(`${notice}\n`)
  for (const diagnostic of [...definition.errors, ...definition.warnings])
    io.stdout.write(`${formatDiagnostic(diagnostic)}\n`)
  const isBad = definition.errors.length > 0 || (options.strict === true && definition.warnings.length > 0)
  if (!isBad)
    io.stdout.write(
      `${definition.path}: ${definition.warnings.length === 0 ? 'no errors' : `no errors, ${definition.warnings.length} warnings`}\n`,
    )
  return isBad ? exitStatus.usage : exitStatus.success
}

async function showExpanded(
  options: EventOptions & VariableOptions & { readonly file?: string },
  io: Io,
): Promise<void> {
  const repository = await findRepository(io.cwd)
  const config = requireConfig(readDefinition(repository, options.file))
  const { variables } = parseVariables(options, io.environment)
  const event = {
    ...refOf(options, await currentBranch(repository)),
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
