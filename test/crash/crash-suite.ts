// The crash tests of one driver. Each is a test of its own, so that a failure says where the installation was killed.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { effectScenarios } from './effect-scenarios.ts'
import { describeKill, type Kill } from './effects.ts'
import { stoppedStatus } from './installation.ts'
import { randomScenario } from './random-scenario.ts'
import {
  type DriverName,
  Installation,
  makeSurroundings,
  type Outcome,
  playScenario,
  type Surroundings,
} from './scenario.ts'
import { findTestImage } from './test-image.ts'

/** What the issue of a killed executor promises: so long may it be away. */
const awayMs = 3_000

export function crashSuite(driver: DriverName, { randomCount }: { readonly randomCount: number }): void {
  let surroundings: Surroundings
  let undisturbed: Outcome
  beforeAll(async () => {
    surroundings = makeSurroundings(driver === 'docker' ? await findTestImage() : '')
    undisturbed = await playScenario(surroundings, { driver, pipeline: 'everything', kills: [] })
  })
  afterAll(() => surroundings?.[Symbol.dispose]())

  test('a run that nothing disturbs ends as it must and leaves nothing', () => {
    expect(undisturbed.problems).toEqual([])
  })

  describe('killed once, an installation goes on to the same end and leaves nothing:', () => {
    test.each(effectScenarios(driver).map((scenario) => [scenario.kills.map(describeKill).join(', then '), scenario]))(
      '%s',
      async (_, scenario) => {
        if (typeof scenario === 'string') return
        const { problems, deaths } = await playScenario(surroundings, scenario)
        expect(problems).toEqual([])
        expect(deaths, 'the effect at which it was to be killed did not come').toBe(scenario.kills.length)
      },
    )
  })

  describe('killed at random, again and again, an installation goes on to the same end and leaves nothing:', () => {
    // The same hundred each time; `node test/crash/main.ts --random 100 --driver host` plays others.
    const seed = Number(process.env.SLIPWAY_CRASH_SEED ?? 20_261_122)
    const cases = Array.from({ length: randomCount }, (_, index) => index)
    test.each(cases)(`node test/crash/main.ts --driver ${driver} --seed ${seed} --case %i`, async (index) => {
      const scenario = randomScenario(seed, index, driver, undisturbed)
      const { problems } = await playScenario(surroundings, scenario)
      expect(problems, scenario.kills.map(describeKill).join('; ')).toEqual([])
    })
  })

  describe('an executor killed in the middle of a step that prints 10,000 numbered lines', () => {
    test.each<readonly [string, Kill]>([
      ['before any of them is stored', { when: 'after', effect: 'output read', nth: 10 }],
      ['when a part of them is stored', { when: 'after', effect: 'output released', nth: 1 }],
    ])('%s, and started again after 3 s: the run succeeds, each line once, in order', async (_, kill) => {
      const outcome = await playScenario(surroundings, { driver, pipeline: 'numbers', kills: [kill], awayMs })
      expect(outcome).toMatchObject({ problems: [], deaths: 1 })
    })
  })

  test('a planned stop in the middle of a step leaves its pod running, and the successor goes on with it', async () => {
    await using installation = new Installation(surroundings, { driver, pipeline: 'numbers' })
    const stop: Kill = { when: 'after', effect: 'output read', nth: 10, signal: 'SIGTERM' }
    expect(await installation.live(stop)).toBe(stoppedStatus)
    expect(installation.pods).toHaveLength(1)
    expect(await installation.live()).toBe(0)
    // A step that was started again would say so in its first line.
    expect(await installation.problems()).toEqual([])
  })
}
