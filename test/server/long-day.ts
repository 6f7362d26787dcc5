// A long day of several processes: `node test/server/long-day.ts [RUNS [SEED]]`; default 1000 runs. Prints what does not hold.

import { startEtcd } from '../support/etcd.ts'
import { spendDay } from './day-of-work.ts'
import { ProcessGroup } from './process-group.ts'
import { seededRandom } from './seeded-random.ts'

const [runs = '1000', seed = String(Date.now() % 1_000_000)] = process.argv.slice(2)
console.log(`${runs} runs, seed ${seed}`)
await using etcd = await startEtcd()
await using group = await ProcessGroup.start({ gateways: 2, configstores: 2, runservices: 2, executors: 3 }, etcd)
const { accepted, kills, wrong } = await spendDay(group, {
  runs: Number(runs),
  killEveryMs: 400,
  random: seededRandom(Number(seed)),
})
console.log(`${accepted} runs accepted, ${kills} processes killed, ${wrong.length} faults`)
for (const fault of wrong) console.log(fault)
process.exitCode = wrong.length === 0 ? 0 : 1
