// `slipway completion`: scripts that complete commands and options in a shell.

import { Argument, type Command } from 'commander'
import { complete } from '../completion/complete.ts'
import { completionScripts, type Shell, shells } from '../completion/shell-scripts.ts'
import type { Io } from '../io.ts'

export function addCompletionCommand(program: Command, io: Io): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'whose script').choices(shells))
    .summary('a script that completes commands and options in a shell')
    .action((shell: Shell) => {
      io.stdout.write(completionScripts[shell])
    })
  program
    .command('__complete [words...]', { hidden: true })
    .allowUnknownOption()
    .action((words: readonly string[]) => {
      for (const { text, description } of complete(program, words)) io.stdout.write(`${text}\t${description}\n`)
    })
}
