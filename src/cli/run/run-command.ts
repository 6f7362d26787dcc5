// `slipway run` once its options are parsed.

import { join } from 'node:path'
import { systemClock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { listInvocations, openStateDirectory, type StateDirectory } from '../../server/local/state-directory.ts'
import type { Io } from '../io.ts'
import { stateRoot } from '../state-root.ts'
import { findRepository } from '../working-tree/repository.ts'
import { alsoGiven, type GivenOptions, loadAsked } from './asked-run.ts'
import { Interrupts } from './interrupts.ts'
import { openOutput } from './open-output.ts'
import { repeatCommands } from './repeat-commands.ts'
import type { RunContext, RunOptions } from './run-context.ts'

/** Returns the exit status. */
export async function runCommand(options: RunOptions, io: Io): Promise<number> {
  requireOptionsThatMatter(options)
  const clock = systemClock
  // Loading the rest of the program takes about as long as git's answer.
  const [repository, { startRuns }] = await Promise.all([findRepository(io.cwd), import('./start-runs.ts')])
  const state = openStateDirectory(join(stateRoot(io.environment), repository.id))
  using output = await openOutput(
    { mode: options.output, repeat: repeatCommands(options, askedOptions(options, state)), clock },
    io,
  )
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

/** What `--from-failed` would not heed may not be given with it: the person would believe it was. */
function requireOptionsThatMatter(options: RunOptions): void {
  if (options.fromFailed !== true) return
  const given = (['branch', 'tag', 'pr', 'ref', 'file', 'last'] as const).filter((name) => options[name] !== undefined)
  const names = [...(options.task.length === 0 ? [] : ['task']), ...given].map((name) => `--${name}`)
  if (names.length === 0) return
  const why = '--from-failed repeats the last run with its event, tasks and definition'
  throw new SlipwayError('usage', `${why}: leave ${names.join(', ')} away`)
}

/** Of the runs that will be told of. */
function askedOptions(options: RunOptions, state: StateDirectory): GivenOptions {
  const [last] = options.fromFailed || options.last ? listInvocations(state) : []
  if (last === undefined) return options
  try {
    return alsoGiven(loadAsked({ dir: join(state.root, last) }).given, options)
  } catch {
    // Whether that matters, and to say so, is up to the one who repeats or shows it.
    return options
  }
}
