// What the server finds in a log: lines with a text, lines that look like errors, groups. Each answer is of a quarter of a second of
// looking; until all was looked at the next one is asked for.

import { useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useRef, useState } from 'react'
import type { ResponseOf } from '../../../../src/contract/route.ts'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'
import { call } from '../../api/client.ts'
import { type GroupMarks, groupsOf, type LogGroup } from './log-groups.ts'
import type { LogAddress } from './use-log.ts'

type FoundLines = ResponseOf<ApiRoutes['searchLog']>
type FoundGroups = ResponseOf<ApiRoutes['findLogGroups']>

/** More matches help nobody: one types more then. */
const matchesMax = 10_000
/** As many as one goes through by hand. */
const errorsMax = 100
/** Groups of larger logs are not looked for. */
const groupedBytesMax = 64 * 1024 * 1024
/** What is typed is searched a moment after the last letter, and a log that grows so often. */
const typedMs = 120
const grownMs = 1500

type Growing = { readonly isOpen: boolean; readonly isComplete: boolean; readonly lineCount: number }

export type LogSearchState = {
  readonly found: readonly number[]
  readonly isSearching: boolean
  /** Of the log, 0 to 1. */
  readonly done: number
  readonly error: unknown
}

const nothingFound: LogSearchState = { found: [], isSearching: false, done: 1, error: undefined }

/** Lines with that text, in order, as they are found; `onFirst` hears of the first one of a new search. */
export function useLogSearch(
  address: LogAddress,
  wanted: { readonly text: string; readonly isCaseSensitive: boolean },
  { isOpen, isComplete, lineCount }: Growing,
  onFirst: (line: number) => void,
): LogSearchState {
  const { runId, taskId, log } = address
  const { text, isCaseSensitive } = wanted
  const [state, setState] = useState(nothingFound)
  const latest = useRef({ onFirst, lineCount })
  latest.current = { onFirst, lineCount }
  useEffect(() => {
    if (text === '' || !isOpen) {
      setState(nothingFound)
      return
    }
    const controller = new AbortController()
    const { signal } = controller
    const search = async () => {
      let found: readonly number[] = []
      let fromLine = 0
      setState({ ...nothingFound, isSearching: true, done: 0 })
      await rest(typedMs, signal)
      while (!signal.aborted) {
        const query = { text, isCaseSensitive, fromLine }
        const { lines, nextLine } = await call('searchLog', { params: { runId, taskId, log }, query, signal })
        if (lines[0] !== undefined && found.length === 0) latest.current.onFirst(lines[0])
        found = [...found, ...lines]
        const isFull = found.length >= matchesMax
        const isDone = nextLine === undefined || isFull
        const { lineCount: all } = latest.current
        setState({ found, isSearching: !isDone, done: isDone ? 1 : nextLine / Math.max(1, all), error: undefined })
        if (isFull || (nextLine === undefined && isComplete)) return
        fromLine = nextLine ?? Math.max(fromLine, (found.at(-1) ?? -1) + 1)
        if (nextLine === undefined) await rest(grownMs, signal)
      }
    }
    search().catch((error: unknown) => {
      if (!signal.aborted) setState((old) => ({ ...old, isSearching: false, error }))
    })
    return () => controller.abort()
  }, [runId, taskId, log, text, isCaseSensitive, isOpen, isComplete])
  return state
}

/** The first lines that look like errors. */
export function useLogErrors({ runId, taskId, log }: LogAddress, { isOpen, isComplete }: Growing): readonly number[] {
  const query = useQuery({
    queryKey: ['log-errors', runId, taskId, log, isComplete],
    queryFn: async ({ signal }) => {
      const params = { runId, taskId, log }
      const { errorLines, errorsBefore } = await call('getLogSummary', { params, signal })
      const found = [...errorLines]
      for (let fromLine = errorsBefore; fromLine !== undefined && found.length < errorsMax; ) {
        const query = { fromLine, limit: errorsMax }
        const more: FoundLines = await call('searchLog', { params, query, signal })
        found.push(...more.lines)
        fromLine = more.nextLine
      }
      return found
    },
    enabled: isOpen,
    staleTime: isComplete ? Number.POSITIVE_INFINITY : 0,
  })
  return query.data ?? none
}
const none: readonly number[] = []
const noMarks: GroupMarks = { begins: [], ends: [], commands: [] }

/** Groups of the log; of one that is written, those so far, looked for now and then. */
export function useLogGroups(
  { runId, taskId, log }: LogAddress,
  { isOpen, isComplete, lineCount }: Growing,
  sizeBytes: number,
): readonly LogGroup[] {
  const isSmall = sizeBytes <= groupedBytesMax
  const { data = noMarks } = useQuery({
    queryKey: ['log-groups', runId, taskId, log, isComplete],
    queryFn: async ({ signal }) => {
      const marks = { begins: [] as number[], ends: [] as number[], commands: [] as number[] }
      for (let fromLine: number | undefined = 0; fromLine !== undefined; ) {
        const found: FoundGroups = await call('findLogGroups', {
          params: { runId, taskId, log },
          query: { fromLine },
          signal,
        })
        for (const kind of ['begins', 'ends', 'commands'] as const) marks[kind].push(...found[kind])
        fromLine = marks.begins.length + marks.commands.length >= matchesMax ? undefined : found.nextLine
      }
      return marks
    },
    enabled: isOpen && isSmall,
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: (old) => old,
    refetchInterval: isComplete ? false : 5000,
  })
  return useMemo(() => groupsOf(data, lineCount), [data, lineCount])
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
