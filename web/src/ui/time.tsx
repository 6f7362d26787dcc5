import { durationOf } from '../features/runs/run-state.ts'
import { useNow } from './now.ts'
import { agoText, durationText, exactText } from './time-text.ts'

/** How long ago; the exact time when pointed at. */
export function Ago({ time }: { readonly time: string }) {
  const now = useNow(true)
  return (
    <time dateTime={time} title={exactText(time)}>
      {agoText(time, now)}
    </time>
  )
}

type Span = { readonly startedAt?: string | undefined; readonly endedAt?: string | undefined }

/** How long it took, or takes already; nothing when it has not begun. */
export function Duration({ of }: { readonly of: Span }) {
  const now = useNow(of.startedAt !== undefined && of.endedAt === undefined)
  const ms = durationOf(of, now)
  if (ms === undefined) return null
  return (
    <span title={of.startedAt === undefined ? undefined : `since ${exactText(of.startedAt)}`}>{durationText(ms)}</span>
  )
}
