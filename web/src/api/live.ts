// Feeds the cache: changes of runs come by one stream and go into every list and run that is in it. Nothing polls.

import { type InfiniteData, type Query, type QueryClient, useQueryClient } from '@tanstack/react-query'
import { useEffect, useSyncExternalStore } from 'react'
import type { ApiRoutes } from '../../../src/contract/routes.ts'
import { isLive } from '../features/runs/run-state.ts'
import { applyRunToList, applyRunToRun, applyTaskToList, type RunFilter } from './apply-run-change.ts'
import { events } from './client.ts'
import { type Connection, followEvents } from './follow-events.ts'
import { joinSharedStream } from './shared-stream.ts'
import type { Run, RunChangeEvent, RunList, RunOwner } from './types.ts'

/** `['runs', owner type, owner id, filter]`: pages of a list. */
export function runsKey(owner: RunOwner, filter: RunFilter) {
  return ['runs', owner.type, owner.id, filter] as const
}

/** `['projects', 'mine', user name]`: the projects of Home, with the newest runs of each. */
export const myProjectsKey = ['projects', 'mine'] as const

/** `['run', id]`. */
export function runKey(runId: string) {
  return ['run', runId] as const
}

type Message =
  | { readonly kind: 'event'; readonly event: RunChangeEvent }
  | { readonly kind: 'connection'; readonly connection: Connection }

let connection: Connection = 'connecting'
const listeners = new Set<() => void>()

function setConnection(next: Connection): void {
  if (connection === next) return
  connection = next
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Of the stream of changes. */
export function useConnection(): Connection {
  return useSyncExternalStore(subscribe, () => connection)
}

/** Keeps lists and runs of the cache as they are on the server, while `userId` is logged in. Used once, by the shell. */
export function useLiveRuns(userId: string | undefined): void {
  const queryClient = useQueryClient()
  useEffect(() => {
    if (userId === undefined) return
    const controller = new AbortController()
    const { signal } = controller
    const apply = batched((changes: readonly RunChangeEvent[]) => applyChanges(queryClient, changes))
    const wasLost = { current: false }
    joinSharedStream<Message>({
      name: `slipway-runs-${userId}`,
      signal,
      read: async (tell, reading) => {
        await followEvents<ApiRoutes['watchAllRuns']>({
          open: (lastEventId, opened) =>
            events('watchAllRuns', { signal: opened, ...(lastEventId === undefined ? {} : { lastEventId }) }),
          onEvent: (event) => tell({ kind: 'event', event }),
          onConnection: (next) => tell({ kind: 'connection', connection: next }),
          signal: reading,
        })
      },
      onMessage: (message) => {
        if (message.kind === 'connection') {
          if (message.connection === 'lost') wasLost.current = true
          setConnection(message.connection)
          return
        }
        setConnection('live')
        if (wasLost.current) {
          // The server may have been another one meanwhile: events are gone on with, all else is looked at again.
          wasLost.current = false
          void queryClient.invalidateQueries()
        }
        apply(message.event)
      },
    })
    return () => controller.abort()
  }, [userId, queryClient])
}

/** Collects what comes within a frame: a hundred events are drawn once. */
function batched<T>(act: (items: readonly T[]) => void): (item: T) => void {
  let waiting: T[] = []
  const flush = () => {
    const items = waiting
    waiting = []
    act(items)
  }
  return (item) => {
    waiting.push(item)
    if (waiting.length > 1) return
    if (document.visibilityState === 'visible') requestAnimationFrame(flush)
    else setTimeout(flush, 200)
  }
}

function applyChanges(queryClient: QueryClient, changes: readonly RunChangeEvent[]): void {
  for (const change of changes) {
    switch (change.event) {
      case 'run': {
        const run = change.data
        for (const query of queryClient.getQueryCache().findAll({ queryKey: ['runs', run.owner.type, run.owner.id] })) {
          const filter = (query.queryKey[3] ?? {}) as RunFilter
          queryClient.setQueryData<InfiniteData<RunList>>(
            query.queryKey,
            (list) => list && applyRunToList(list, run, filter),
          )
          if (query.state.fetchStatus === 'fetching') lookAgain(queryClient, query)
        }
        for (const query of queryClient.getQueryCache().findAll({ queryKey: myProjectsKey, fetchStatus: 'fetching' }))
          lookAgain(queryClient, query)
        // How it ended, with its tasks and what can be done now, only the run itself tells.
        if (isLive(run)) queryClient.setQueryData<Run>(runKey(run.id), (open) => open && applyRunToRun(open, run))
        else void queryClient.invalidateQueries({ queryKey: runKey(run.id) })
        break
      }
      case 'task': {
        const { owner } = change.data
        queryClient.setQueriesData<InfiniteData<RunList>>(
          { queryKey: ['runs', owner.type, owner.id] },
          (list) => list && applyTaskToList(list, change.data),
        )
        break
      }
      case 'reset':
        void queryClient.invalidateQueries({ queryKey: ['runs'] })
        void queryClient.invalidateQueries({ queryKey: ['run'] })
        break
      case 'ready':
        // What was asked for before may be older than the first change that is told.
        for (const query of listsNow(queryClient)) lookAgain(queryClient, query)
        break
    }
  }
}

/** Lists of runs that are shown; where the projects of Home bring their lists along, those in place of each of them. */
function listsNow(queryClient: QueryClient): readonly Query[] {
  const cache = queryClient.getQueryCache()
  const home = cache.findAll({ queryKey: myProjectsKey, type: 'active' })
  const isOfHome = ({ queryKey }: Query) => queryKey[1] === 'project' && Object.keys(queryKey[3] ?? {}).length === 0
  const lists = cache.findAll({ queryKey: ['runs'], type: 'active' })
  return [...home, ...(home.length === 0 ? lists : lists.filter((query) => !isOfHome(query)))]
}

/** Those that will. */
const lookingAgain = new WeakSet<Query>()

/** Asks once more, when what is asked now is answered: the answer may be of before a change that was told meanwhile. */
function lookAgain(queryClient: QueryClient, query: Query): void {
  if (lookingAgain.has(query)) return
  lookingAgain.add(query)
  const answered = query.state.fetchStatus === 'fetching' ? query.promise : undefined
  void Promise.resolve(answered)
    .catch(() => undefined)
    .then(() => {
      lookingAgain.delete(query)
      return queryClient.invalidateQueries({ queryKey: query.queryKey, exact: true })
    })
}
