// `slipway directrun`: the runs of this repository on a server, from the working tree as it is.

import { type Command, Option } from 'commander'
import type { DirectRunOptions } from '../../directrun/start-direct-run.ts'
import { addEventOptions } from '../../event-options.ts'
import type { Io } from '../../io.ts'
import { outputModes } from '../../run/output-mode.ts'

const collect = (value: string, before: readonly string[]) => [...before, value]

export function addDirectRunCommands(program: Command, io: Io, setStatus: (status: number) => void): void {
  const directrun = program.command('directrun').summary('run the definition of this repository on the server')
  const start = directrun
    .command('start')
    .summary('run it there as it is here, uncommitted changes included')
    .description(
      `Sends the working tree as it is, uncommitted changes included, to the server and runs its definition there, as a run of yours.
Index, branches and refs of the repository stay as they are. By default all runs that match the current branch.`,
    )
    .option('-t, --task <name>', 'only this task and what it depends on (repeatable)', collect, [])
    .option(
      '--var <name[=value]>',
      'a variable: NAME takes a secret from the environment, NAME=value is not secret (repeatable)',
      collect,
      [],
    )
    .option('--var-file <file>', 'a file of NAME=value lines; all are secrets (repeatable)', collect, [])
    .option('--no-untracked', 'without new files that are not added yet')
    .option('--ignored', 'with ignored files')
    .option('-m, --message <text>', 'what it is about', 'direct run')
    .option('--no-follow', 'do not wait for the runs')
    .addOption(
      new Option('--approve <mode>', 'tasks that need approval (default: ask on a terminal, else wait)').choices([
        'all',
        'ask',
        'wait',
      ]),
    )
    .addOption(new Option('--server <url>', 'the server (default: that of the context)').conflicts('context'))
    .addOption(new Option('--context <name>', 'the context (default: the current one)'))
    .option('--token-file <file>', 'a file with the token')
    .addOption(
      new Option('-o, --output <mode>', 'how to tell (default: tree on a terminal, else plain)').choices(outputModes),
    )
    .allowExcessArguments(false)
  addEventOptions(start).addHelpText(
    'after',
    `
Examples:
  slipway directrun start                         the runs that match the current branch
  slipway directrun start --task test --var TOKEN one task and what it depends on, with a secret from the environment
  slipway directrun start --pr 12 --no-follow     as if pull request 12 had this tree; prints where to look

Exit status: 0 success, 1 a run failed, 2 bad usage or definition, 3 stopped, 4 trouble of the machinery itself.`,
  )
  start.action(async (options: DirectRunOptions) => {
    // Loaded when it is used: other commands start without it.
    const { startDirectRun } = await import('../../directrun/start-direct-run.ts')
    setStatus(await startDirectRun(options, io))
  })
}
