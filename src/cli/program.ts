// The command line: commands, usage errors and exit status.

import { Command, CommanderError } from 'commander'
import { addCompletionCommand } from './commands/completion.ts'
import { addConfigCommand } from './commands/config.ts'
import { addDatabaseCommand } from './commands/database.ts'
import { addExecutorCommand } from './commands/executor.ts'
import { addExportCommands } from './commands/export.ts'
import { addMaintenanceCommand } from './commands/maintenance.ts'
import { addPlanCommand } from './commands/plan.ts'
import { addAdministrationCommands } from './commands/remote/administration.ts'
import { addDirectRunCommands } from './commands/remote/directrun.ts'
import { addKeyCommands } from './commands/remote/keys.ts'
import { addLoginCommands } from './commands/remote/login.ts'
import { addNotificationCommands } from './commands/remote/notifications.ts'
import { addOrganizationCommands } from './commands/remote/organizations.ts'
import { addProjectCommands } from './commands/remote/projects.ts'
import { addRunsCommands } from './commands/remote/runs.ts'
import { addSecretCommands } from './commands/remote/secrets.ts'
import { addUserCommands } from './commands/remote/users.ts'
import { addRunCommand } from './commands/run.ts'
import { addServeCommand } from './commands/serve.ts'
import { describeError } from './describe-error.ts'
import { exitStatus, exitStatusOf } from './exit-status.ts'
import type { Io } from './io.ts'
import { remoteCommands } from './remote/remote-command.ts'

/** Runs the command line `args` (without program names) and returns the exit status. Never throws. */
export async function runProgram(args: readonly string[], io: Io, version: string): Promise<number> {
  let status: number = exitStatus.success
  const program = createProgram(io, version, (value) => {
    status = value
  })
  try {
    await program.parseAsync([...args], { from: 'user' })
    return status
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.success : exitStatus.usage
    io.stderr.write(`slipway: ${describeError(error)}\n`)
    return exitStatusOf(error)
  }
}

/** All commands. `setStatus` gets the exit status of one that has an own one. */
export function createProgram(io: Io, version: string, setStatus: (status: number) => void): Command {
  const program = new Command('slipway')
    .description(
      `Slipway runs pipelines: \`slipway run\` executes the one of this repository here, with the working tree as it is; \`slipway serve\` is
a server for a team. The pipeline is .slipway/config.yml (or .agola/config.yml).`,
    )
    .version(version, '-V, --version')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => io.stderr.write(text) })
  const addRemote = remoteCommands(io, setStatus)
  program.commandsGroup('In a repository, without a server:')
  addRunCommand(program, io, setStatus)
  addPlanCommand(program, io, setStatus)
  addConfigCommand(program, io, setStatus)
  program.commandsGroup('With a server:')
  addLoginCommands(program, io)
  addDirectRunCommands(program, io, setStatus)
  addRunsCommands(program, addRemote)
  addProjectCommands(program, addRemote)
  addSecretCommands(program, addRemote)
  addNotificationCommands(program, addRemote)
  addOrganizationCommands(program, addRemote)
  addUserCommands(program, addRemote)
  addAdministrationCommands(program, addRemote)
  addKeyCommands(program, addRemote)
  program.commandsGroup('Being a server:')
  addServeCommand(program, io, version)
  addExecutorCommand(program, io, version)
  addMaintenanceCommand(program, io, setStatus)
  addExportCommands(program, io, setStatus)
  addDatabaseCommand(program, io, setStatus)
  program.commandsGroup('Other:')
  addCompletionCommand(program, io)
  inherit(program)
  return program
}

/** Usage errors of all commands, at whatever depth, are told and end in the same way. */
function inherit(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command)
    inherit(child)
  }
}
