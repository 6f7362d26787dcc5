// Lists that the server tells the newest page of: as it is, and each time it changes.

import { type InfiniteData, useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'

type Page = { readonly nextCursor?: string | undefined }

export type LiveListOptions<P extends Page> = {
  readonly queryKey: readonly unknown[]
  readonly fetchPage: (cursor: { readonly cursor?: string }, signal: AbortSignal) => Promise<P>
  /** Calls `show` with the newest page, now and when it changes, until `signal` is aborted. */
  readonly watch: (show: (page: P) => void, signal: AbortSignal) => Promise<void>
}

/** Pages of a list, the newest first. Older ones that were asked for are asked for again when something changed. */
export function useLiveList<P extends Page>({ queryKey, fetchPage, watch }: LiveListOptions<P>) {
  const queryClient = useQueryClient()
  const latest = useRef({ queryKey, watch })
  latest.current = { queryKey, watch }
  const name = JSON.stringify(queryKey)
  // biome-ignore lint/correctness/useExhaustiveDependencies: one stream for each list
  useEffect(() => {
    const controller = new AbortController()
    const { queryKey: key, watch: follow } = latest.current
    const show = (page: P) => {
      const shown = queryClient.getQueryData<InfiniteData<P>>(key)
      if (shown !== undefined && shown.pages.length > 1) void queryClient.invalidateQueries({ queryKey: key })
      else queryClient.setQueryData<InfiniteData<P>>(key, { pages: [page], pageParams: [undefined] })
    }
    // Refused: the list says why.
    follow(show, controller.signal).catch(() => undefined)
    return () => controller.abort()
  }, [name, queryClient])
  return useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam, signal }) => fetchPage(pageParam === undefined ? {} : { cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ nextCursor }: P) => nextCursor,
    retry: false,
  })
}
