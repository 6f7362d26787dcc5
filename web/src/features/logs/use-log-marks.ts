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
/** Of groups and commands: more than one folds, less than what is slow to draw. */
const marksMax = 100_000
/** As many as one goes through by hand. */
const errorsMax = 100
/** What is typed is searched a moment after the last letter; of a log that grows, what came, that long after it came. */
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
  const growth = useGrowth({ lineCount, isComplete })
  useEffect(() => {
    if (text === '' || !isOpen) {
      setState(nothingFound)
      return
    }
    const controller = new AbortController()
    const { signal } = controller
    let found: readonly number[] = []
    const search = async () => {
      setState({ ...nothingFound, isSearching: true, done: 0 })
      await rest(typedMs, signal)
      await scanned(growth, signal, async (fromLine) => {
        const query = { text, isCaseSensitive, fromLine }
        const { lines, nextLine } = await call('searchLog', { params: { runId, taskId, log }, query, signal })
        if (lines[0] !== undefined && found.length === 0) latest.current.onFirst(lines[0])
        found = [...before(found, fromLine), ...lines]
        const isFull = found.length >= matchesMax
        const isDone = nextLine === undefined || isFull
        const { lineCount: all } = latest.current
        setState({ found, isSearching: !isDone, done: isDone ? 1 : nextLine / Math.max(1, all), error: undefined })
        return { nextLine, isFull }
      })
    }
    search().catch((error: unknown) => {
      if (!signal.aborted) setState((old) => ({ ...old, isSearching: false, error }))
    })
    return () => controller.abort()
  }, [runId, taskId, log, text, isCaseSensitive, isOpen, growth])
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

/** Groups of the log, of any size, as they are found; of one that is written, those so far. */
export function useLogGroups(
  { runId, taskId, log }: LogAddress,
  { isOpen, isComplete, lineCount }: Growing,
): readonly LogGroup[] {
  const [marks, setMarks] = useState(noMarks)
  const growth = useGrowth({ lineCount, isComplete })
  useEffect(() => {
    setMarks(noMarks)
    if (!isOpen) return
    const controller = new AbortController()
    const { signal } = controller
    let found = noMarks
    const look = async (fromLine: number) => {
      const params = { runId, taskId, log }
      const more: FoundGroups = await call('findLogGroups', { params, query: { fromLine }, signal })
      const hasMore = more.begins.length + more.ends.length + more.commands.length > 0
      if (hasMore) {
        found = {
          begins: [...before(found.begins, fromLine), ...more.begins],
          ends: [...before(found.ends, fromLine), ...more.ends],
          commands: [...before(found.commands, fromLine), ...more.commands],
        }
        setMarks(found)
      }
      return { nextLine: more.nextLine, isFull: found.begins.length + found.commands.length >= marksMax }
    }
    // Without folds a log is still a log.
    scanned(growth, signal, look).catch(() => undefined)
    return () => controller.abort()
  }, [runId, taskId, log, isOpen, growth])
  return useMemo(() => groupsOf(marks, lineCount), [marks, lineCount])
}

/** What was found before that line; what comes behind it is found again. */
function before(lines: readonly number[], line: number): readonly number[] {
  let end = lines.length
  while (end > 0 && lines[end - 1]! >= line) end--
  return end === lines.length ? lines : lines.slice(0, end)
}

type Growth = { readonly isComplete: boolean; readonly changed: PromiseWithResolvers<void> }

/** How a log is now; `changed` resolves when it is otherwise. */
function useGrowth({ lineCount, isComplete }: Omit<Growing, 'isOpen'>): { readonly current: Growth } {
  const growth = useRef<Growth>({ isComplete, changed: Promise.withResolvers() })
  // biome-ignore lint/correctness/useExhaustiveDependencies: lines that came are a change
  useEffect(() => {
    const { changed } = growth.current
    growth.current = { isComplete, changed: Promise.withResolvers() }
    changed.resolve()
  }, [lineCount, isComplete])
  return growth
}

type Looked = { readonly nextLine: number | undefined; readonly isFull: boolean }

/** Looks through a log, and through what comes, until it is complete or enough was found. */
async function scanned(
  growth: { readonly current: Growth },
  signal: AbortSignal,
  look: (fromLine: number) => Promise<Looked>,
): Promise<void> {
  const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
  // The part in which the end was reached is looked through again: its last line may have been unfinished.
  let fromLine = 0
  while (!signal.aborted) {
    // Asked before looking: what comes meanwhile is looked for in another round.
    const { isComplete, changed } = growth.current
    for (let next: number | undefined = fromLine; next !== undefined; ) {
      fromLine = next
      const { nextLine, isFull } = await look(next)
      if (isFull) return
      next = nextLine
    }
    if (isComplete) return
    await Promise.race([changed.promise, ended])
    await rest(grownMs, signal)
  }
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
