// Streams of what no stream of the services tells: looked at soon after something was written, and now and then, and told when it is
// other than before.

import type { Clock } from '../../lib/clock.ts'

export type LookAgainOptions = {
  /** Changes with what is written. */
  readonly position: () => Promise<number>
  readonly clock: Pick<Clock, 'now' | 'sleep'>
  readonly signal: AbortSignal
  /** What changes without being written, as who is connected, is looked at so often. Not at all by default. */
  readonly lookEveryMs?: number
}

/** So often it is asked whether something was written. */
const askEveryMs = 200
/** First what there is, by its names, then each that has changed; until `signal` is aborted. */
export async function* lookAgain<Shown extends Readonly<Record<string, unknown>>>(
  look: { readonly [Name in keyof Shown]: () => Promise<Shown[Name]> | Shown[Name] },
  { position, clock, signal, lookEveryMs = Number.POSITIVE_INFINITY }: LookAgainOptions,
): AsyncGenerator<{ [Name in keyof Shown]: { readonly name: Name; readonly value: Shown[Name] } }[keyof Shown]> {
  const told = new Map<keyof Shown, string>()
  let seen: number | undefined
  let lookedAt = 0
  while (!signal.aborted) {
    const now = await position()
    if (now !== seen || clock.now() - lookedAt >= lookEveryMs) {
      seen = now
      lookedAt = clock.now()
      for (const name of Object.keys(look) as (keyof Shown)[]) {
        const value = await look[name]()
        const text = JSON.stringify(value)
        if (told.get(name) === text) continue
        told.set(name, text)
        yield { name, value }
      }
    }
    await clock.sleep(askEveryMs, signal).catch(() => undefined)
  }
}
