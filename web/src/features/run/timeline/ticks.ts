// The marks of a time axis, at times that people count in.

import { durationText } from '../../../ui/time-text.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const stepsMs = [
  ...[0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30].map((count) => count * second),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * minute),
  ...[1, 2, 3, 6, 12, 24, 48].map((count) => count * hour),
]
const ticksMax = 6

/** Milliseconds between two marks of an axis of that length. */
export function tickStepMs(lengthMs: number): number {
  return stepsMs.find((step) => lengthMs / step < ticksMax) ?? Math.ceil(lengthMs / ticksMax / hour) * hour
}

/** From 0 on; none so near the end that its text would run into that of the end. */
export function ticksOf(lengthMs: number): readonly { readonly ms: number; readonly text: string }[] {
  const step = tickStepMs(lengthMs)
  const ticks: { ms: number; text: string }[] = []
  for (let ms = 0; ms <= lengthMs * 0.92; ms += step) ticks.push({ ms, text: ms === 0 ? '0' : tickText(ms) })
  return ticks
}

/** `5 min`, not `5 min 00 s`. */
function tickText(ms: number): string {
  return durationText(ms).replace(/ 00 (?:s|min|h)$/, '')
}
