// Runs in the cache.

import { type InfiniteData, infiniteQueryOptions, queryOptions, useQuery, useQueryClient } from '@tanstack/react-query'
import { useDeferredValue, useEffect, useState } from 'react'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'
import type { RunFilter } from '../../api/apply-run-change.ts'
import { call, events } from '../../api/client.ts'
import { type Connection, followEvents } from '../../api/follow-events.ts'
import { runKey, runsKey } from '../../api/live.ts'
import type { Run, RunList, RunOwner } from '../../api/types.ts'
import { isLive } from './run-state.ts'

export const runsPageSize = 30
/** A run of so many tasks is drawn so often while they change. */
const manyTasks = 60
const drawnEveryMs = 120

/** Runs of an owner, the newest first; kept as they are on the server by live changes. */
export function runsQuery(owner: RunOwner, filter: RunFilter, limit = runsPageSize) {
  return infiniteQueryOptions<RunList, Error, InfiniteData<RunList>, ReturnType<typeof runsKey>, string | undefined>({
    queryKey: runsKey(owner, filter),
    queryFn: ({ pageParam, signal }) => {
      const query = {
        limit,
        ...(pageParam === undefined ? {} : { cursor: pageParam }),
        ...(filter.branch === undefined ? {} : { branch: filter.branch }),
        ...(filter.tag === undefined ? {} : { tag: filter.tag }),
        ...(filter.pullRequest === undefined ? {} : { pullRequest: filter.pullRequest }),
        ...(filter.refType === undefined ? {} : { refType: filter.refType }),
        ...(filter.text === undefined ? {} : { text: filter.text }),
        ...(filter.author === undefined ? {} : { author: filter.author }),
        ...(filter.phase === undefined ? {} : { phase: [...filter.phase] }),
        ...(filter.result === undefined ? {} : { result: [...filter.result] }),
      }
      return owner.type === 'project'
        ? call('listProjectRuns', { params: { projectRef: owner.id }, query, signal })
        : call('listUserRuns', { params: { userRef: owner.id }, query, signal })
    },
    initialPageParam: undefined,
    getNextPageParam: ({ nextCursor }) => nextCursor,
    staleTime: 60_000,
  })
}

/** How an address names a run: its owner by path or name, and its number. */
export type RunAddress = { readonly type: RunOwner['type']; readonly ref: string; readonly number: string }

/** A run by its address, live while it runs. `connection` is that of its own stream. */
export function useRun({ type, ref, number }: RunAddress) {
  const queryClient = useQueryClient()
  const id = useQuery({
    queryKey: ['run-id', type, ref, number],
    queryFn: async ({ signal }) => {
      const runNumber = Number(number)
      const run =
        type === 'project'
          ? await call('getProjectRun', { params: { projectRef: ref, runNumber }, signal })
          : await call('getUserRun', { params: { userRef: ref, runNumber }, signal })
      queryClient.setQueryData(runKey(run.id), run)
      return run.id
    },
    staleTime: Number.POSITIVE_INFINITY,
  })
  const run = useQuery({ ...runQuery(id.data ?? ''), enabled: id.data !== undefined })
  const connection = useWatchedRun(run.data)
  // A new state of a large run is drawn in pieces, between which frames are drawn and keys answered; another run at once.
  const deferred = useDeferredValue(run.data)
  const data = deferred?.id === run.data?.id ? deferred : run.data
  const { error, isPending, refetch, dataUpdatedAt } = id.data === undefined ? id : run
  return { query: { data, error, isPending, refetch, dataUpdatedAt }, connection }
}

export function runQuery(runId: string) {
  return queryOptions({
    queryKey: runKey(runId),
    queryFn: ({ signal }) => call('getRun', { params: { runId }, signal }),
  })
}

/** Keeps an open run as it is on the server; hidden pages rest and look again when they are shown. */
function useWatchedRun(run: Run | undefined): Connection {
  const queryClient = useQueryClient()
  const isVisible = useIsVisible()
  const [connection, setConnection] = useState<Connection>('connecting')
  const runId = run?.id
  const isWatched = run !== undefined && isLive(run) && isVisible
  useEffect(() => {
    if (!isWatched || runId === undefined) return
    const controller = new AbortController()
    let latest: Run | undefined
    const show = () => {
      if (latest !== undefined) queryClient.setQueryData(runKey(runId), latest)
      latest = undefined
    }
    followEvents<ApiRoutes['watchRun']>({
      open: (_, signal) => events('watchRun', { params: { runId }, signal }),
      onEvent: (event) => {
        if (event.event !== 'run') return
        if (latest === undefined) {
          if (event.data.tasks.length < manyTasks) requestAnimationFrame(show)
          else setTimeout(show, drawnEveryMs)
        }
        latest = event.data
      },
      onConnection: setConnection,
      signal: controller.signal,
    }).catch(() => void queryClient.invalidateQueries({ queryKey: runKey(runId) }))
    return () => controller.abort()
  }, [isWatched, runId, queryClient])
  return connection
}

function useIsVisible(): boolean {
  const [isVisible, setVisible] = useState(() => document.visibilityState === 'visible')
  useEffect(() => {
    const look = () => setVisible(document.visibilityState === 'visible')
    document.addEventListener('visibilitychange', look)
    return () => document.removeEventListener('visibilitychange', look)
  }, [])
  return isVisible
}
