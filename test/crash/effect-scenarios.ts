// A scenario for every effect: killed before it and after it, at its first occurrence and at one in the middle.

import { type Effect, effects, type Kill } from './effects.ts'
import type { DriverName, Scenario } from './scenario.ts'

const inTheStep: Kill = { when: 'after', effect: 'output read', nth: 10 }

/** Effects that only a successor has, and where its predecessor dies. */
const ofSuccessors: Partial<Readonly<Record<Effect, Kill>>> = {
  'pod attached': inTheStep,
  'step attached': inTheStep,
  'log begun': inTheStep,
  'object deleted': { when: 'after', effect: 'archive stored', nth: 1 },
}

/** One in the middle, where an effect comes more than once in a run that nothing disturbs. */
const middles: Partial<Readonly<Record<Effect, number>>> = {
  'record appended': 5,
  'record committed': 5,
  'journal written': 14,
  'journal removed': 2,
  'order received': 2,
  'status sent': 3,
  'pod created': 2,
  'pod removed': 2,
  'step started': 3,
  'output read': 20,
  'output released': 3,
  'step ended': 3,
  'files packed': 2,
  'files unpacked': 2,
  'frame sent': 8,
  'frame stored': 8,
  'cache looked up': 2,
  'cache entry created': 2,
}

/** With docker a pod takes longer, and most of what happens is the same: these are what the driver has a part in. */
const withDocker: readonly Effect[] = [
  'pod created',
  'pod attached',
  'pod removed',
  'step started',
  'step attached',
  'output read',
  'output released',
  'step ended',
  'files packed',
  'files unpacked',
]

export function effectScenarios(driver: DriverName): readonly Scenario[] {
  return effects.flatMap((effect) => {
    const predecessor = ofSuccessors[effect]
    const middle = driver === 'host' ? middles[effect] : undefined
    if (driver === 'docker' && !withDocker.includes(effect)) return []
    return [1, ...(middle === undefined ? [] : [middle])].flatMap((nth) =>
      (['before', 'after'] as const).map((when): Scenario => {
        const kill: Kill = { when, effect, nth }
        return { driver, pipeline: 'everything', kills: predecessor === undefined ? [kill] : [predecessor, kill] }
      }),
    )
  })
}
