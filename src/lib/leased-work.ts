// Works on what waits in a database: any number of instances do, each thing is with one of them at a time. Who has taken something
// holds it by a lease that is renewed while it works; should it be killed, the next one takes it when the lease has ended.

import type { Clock } from './clock.ts'
import { newUuid } from './uuid.ts'

/** Where it waits. All of it may fail when the database cannot be used. */
export type LeasedQueue<T extends { readonly id: string }> = {
  /** Those that are due and free, for `leaseMs`. */
  claim(holder: string, options: { readonly most: number; readonly leaseMs: number }): Promise<readonly T[]>
  /** Longer; false when it is not this holder's any more. */
  renew(id: string, holder: string, leaseMs: number): Promise<boolean>
  /** When this holder can take something next; infinity when nothing waits that it may take. */
  nextDueAt(holder: string): number
  /** Resolves when something can be taken, perhaps. */
  readonly woken: Promise<void>
  wake(): void
}

export type LeasedWorkSettings = {
  /** At the same time in this process. */
  readonly atOnce: number
  /** One that takes longer is aborted. */
  readonly performMs: number
}

export type LeasedWorkComponents<T extends { readonly id: string }> = {
  readonly queue: LeasedQueue<T>
  /**
   * Does it and notes what came of it, unless it is another holder's by now; doing it twice does no harm. `signal`: it is another's, it
   * took too long, or the work ends. Never rejects.
   */
  readonly perform: (item: T, holder: string, signal: AbortSignal) => Promise<void>
  /** Something could not be taken. */
  readonly onTrouble: (error: unknown) => void
  readonly clock: Clock
}

/** A killed instance keeps something from the others for so long. */
const leaseMs = 5_000
const renewMs = 1_500
/** What others have left is looked for so often. */
const lookMs = 5_000
const pauseMs = 10

/** Resolves when `signal` is aborted and what was under way has ended. Never rejects. */
export async function workOnLeased<T extends { readonly id: string }>(
  { atOnce, performMs }: LeasedWorkSettings,
  components: LeasedWorkComponents<T>,
  signal: AbortSignal,
): Promise<void> {
  const { queue, clock, onTrouble } = components
  const holder = newUuid()
  const running = new Set<Promise<void>>()
  const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  while (!signal.aborted) {
    const { woken } = queue
    const free = atOnce - running.size
    let ms = lookMs
    try {
      const claimed = free === 0 ? [] : await queue.claim(holder, { most: free, leaseMs })
      for (const item of claimed) {
        const work: Promise<void> = workOn(item, holder, { performMs }, components, signal).finally(() => {
          running.delete(work)
          queue.wake()
        })
        running.add(work)
      }
      if (claimed.length > 0) continue
      if (free > 0) ms = Math.min(Math.max(queue.nextDueAt(holder) - clock.now(), pauseMs), lookMs)
    } catch (error) {
      onTrouble(error)
    }
    const waiting = new AbortController()
    const slept = clock.sleep(ms, waiting.signal).catch(() => {})
    await Promise.race([woken, slept, stopped])
    waiting.abort()
  }
  await Promise.all(running)
}

async function workOn<T extends { readonly id: string }>(
  item: T,
  holder: string,
  { performMs }: Pick<LeasedWorkSettings, 'performMs'>,
  { queue, perform, clock }: LeasedWorkComponents<T>,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController()
  const during = AbortSignal.any([signal, over.signal, clock.timeout(performMs)])
  const holding = hold(item, holder, { queue, clock }, during).finally(() => over.abort())
  try {
    await perform(item, holder, during)
  } finally {
    over.abort()
    await holding
  }
}

async function hold<T extends { readonly id: string }>(
  { id }: T,
  holder: string,
  { queue, clock }: Pick<LeasedWorkComponents<T>, 'queue' | 'clock'>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(renewMs, signal).catch(() => {})
    // A failure to renew is not the end: the database may be back before the lease has ended.
    if (!signal.aborted && !(await queue.renew(id, holder, leaseMs).catch(() => true))) return
  }
}
