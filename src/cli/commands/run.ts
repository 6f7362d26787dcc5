// `slipway run`: the runs of the definition, on this machine, from the working tree as it is.

import { type Command, InvalidArgumentError, Option } from 'commander'
import { driverChoices } from '../../server/drivers/driver-choice.ts'
import { addEventOptions } from '../event-options.ts'
import type { Io } from '../io.ts'
import { approveModes } from '../run/approve-mode.ts'
import { outputModes } from '../run/output-mode.ts'
import type { RunOptions } from '../run/run-context.ts'

const collect = (value: string, before: readonly string[]) => [...before, value]

export function addRunCommand(program: Command, io: Io, setStatus: (status: number) => void): void {
  const command = program
    .command('run')
    .summary('run the definition here, uncommitted changes included')
    .description(
      `Runs the definition of this repository on this machine, with the working tree as it is, uncommitted changes included.
By default all runs that match the current branch.`,
    )
    .option('-t, --task <name>', 'only this task and what it depends on (repeatable)', collect, [])
    .addOption(new Option('--driver <driver>', 'how tasks are executed').choices(driverChoices).default('auto'))
    .option(
      '--var <name[=value]>',
      'a variable: NAME takes a secret from the environment, NAME=value is not secret (repeatable)',
      collect,
      [],
    )
    .option('--var-file <file>', 'a file of NAME=value lines; all are secrets (repeatable)', collect, [])
    .addOption(
      new Option('--approve <mode>', 'tasks that need approval (default: ask on a terminal, else none)').choices(
        approveModes,
      ),
    )
    .option('-j, --jobs <number>', 'tasks at once', parseJobs, 2)
    .addOption(
      new Option('--pull <when>', 'when images are pulled')
        .choices(['if_missing', 'always', 'never'])
        .default('if_missing'),
    )
    .option('--keep-failed', 'keep the pod of a failed task, and say how to enter it')
    .option('--from-failed', 'repeat the last run with the working tree as it is, keeping the tasks that succeeded')
    .option('--last', 'show the last run, or with --task only that task of it; nothing is executed')
    .option('-f, --file <path>', 'the definition (default: .slipway/config.yml or .agola/config.yml)')
    .addOption(
      new Option('-o, --output <mode>', 'how to tell (default: tree on a terminal, else plain)').choices(outputModes),
    )
  addEventOptions(command).addHelpText(
    'after',
    `
Examples:
  slipway run                                the runs that match the current branch
  slipway run --task test --var TOKEN        one task and what it depends on, with a secret from the environment
  slipway run --tag v1.2.0 --approve all     as if that tag was pushed
  slipway run --from-failed                  again, keeping what succeeded
  slipway run --last --task test -o plain    the whole log of a task once more

Exit status: 0 success, 1 a run failed, 2 bad usage or definition, 3 stopped, 4 trouble of the machinery itself.`,
  )
  command.action(async (options: RunOptions) => {
    // Loaded when it is used: other commands start without it.
    const { runCommand } = await import('../run/run-command.ts')
    setStatus(await runCommand(options, io))
  })
}

function parseJobs(text: string): number {
  const jobs = Number(text)
  if (!Number.isInteger(jobs) || jobs < 1) throw new InvalidArgumentError('wants a whole number from 1')
  return jobs
}
