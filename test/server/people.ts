// Those who use an installation of several gateways while its processes come and go.

import { setTimeout as sleep } from 'node:timers/promises'
import { type ApiClient, ApiError } from '../../src/contract/client.ts'
import { isSlipwayError } from '../../src/lib/errors.ts'
import type { ProcessGroup } from './process-group.ts'

/** Milliseconds; longer is no trouble that passes. */
export const patienceMs = 200_000

export type People = ReturnType<typeof createPeople>

export function createPeople(group: Pick<ProcessGroup, 'balancedClient'>) {
  const client = group.balancedClient()
  return {
    /** As a person does: again, at the other gateway, while there is trouble that passes. */
    async insist<T>(call: (client: ApiClient) => Promise<T>): Promise<T> {
      for (const deadline = Date.now() + patienceMs; ; ) {
        try {
          return await call(client)
        } catch (error) {
          const passes =
            error instanceof ApiError
              ? error.status >= 500 || error.status === 409
              : isSlipwayError(error) || error instanceof TypeError
          if (!passes || Date.now() > deadline) throw error
          await sleep(100)
        }
      }
    },
  }
}
