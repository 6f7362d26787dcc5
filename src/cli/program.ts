// The command line: commands, usage errors and exit status.

import { Command, CommanderError } from 'commander'
import { addLocalCommands, localCommands } from './commands/local-commands.ts'
import { describeError } from './describe-error.ts'
import { exitStatus, exitStatusOf } from './exit-status.ts'
import type { Io } from './io.ts'

/** Runs the command line `args` (without program names) and returns the exit status. Never throws. */
export async function runProgram(args: readonly string[], io: Io, version: string): Promise<number> {
  let status: number = exitStatus.success
  const setStatus = (value: number) => {
    status = value
  }
  try {
    // Loading and declaring a hundred others takes as long as starting Node.
    const isLocal = (localCommands as readonly string[]).includes(args[0] ?? '')
    const program = isLocal ? createLocalProgram(io, version, setStatus) : await createProgram(io, version, setStatus)
    await program.parseAsync([...args], { from: 'user' })
    return status
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.success : exitStatus.usage
    io.stderr.write(`slipway: ${describeError(error)}\n`)
    return exitStatusOf(error)
  }
}

/** All commands. `setStatus` gets the exit status of one that has an own one. */
export async function createProgram(io: Io, version: string, setStatus: (status: number) => void): Promise<Command> {
  const program = createLocalProgram(io, version, setStatus)
  const { addServerCommands } = await import('./commands/server-commands.ts')
  addServerCommands(program, io, { version, setStatus })
  inherit(program)
  return program
}

/** The commands that need no server. */
function createLocalProgram(io: Io, version: string, setStatus: (status: number) => void): Command {
  const program = new Command('slipway')
    .description(
      `Slipway runs pipelines: \`slipway run\` executes the one of this repository here, with the working tree as it is; \`slipway serve\` is
a server for a team. The pipeline is .slipway/config.yml (or .agola/config.yml).`,
    )
    .version(version, '-V, --version')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => io.stderr.write(text) })
  addLocalCommands(program, io, setStatus)
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
