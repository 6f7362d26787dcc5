// What stands where data should be: loading, nothing, failed; and the line above data that may be old.

import type { ReactNode } from 'react'
import { ApiError } from '../../../src/contract/client.ts'
import { Button } from './button.tsx'
import { Icon } from './icon.tsx'

/** Shown after a moment only (by style), so that what comes fast does not flicker. */
export function Loading({ lines = 4, what }: { readonly lines?: number; readonly what: string }) {
  return (
    <div className="skeleton" role="status" aria-label={`Loading ${what}`}>
      {Array.from({ length: lines }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all alike
        <span key={line} style={{ width: `${90 - ((line * 23) % 50)}%` }} />
      ))}
    </div>
  )
}

export function Empty({
  title,
  children,
  action,
}: {
  readonly title: string
  readonly children?: ReactNode
  readonly action?: ReactNode
}) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children === undefined ? null : <p>{children}</p>}
      {action}
    </div>
  )
}

/** In words of the server where it has any. */
export function problemText(error: unknown): string {
  if (error instanceof Error) return error.message
  return 'Something went wrong.'
}

function adviceOf(error: unknown): string | undefined {
  if (!(error instanceof ApiError)) return 'The server cannot be reached. This page tries again by itself.'
  switch (error.status) {
    case 403:
      return 'You are logged in, but may not do this. Ask an owner of the project or an administrator.'
    case 404:
      return 'It does not exist, or is private and you may not see it.'
    case 409:
      return 'Somebody else was faster. Look at what there is now and decide again.'
    case 503:
      return 'The server answers again soon.'
    default:
      return error.status >= 500
        ? 'The trouble is on the server; its log has it under the id of the request.'
        : undefined
  }
}

export function Problem({
  error,
  title,
  retry,
  retryWords = 'Try again',
}: {
  readonly error: unknown
  readonly title?: string
  readonly retry?: () => void
  readonly retryWords?: string
}) {
  const advice = adviceOf(error)
  return (
    <div className="note" data-kind="problem" role="alert">
      <Icon name="warning" />
      <div className="stack tight">
        <strong>{title ?? problemText(error)}</strong>
        {title === undefined ? null : <span>{problemText(error)}</span>}
        {advice === undefined ? null : <span className="soft">{advice}</span>}
        {error instanceof ApiError && error.status >= 500 && error.requestId !== undefined ? (
          <code className="faint">request {error.requestId}</code>
        ) : null}
      </div>
      {retry === undefined ? <span /> : <Button onClick={retry}>{retryWords}</Button>}
    </div>
  )
}

/** Of a form; after somebody else was faster what was typed stays, until one asks for what there is now. */
export function SaveProblem({ error, reload }: { readonly error: unknown; readonly reload: () => void }) {
  if (error === null) return null
  if (!(error instanceof ApiError) || error.code !== 'version_conflict') return <Problem error={error} />
  return <Problem error={error} retry={reload} retryWords="Show what there is now" />
}

export function Stale({ children }: { readonly children: ReactNode }) {
  return (
    <div className="note" data-kind="stale" role="status">
      <Icon name="clock" />
      <div>{children}</div>
      <span />
    </div>
  )
}

type Queried<T> = {
  readonly data: T | undefined
  readonly error: unknown
  readonly isPending: boolean
  readonly refetch: () => unknown
}

/** Data with everything that can stand in its place. Old data stays when fetching it anew fails, with a line that says so. */
export function Loaded<T>({
  query,
  what,
  lines,
  children,
}: {
  readonly query: Queried<T>
  readonly what: string
  readonly lines?: number
  readonly children: (data: T) => ReactNode
}) {
  if (query.data === undefined) {
    if (query.error !== null && query.error !== undefined)
      return <Problem error={query.error} title={`Cannot show ${what}`} retry={() => void query.refetch()} />
    return <Loading what={what} {...(lines === undefined ? {} : { lines })} />
  }
  return (
    <>
      {query.error === null || query.error === undefined ? null : (
        <Stale>What you see may be old: {problemText(query.error)}.</Stale>
      )}
      {children(query.data)}
    </>
  )
}
