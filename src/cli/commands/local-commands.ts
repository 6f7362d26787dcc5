// The commands that work in a repository, without a server.

import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { addConfigCommand } from './config.ts'
import { addPlanCommand } from './plan.ts'
import { addRunCommand } from './run.ts'

export const localCommands = ['run', 'plan', 'config'] as const

export function addLocalCommands(program: Command, io: Io, setStatus: (status: number) => void): void {
  program.commandsGroup('In a repository, without a server:')
  addRunCommand(program, io, setStatus)
  addPlanCommand(program, io, setStatus)
  addConfigCommand(program, io, setStatus)
}
