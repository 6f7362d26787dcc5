// The command line: commands, usage errors and exit status.

import { Command, CommanderError } from 'commander'
import { addConfigCommand } from './commands/config.ts'
import { addDatabaseCommand } from './commands/database.ts'
import { addExecutorCommand } from './commands/executor.ts'
import { addExportCommands } from './commands/export.ts'
import { addMaintenanceCommand } from './commands/maintenance.ts'
import { addPlanCommand } from './commands/plan.ts'
import { addRunCommand } from './commands/run.ts'
import { describeError } from './describe-error.ts'
import { exitStatus, exitStatusOf } from './exit-status.ts'
import type { Io } from './io.ts'

/** Runs the command line `args` (without program names) and returns the exit status. Never throws. */
export async function runProgram(args: readonly string[], io: Io, version: string): Promise<number> {
  let status: number = exitStatus.success
  const program = new Command('slipway')
    .description(
      `Slipway runs the pipeline of this repository: \`slipway run\` executes it here, with the working tree as it is.
The pipeline is .slipway/config.yml (or .agola/config.yml).`,
    )
    .version(version, '-V, --version')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => io.stderr.write(text) })
  const setStatus = (value: number) => {
    status = value
  }
  addRunCommand(program, io, setStatus)
  addPlanCommand(program, io, setStatus)
  addConfigCommand(program, io, setStatus)
  addDatabaseCommand(program, io, setStatus)
  addExecutorCommand(program, io, version)
  addMaintenanceCommand(program, io, setStatus)
  addExportCommands(program, io, setStatus)
  for (const command of program.commands) command.copyInheritedSettings(program)
  try {
    await program.parseAsync([...args], { from: 'user' })
    return status
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.success : exitStatus.usage
    io.stderr.write(`slipway: ${describeError(error)}\n`)
    return exitStatusOf(error)
  }
}
