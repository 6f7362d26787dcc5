// A long day between two versions: `node test/upgrades/long-rolling-day.ts [RUNS [SEED]]`; default 500 runs. Prints what does not hold.

import { seededRandom } from '../server/seeded-random.ts'
import { spendRollingDay } from './rolling-day.ts'

const [runs = '500', seed = String(Date.now() % 1_000_000)] = process.argv.slice(2)
console.log(`${runs} runs, seed ${seed}`)
const report = await spendRollingDay({ runs: Number(runs), killEveryMs: 800, random: seededRandom(Number(seed)) })
const { accepted, kills, wrong, runsOfNext, runsOfOld } = report
console.log(
  `${accepted} runs accepted (${runsOfOld} by the old version, ${runsOfNext} by the next), ${kills} processes killed`,
)
console.log(`${wrong.length} faults`)
for (const fault of wrong) console.log(fault)
process.exitCode = wrong.length === 0 ? 0 : 1
