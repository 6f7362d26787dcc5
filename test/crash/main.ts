// Crash tests by hand, and as many as wanted:
//
//   node test/crash/main.ts --random 100 --driver host|docker [--seed N]   random kills; each failure prints its replay
//   node test/crash/main.ts --seed N --case K --driver host|docker         one of them again
//   node test/crash/main.ts --effects --driver host|docker                 every effect, before and after
//   node test/crash/main.ts --kill 'after pod created 1' [--kill ...]      one scenario; --pipeline numbers, --verbose

import { parseArgs } from 'node:util'
import { effectScenarios } from './effect-scenarios.ts'
import { describeKill, type Effect, effects, type Kill } from './effects.ts'
import { type PipelineName, pipelineNames } from './pipeline.ts'
import { randomScenario } from './random-scenario.ts'
import { type DriverName, makeSurroundings, playScenario, type Scenario } from './scenario.ts'
import { findTestImage } from './test-image.ts'

const { values: options } = parseArgs({
  options: {
    random: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    case: { type: 'string' },
    driver: { type: 'string', default: 'host' },
    pipeline: { type: 'string', default: 'everything' },
    effects: { type: 'boolean', default: false },
    kill: { type: 'string', multiple: true, default: [] },
    verbose: { type: 'boolean', default: false },
    parallel: { type: 'string', default: '2' },
  },
})

function parseKill(text: string): Kill {
  const [, when, effect, nth] = /^(before|after) (.*) (\d+)$/.exec(text) ?? []
  if ((when !== 'before' && when !== 'after') || !effects.includes(effect as Effect))
    throw new Error(`not a kill: ${text}; effects are ${effects.join(', ')}`)
  return { when, effect: effect as Effect, nth: Number(nth) }
}

const driver: DriverName = options.driver === 'docker' ? 'docker' : 'host'
const pipeline = pipelineNames.find((name) => name === options.pipeline) ?? ('everything' satisfies PipelineName)
using surroundings = makeSurroundings(driver === 'docker' ? await findTestImage() : '')
const undisturbed = await playScenario(
  surroundings,
  { driver, pipeline, kills: [] },
  options.verbose && options.kill.length === 0,
)
console.log(`undisturbed: ${undisturbed.ms} ms, ${JSON.stringify(undisturbed.counts)}`)
for (const problem of undisturbed.problems) console.log(`  ${problem}`)

type Case = { readonly name: string; readonly scenario: Scenario }
const seed = Number(options.seed)
const random = (index: number): Case => ({
  name: `--driver ${driver} --seed ${seed} --case ${index}`,
  scenario: randomScenario(seed, index, driver, undisturbed),
})
const cases: readonly Case[] =
  options.kill.length > 0
    ? [{ name: 'asked', scenario: { driver, pipeline, kills: options.kill.map(parseKill) } }]
    : options.case !== undefined
      ? [random(Number(options.case))]
      : options.effects
        ? effectScenarios(driver).map((scenario) => ({ name: 'effect', scenario }))
        : Array.from({ length: Number(options.random ?? 10) }, (_, index) => random(index))

let failed = undisturbed.problems.length > 0 ? 1 : 0
const queue = [...cases]
const startedAt = Date.now()
await Promise.all(
  Array.from({ length: Number(options.parallel) }, async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { problems, deaths, ms } = await playScenario(surroundings, next.scenario, options.verbose)
      const kills = next.scenario.kills.map(describeKill).join('; ')
      if (problems.length > 0) failed++
      console.log(`${problems.length === 0 ? 'ok    ' : 'FAILED'} ${next.name} (${kills}): ${deaths} deaths, ${ms} ms`)
      for (const problem of problems) console.log(`    ${problem}`)
    }
  }),
)
console.log(`${cases.length} scenarios, ${failed} failed, ${Date.now() - startedAt} ms`)
process.exitCode = failed === 0 ? 0 : 1
