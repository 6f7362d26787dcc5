// The one cache of what the server said.

import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query'
import { ApiError } from '../../../src/contract/client.ts'
import { sessionKey } from './session.ts'

/** Pages that are not fed by events look again when one comes back to them after so long. */
const staleMs = 20_000
const retriesMax = 3

export function createQueryClient(): QueryClient {
  const onError = (error: unknown) => {
    // The session has ended: who one is is asked anew, and the shell lets one log in where one is.
    if (error instanceof ApiError && error.status === 401) void queryClient.invalidateQueries({ queryKey: sessionKey })
  }
  const queryClient: QueryClient = new QueryClient({
    queryCache: new QueryCache({ onError }),
    mutationCache: new MutationCache({ onError }),
    defaultOptions: {
      queries: {
        staleTime: staleMs,
        retry: (failures, error) => failures < retriesMax && mayPass(error),
        retryDelay: (attempt) => Math.min(500 * 2 ** attempt, 8000),
        // While the server is away pages ask again by themselves.
        refetchInterval: ({ state }) => (state.error !== null && mayPass(state.error) ? 5000 : false),
        networkMode: 'always',
      },
      mutations: { networkMode: 'always' },
    },
  })
  return queryClient
}

/** Whether asking again can help. */
function mayPass(error: unknown): boolean {
  return !(error instanceof ApiError) || error.status >= 500 || error.status === 429
}
