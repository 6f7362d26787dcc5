// `slipway config check | show`: what is wrong with the definition, and what it says once expanded.

import type { Command } from 'commander'
import type { CheckOptions } from '../config/check-config.ts'
import type { ShowOptions } from '../config/show-config.ts'
import { addEventOptions } from '../event-options.ts'
import { exitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'

const collect = (value: string, before: readonly string[]) => [...before, value]

export function addConfigCommand(program: Command, io: Io, setStatus: (status: number) => void): void {
  const config = program.command('config').description('check the definition of this repository, or show it expanded')
  config
    .command('check')
    .summary('every error and warning of the definition')
    .description('Prints every error and warning, with file, line, column and what was expected.')
    .option('-f, --file <path>', 'the definition (default: .slipway/config.yml or .agola/config.yml)')
    .option('--strict', 'exit with 2 when there are warnings')
    .action(async (options: CheckOptions) => {
      const { checkConfig } = await import('../config/check-config.ts')
      setStatus(await checkConfig(options, io))
    })
  const show = config
    .command('show')
    .summary('the run configs of an event, as JSON')
    .description('Prints the run configs that an event would start, fully expanded, as JSON.')
    .option('-f, --file <path>', 'the definition (default: .slipway/config.yml or .agola/config.yml)')
    .option('--var <name[=value]>', 'a variable, as for run (repeatable)', collect, [])
    .option('--var-file <file>', 'a file of NAME=value lines (repeatable)', collect, [])
  addEventOptions(show).action(async (options: ShowOptions) => {
    const { showConfig } = await import('../config/show-config.ts')
    await showConfig(options, io)
    setStatus(exitStatus.success)
  })
}
