// Broken webhooks in great numbers: `node test/long/webhooks.ts [COUNT] [SEED]`. A failure prints the seed that repeats it.

import { fuzzWebhooks } from '../../src/gateway/deliveries/fuzz-fixture.ts'

const [count = 100_000, seed = Date.now() % 1_000_000] = process.argv.slice(2).map(Number)
const begun = performance.now()
const counts = await fuzzWebhooks({ count, seed })
const seconds = ((performance.now() - begun) / 1000).toFixed(1)
process.stdout.write(`seed ${seed}: ${count} webhooks in ${seconds} s: ${JSON.stringify(counts)}\n`)
