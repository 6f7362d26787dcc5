// `slipway run` once its options are parsed.

import { join } from 'node:path'
import { systemClock } from '../../lib/clock.ts'
import { openStateDirectory } from '../../server/local/state-directory.ts'
import type { Io } from '../io.ts'
import { stateRoot } from '../state-root.ts'
import { findRepository } from '../working-tree/repository.ts'
import { Interrupts } from './interrupts.ts'
import { openOutput } from './open-output.ts'
import { repeatCommands } from './repeat-commands.ts'
import type { RunContext, RunOptions } from './run-context.ts'

/** Returns the exit status. */
export async function runCommand(options: RunOptions, io: Io): Promise<number> {
  const clock = systemClock
  // Loading the rest of the program takes about as long as git's answer.
  const [repository, { startRuns }] = await Promise.all([findRepository(io.cwd), import('./start-runs.ts')])
  const state = openStateDirectory(join(stateRoot(io.environment), repository.id))
  using output = await openOutput({ mode: options.output, repeat: repeatCommands(options), clock }, io)
  using interrupts = new Interrupts(
    io,
    () => void output.write({ type: 'notice', message: 'Stopping; interrupt again to leave at once' }),
  )
  const context: RunContext = { options, io, repository, state, output, stopping: interrupts.signal, clock }
  try {
    if (options.last) return await (await import('./show-last.ts')).showLast(context)
    if (options.fromFailed) return await (await import('./repeat-failed.ts')).repeatFailed(context)
    return await startRuns(context)
  } finally {
    await output.finish()
  }
}
