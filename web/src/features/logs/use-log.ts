// Opens a log: its end first, then what is looked at, and what is added while it is written. What came is drawn at most once a frame,
// however many events bring it.

import { useCallback, useEffect, useRef, useState } from 'react'
import { ApiError } from '../../../../src/contract/client.ts'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'
import { call, events } from '../../api/client.ts'
import { type Connection, followEvents } from '../../api/follow-events.ts'
import { LogBook } from './log-book.ts'

export type LogAddress = { readonly runId: string; readonly taskId: string; readonly log: string }

export type OpenLog = {
  readonly book: LogBook
  /** Changes with the book, which is one growing object. */
  readonly revision: number
  /** The end is there. */
  readonly isOpen: boolean
  /** Nothing will be added. */
  readonly isComplete: boolean
  readonly sizeBytes: number
  readonly connection: Connection
  /** There is no such log, or one may not read it. */
  readonly error: unknown
  /** One looks at these lines: those that are not there are fetched. */
  readonly show: (first: number, last: number) => void
}

/** Of the end, fetched first. */
const tailLines = 400
/** Asked for together. */
const chunkLines = 500
/** Fetched around what one looks at, so that scrolling finds it there. */
const aroundLines = 150
const requestsMax = 2
const retryMs = 1000

export function useLog({ runId, taskId, log }: LogAddress): OpenLog {
  const book = useRef(new LogBook())
  const loader = useRef<LineLoader>(undefined)
  const [revision, setRevision] = useState(0)
  const [isOpen, setOpen] = useState(false)
  const [isComplete, setComplete] = useState(false)
  const [sizeBytes, setSizeBytes] = useState(0)
  const [connection, setConnection] = useState<Connection>('connecting')
  const [error, setError] = useState<unknown>()
  useEffect(() => {
    const controller = new AbortController()
    const { signal } = controller
    const params = { runId, taskId, log }
    book.current = new LogBook()
    setOpen(false)
    setComplete(false)
    setError(undefined)
    const draw = drawing(() => {
      if (!signal.aborted) setRevision((old) => old + 1)
    })
    loader.current = new LineLoader(book.current, { params, draw, onConnection: setConnection, signal })
    const open = async () => {
      const page = await repeated(
        () => call('readLogLines', { params, query: { tailLines }, signal }),
        setConnection,
        signal,
      )
      if (signal.aborted) return
      book.current.begin(page)
      setSizeBytes(page.sizeBytes)
      setOpen(true)
      setConnection('live')
      draw()
      if (page.isComplete) {
        setComplete(true)
        return
      }
      await followEvents<ApiRoutes['followLog']>({
        open: (lastEventId, opened) =>
          events('followLog', {
            params,
            query: { fromByte: page.endByte },
            signal: opened,
            ...(lastEventId === undefined ? {} : { lastEventId }),
          }),
        onEvent: (event) => {
          if (event.event === 'end') setComplete(true)
          else book.current.append(event.data.text, Date.now())
          if (event.id !== undefined) setSizeBytes(Number(event.id))
          draw()
        },
        onConnection: setConnection,
        signal,
      })
    }
    open().catch((thrown: unknown) => {
      if (signal.aborted) return
      setError(thrown)
      setComplete(true)
    })
    return () => controller.abort()
  }, [runId, taskId, log])
  const show = useCallback((first: number, last: number) => loader.current?.show(first, last), [])
  return { book: book.current, revision, isOpen, isComplete, sizeBytes, connection, error, show }
}

export function isNoLog(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404
}

type LoaderOptions = {
  readonly params: LogAddress
  readonly draw: () => void
  readonly onConnection: (connection: Connection) => void
  readonly signal: AbortSignal
}

/** Fetches what is missing of what one looks at now; what one looked at before is not waited for. */
class LineLoader {
  readonly #book: LogBook
  readonly #options: LoaderOptions
  #shown = { first: 0, last: 0 }
  readonly #asked = new Set<number>()

  constructor(book: LogBook, options: LoaderOptions) {
    this.#book = book
    this.#options = options
  }

  show(first: number, last: number): void {
    this.#shown = { first, last }
    this.#next()
  }

  #next(): void {
    const { first, last } = this.#shown
    while (this.#asked.size < requestsMax) {
      const missing = this.#book.missing(first, last) ?? this.#book.missing(first - aroundLines, last + aroundLines)
      if (missing === undefined) return
      const start = Math.floor(missing / chunkLines) * chunkLines
      // Of very long lines fewer come than were asked for: then from where they ended.
      const from = this.#book.has(start) ? missing : start
      if (this.#asked.has(from)) return
      void this.#fetch(from)
    }
  }

  async #fetch(from: number): Promise<void> {
    const { params, draw, onConnection, signal } = this.#options
    this.#asked.add(from)
    try {
      const query = { fromLine: from, count: chunkLines }
      const page = await repeated(() => call('readLogLines', { params, query, signal }), onConnection, signal)
      if (signal.aborted) return
      this.#book.put(page)
      this.#book.letGo(this.#shown.first - 5000, this.#shown.last + 5000)
      onConnection('live')
      draw()
      // Nothing where something should be: it is shown as missing, and asked for when one looks again.
      if (page.lines.length === 0) return
    } catch {
      return
    } finally {
      this.#asked.delete(from)
    }
    this.#next()
  }
}

/** Until it succeeds, or is answered in a way that repeating does not change. */
async function repeated<T>(
  act: () => Promise<T>,
  onConnection: (connection: Connection) => void,
  signal: AbortSignal,
): Promise<T> {
  for (;;) {
    try {
      return await act()
    } catch (error) {
      const isFinal = error instanceof ApiError && error.status < 500 && error.status !== 429
      if (signal.aborted || isFinal) throw error
      onConnection('lost')
      await new Promise((resolve) => setTimeout(resolve, retryMs))
    }
  }
}

/** At most once a frame. */
function drawing(draw: () => void): () => void {
  let isWaiting = false
  return () => {
    if (isWaiting) return
    isWaiting = true
    requestAnimationFrame(() => {
      isWaiting = false
      draw()
    })
  }
}
