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
import { repeatFailed } from './repeat-failed.ts'
import type { RunContext, RunOptions } from './run-context.ts'
import { showLast } from './show-last.ts'
import { startRuns } from './start-runs.ts'

/** Returns the exit status. */
export async function runCommand(options: RunOptions, io: Io): Promise<number> {
  const clock = systemClock
  const repository = await findRepository(io.cwd)
  const state = openStateDirectory(join(stateRoot(io.environment), repository.id))
  using output = openOutput({ mode: options.output, repeat: repeatCommands(options), clock }, io)
  using interrupts = new Interrupts(
    io,
    () => void output.write({ type: 'notice', message: 'Stopping; interrupt again to leave at once' }),
  )
  const context: RunContext = { options, io, repository, state, output, stopping: interrupts.signal, clock }
  try {
    if (options.last) return await showLast(context)
    if (options.fromFailed) return await repeatFailed(context)
    return await startRuns(context)
  } finally {
    await output.finish()
  }
}
