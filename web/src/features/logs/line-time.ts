// When a line began, beside it.

export const timeModes = ['none', 'relative', 'clock'] as const
export type TimeMode = (typeof timeModes)[number]

/** `0:07.3` since the beginning of the step, or `14:03:07` in the reader's time zone. */
export function lineTime(at: number, mode: TimeMode, startedAt: number): string {
  if (at === 0 || mode === 'none') return ''
  if (mode === 'clock') return new Date(at).toLocaleTimeString('en-GB', { hour12: false })
  const tenths = Math.max(0, Math.round((at - startedAt) / 100))
  const seconds = Math.floor(tenths / 10)
  const pad = (value: number) => String(value).padStart(2, '0')
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor(seconds / 60) % 60
  const rest = `${pad(seconds % 60)}.${tenths % 10}`
  return hours > 0 ? `${hours}:${pad(minutes)}:${rest}` : `${minutes}:${rest}`
}

const key = 'slipway-log-times'

/** Remembered by the browser, for all logs. */
export function rememberedTimeMode(): TimeMode {
  try {
    return timeModes.find((mode) => mode === localStorage.getItem(key)) ?? 'none'
  } catch {
    return 'none'
  }
}

export function rememberTimeMode(mode: TimeMode): void {
  try {
    localStorage.setItem(key, mode)
  } catch {
    // A browser that keeps nothing shows no times the next time.
  }
}
