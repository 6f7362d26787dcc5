import { expect, test } from 'vitest'
import { fuzzWebhooks } from './fuzz-fixture.ts'

test('ten thousand broken webhooks: nothing falls over, nothing is taken without a signature', {
  timeout: 120_000,
}, async () => {
  const counts = await fuzzWebhooks({ count: 10_000, seed: 1 })
  // Each kind of answer was seen often enough for this to mean something.
  for (const [answer, count] of Object.entries(counts)) expect(count, answer).toBeGreaterThan(300)
})
