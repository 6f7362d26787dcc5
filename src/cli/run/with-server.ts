// Runs work with the parts of Slipway open, and waits until nothing is executed or torn down any more. The tree is frozen
// while they are loaded and opened.

import { invariant } from '../../lib/errors.ts'
import type { RunserviceHost } from '../../runservice/api.ts'
import type { CloneSource } from '../../runservice/executor-api.ts'
import type { Invocation } from '../../server/local/state-directory.ts'
import type { Repository } from '../working-tree/repository.ts'
import type { RunContext } from './run-context.ts'
import type { Source } from './source.ts'
import { troubleLogger } from './trouble-logger.ts'

export type ServerWork = {
  readonly invocation: Invocation
  /** Stopped when opening fails; it has ended when `withServer` returns or throws. */
  readonly freeze: (signal: AbortSignal) => Promise<Source>
  readonly work: (runservice: RunserviceHost, source: Source) => Promise<number>
  /** Tasks there will be at most, where that is known. */
  readonly tasksMax?: number
}

/** Returns what `work` does. */
export async function withServer(
  { options, io, repository, state, output, stopping, clock }: RunContext,
  { invocation, freeze, work, tasksMax }: ServerWork,
): Promise<number> {
  const notice = (message: string) => void output.write({ type: 'notice', message })
  let source: Source | undefined
  const leaving = new AbortController()
  const freezing = freeze(AbortSignal.any([stopping, leaving.signal]))
  // Its failure is thrown below, or matters less than what is being thrown.
  const frozen = freezing.catch(() => {})
  await using _freezing = {
    [Symbol.asyncDispose]: async () => {
      leaving.abort()
      await frozen
    },
  }
  const { openLocalServer } = await import('../../server/local/local-server.ts')
  await using server = await openLocalServer(
    {
      state,
      invocation,
      execution: {
        driver: options.driver,
        jobs: options.jobs,
        keepFailed: options.keepFailed ?? false,
        pull: options.pull,
        tasksMax,
        environment: io.environment,
        cloneSource: () => {
          invariant(source !== undefined, 'tasks exist before the tree is frozen')
          return cloneSourceOf(source, repository)
        },
      },
    },
    { clock, logger: troubleLogger(notice), notice },
  )
  stopping.throwIfAborted()
  source = await freezing
  const status = await work(server.runservice, source)
  await server.idle()
  return status
}

function cloneSourceOf({ frozen, event, cloneUrl }: Source, repository: Repository): CloneSource {
  return {
    url: frozen.path,
    ref: frozen.ref,
    commitSha: frozen.commitSha,
    branch: event.branch,
    originUrl: cloneUrl,
    mirrorKey: repository.id,
    submoduleUrls: frozen.submoduleUrls,
  }
}
