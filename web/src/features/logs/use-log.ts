// Follows a log into lines. What came is drawn at most once a frame, however many events bring it.

import { useEffect, useRef, useState } from 'react'
import { ApiError } from '../../../../src/contract/client.ts'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'
import { events } from '../../api/client.ts'
import { type Connection, followEvents } from '../../api/follow-events.ts'
import { LogLines } from './log-lines.ts'

export type FollowedLog = {
  readonly lines: LogLines
  /** Changes with the lines, which are one growing object. */
  readonly revision: number
  readonly isComplete: boolean
  readonly connection: Connection
  /** There is no such log, or one may not read it. */
  readonly error: unknown
}

export function useLog(runId: string, taskId: string, log: string): FollowedLog {
  const lines = useRef(new LogLines())
  const [revision, setRevision] = useState(0)
  const [isComplete, setComplete] = useState(false)
  const [connection, setConnection] = useState<Connection>('connecting')
  const [error, setError] = useState<unknown>()
  useEffect(() => {
    const controller = new AbortController()
    lines.current = new LogLines()
    setComplete(false)
    setError(undefined)
    let isDrawing = false
    const draw = () => {
      if (isDrawing) return
      isDrawing = true
      requestAnimationFrame(() => {
        isDrawing = false
        if (!controller.signal.aborted) setRevision((old) => old + 1)
      })
    }
    followEvents<ApiRoutes['followLog']>({
      open: (lastEventId, signal) =>
        events('followLog', {
          params: { runId, taskId, log },
          signal,
          ...(lastEventId === undefined ? {} : { lastEventId }),
        }),
      onEvent: (event) => {
        if (event.event === 'end') setComplete(true)
        else {
          lines.current.append(event.data.text)
          if (lines.current.isFull) {
            setComplete(true)
            controller.abort()
          }
        }
        draw()
      },
      onConnection: setConnection,
      signal: controller.signal,
    }).catch((thrown: unknown) => {
      setError(thrown)
      setComplete(true)
    })
    return () => controller.abort()
  }, [runId, taskId, log])
  return { lines: lines.current, revision, isComplete, connection, error }
}

export function isNoLog(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404
}
