// The time now, for what counts up on a page: one timer for all of it, which rests while the page is hidden.

import { useSyncExternalStore } from 'react'

const tickMs = 1000
const readers = new Set<() => void>()
let now = Date.now()
let timer: ReturnType<typeof setInterval> | undefined

function tick(): void {
  if (document.visibilityState === 'hidden') return
  now = Date.now()
  for (const reader of readers) reader()
}

function subscribe(reader: () => void): () => void {
  readers.add(reader)
  if (timer === undefined) {
    now = Date.now()
    timer = setInterval(tick, tickMs)
  }
  return () => {
    readers.delete(reader)
    if (readers.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

const still = () => () => undefined

/** Milliseconds. Without `isTicking` it is read once and the component is not drawn again. */
export function useNow(isTicking: boolean): number {
  return useSyncExternalStore(isTicking ? subscribe : still, () => now)
}
