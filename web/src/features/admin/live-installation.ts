// Keeps what the pages of the administration show as it is on the server, while one looks at them.

import { useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'
import { events } from '../../api/client.ts'
import { followEvents } from '../../api/follow-events.ts'

/** Each event is all of what it tells of, so it goes where the answer of the call would. */
export function useLiveInstallation(isAdmin: boolean): void {
  const queryClient = useQueryClient()
  useEffect(() => {
    if (!isAdmin) return
    const controller = new AbortController()
    followEvents<ApiRoutes['watchInstallation']>({
      open: (_, signal) => events('watchInstallation', { signal }),
      onEvent: (event) => queryClient.setQueryData([event.event], event.data),
      signal: controller.signal,
    }).catch(() => undefined)
    return () => controller.abort()
  }, [isAdmin, queryClient])
}
