// Times and durations as people read them.

const units: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
]
// Made once: making one takes longer than all that a page formats with it.
const relativeTime = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const exactTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' })

/** `3 minutes ago`; within a minute `just now`. */
export function agoText(time: string, now: number): string {
  const seconds = (Date.parse(time) - now) / 1000
  for (const [unit, size] of units)
    if (Math.abs(seconds) >= size) return relativeTime.format(Math.trunc(seconds / size), unit)
  return 'just now'
}

/** In the reader's own time zone, to the second. */
export function exactText(time: string): string {
  return exactTime.format(new Date(time))
}

/** `< 0.1 s`, `0.4 s`, `12 s`, `3 min 07 s`, `2 h 05 min`, `3 d 04 h`. */
export function durationText(ms: number): string {
  if (ms > 0 && ms < 50) return '< 0.1 s'
  const seconds = Math.floor(ms / 1000)
  if (seconds < 1) return `${(ms / 1000).toFixed(1)} s`
  if (seconds < 60) return `${seconds} s`
  const pad = (value: number) => String(value).padStart(2, '0')
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${pad(seconds % 60)} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${pad(minutes % 60)} min`
  return `${Math.floor(hours / 24)} d ${pad(hours % 24)} h`
}

/** `850 B`, `12.4 kB`, `3.1 MB`. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  if (bytes < 1_000_000) return `${(bytes / 1000).toFixed(1)} kB`
  if (bytes < 1_000_000_000) return `${(bytes / 1_000_000).toFixed(1)} MB`
  return `${(bytes / 1_000_000_000).toFixed(2)} GB`
}
