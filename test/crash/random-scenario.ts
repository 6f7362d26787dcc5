// Random kills, by a seed: where and how often an installation dies in one run.

import { effects, type Kill } from './effects.ts'
import type { DriverName, Outcome, Scenario } from './scenario.ts'

const deathsMax = 4
const delayMsMax = 30

/** The same for the same seed and index, but for what the machine's speed makes of it. */
export function randomScenario(
  seed: number,
  index: number,
  driver: DriverName,
  undisturbed: Pick<Outcome, 'counts' | 'ms'>,
): Scenario {
  const random = generator(seed * 10_007 + index)
  const upTo = (max: number) => Math.floor(random() * max)
  const aMoment = (): Kill => ({
    when: 'moment',
    nth: 1 + upTo(undisturbed.counts.moments),
    delayMs: random() < 0.5 ? 0 : upTo(delayMsMax),
  })
  // Moments are mostly those of output, so effects get a turn each.
  const anEffect = (): Kill => {
    const effect = effects[upTo(effects.length)]!
    const when = random() < 0.5 ? 'before' : 'after'
    return { when, effect, nth: 1 + upTo(undisturbed.counts.effects[effect] ?? 2) }
  }
  const aTime = (): Kill => ({ when: 'time', ms: upTo(undisturbed.ms) })
  const kills = Array.from({ length: 1 + upTo(deathsMax) }, () => [anEffect, anEffect, aMoment, aTime][upTo(4)]!())
  return { driver, pipeline: 'everything', kills }
}

/** mulberry32: small, and good enough to spread kills. */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
