// Tells how the first administrator is made, for as long as there is none.

import type { Configstore } from '../../configstore/api.ts'
import { isSlipwayError } from '../../lib/errors.ts'
import { removeLink, writeLink } from './first-administrator.ts'
import type { Installation } from './open-server.ts'

const retryMs = 1000

/**
 * Writes the file with the link when there is no user, and removes one of before when there is; beside the start, because the configstore
 * may be another process that comes later. Disposing stops asking.
 */
export function offerLink(
  { settings, clock, logger }: Installation,
  configstore: Pick<Configstore, 'status'>,
  link: { readonly url: string; readonly token: string },
): AsyncDisposable {
  const stopping = new AbortController()
  const { signal } = stopping
  const offer = async () => {
    for (let told = false; !signal.aborted; ) {
      try {
        const { hasUsers } = await configstore.status({ signal })
        if (hasUsers) return removeLink(settings.dataDir)
        const file = writeLink(settings.dataDir, link.url, link.token)
        return logger.info('there is no user yet: the link for the first administrator is in a file', { file })
      } catch (error) {
        if (signal.aborted) return
        if (!isSlipwayError(error) || error.kind !== 'unavailable') throw error
        if (!told) logger.warn('the configstore cannot be reached; trying again', { error })
        told = true
        await clock.sleep(retryMs, signal).catch(() => {})
      }
    }
  }
  const running = offer().catch((error: unknown) =>
    logger.error('the first administrator cannot be offered a link', { error }),
  )
  return {
    [Symbol.asyncDispose]: async () => {
      stopping.abort()
      await running
    },
  }
}
