// Runs whose command was killed, or left by a second Ctrl-C, before they had ended: they are stopped before they are repeated.
// An executor that takes them up again would go on with them, beside the ones that repeat them.

import { silentLogger } from '../../lib/log.ts'
import type { RunserviceHost } from '../../runservice/api.ts'
import { isFinishedRun, type Run } from '../../runservice/types.ts'
import { cleanKilled } from '../../server/local/left-invocations.ts'
import { openLocalServer } from '../../server/local/local-server.ts'
import { type Invocation, markEnd } from '../../server/local/state-directory.ts'
import { stopOrCancel } from './follow-all.ts'
import { newestRuns } from './last-invocation.ts'
import type { RunContext } from './run-context.ts'

/** Asks for their end while nothing can execute them, and removes their pods. */
export async function stopLeftRuns({ io, state, clock }: RunContext, invocation: Invocation): Promise<void> {
  const isClean = await cleanKilled(invocation, { clock, logger: silentLogger, environment: io.environment })
  await using server = await openLocalServer({ state, invocation }, { clock, logger: silentLogger, notice: () => {} })
  for (const { id } of leftRuns(server.runservice)) await stopOrCancel(server.runservice, id)
  // Pods that could not be removed now go with the invocation, like those that were kept on purpose.
  if (!isClean) markEnd(invocation, 'kept')
}

/** Resolves when the executor has ended what they were doing. Throws the reason of `signal`. */
export async function leftRunsEnded(runservice: RunserviceHost, signal: AbortSignal): Promise<void> {
  for (const { id } of leftRuns(runservice)) {
    for await (const _ of runservice.watchRun(id, signal)) signal.throwIfAborted()
  }
  signal.throwIfAborted()
}

const leftRuns = (runservice: RunserviceHost): readonly Run[] =>
  newestRuns(runservice).filter(({ phase }) => !isFinishedRun(phase))
