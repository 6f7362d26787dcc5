// The commands that talk to a server, those that are one, and the rest.

import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { remoteCommands } from '../remote/remote-command.ts'
import { addCompletionCommand } from './completion.ts'
import { addDatabaseCommand } from './database.ts'
import { addExecutorCommand } from './executor.ts'
import { addExportCommands } from './export.ts'
import { addMaintenanceCommand } from './maintenance.ts'
import { addAdministrationCommands } from './remote/administration.ts'
import { addDirectRunCommands } from './remote/directrun.ts'
import { addKeyCommands } from './remote/keys.ts'
import { addLoginCommands } from './remote/login.ts'
import { addNotificationCommands } from './remote/notifications.ts'
import { addOrganizationCommands } from './remote/organizations.ts'
import { addProjectCommands } from './remote/projects.ts'
import { addRunsCommands } from './remote/runs.ts'
import { addSecretCommands } from './remote/secrets.ts'
import { addUserCommands } from './remote/users.ts'
import { addServeCommand } from './serve.ts'

export function addServerCommands(
  program: Command,
  io: Io,
  { version, setStatus }: { readonly version: string; readonly setStatus: (status: number) => void },
): void {
  const addRemote = remoteCommands(io, setStatus)
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
}
