// Removes a container, however it is and whoever else is removing it.

import type { Clock } from '../../../lib/clock.ts'
import { type Engine, isEngineError } from './engine.ts'

const removalPollMs = 50

export type RemoveOptions = { readonly engine: Engine; readonly clock: Clock; readonly signal?: AbortSignal }

/** Kills and removes a container with its anonymous volumes, by id or name. Returns when it is gone; one that is not there is. */
export async function removeContainer(container: string, { engine, clock, signal }: RemoveOptions): Promise<void> {
  const options = signal === undefined ? {} : { signal }
  for (;;) {
    try {
      await engine.call({
        method: 'DELETE',
        path: `/containers/${container}`,
        query: { force: '1', v: '1' },
        ...options,
      })
      return
    } catch (error) {
      if (isEngineError(error, 404)) return
      // 409: somebody else is removing it already; the caller wants to know when it is gone. Podman keeps a container while
      // others use its network; they are being removed, too.
      if (!isEngineError(error, 409) && !(isEngineError(error) && /dependent containers/.test(error.message)))
        throw error
    }
    await clock.sleep(removalPollMs, signal)
  }
}
