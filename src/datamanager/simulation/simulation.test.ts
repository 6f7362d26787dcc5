import { expect, test } from 'vitest'
import { Coverage } from './coverage.ts'
import { embeddedCoverage } from './embedded.ts'
import { runSeeds } from './run-seeds.ts'
import { coldCoverage, sharedCoverage } from './shared.ts'

// More seeds: npm run simulate -- --minutes 10

/** Enough to reach everything that can happen. */
const seeds = 120

test('an embedded database keeps its promises whenever the process dies, and every fault was tried', async () => {
  const coverage = embeddedCoverage()
  await runSeeds('embedded', { from: 1, count: 60, coverage })
  expect(coverage.missing).toEqual([])
})

test('instances over one log and one bucket keep their promises whatever fails, and every recovery was needed', async () => {
  const coverage = sharedCoverage()
  await runSeeds('shared', { from: 1, count: seeds, coverage })
  process.stdout.write(`shared, ${seeds} seeds:\n${coverage.toString()}\n`)
  expect(coverage.missing).toEqual([])
}, 300_000)

test('rows that are cold on some instances and not on others are the same for everybody', async () => {
  const coverage = coldCoverage()
  await runSeeds('cold', { from: 1, count: 30, coverage })
  // It takes more seeds to lose exactly the answer that a closure waits for.
  expect(coverage.missing.filter((name) => !name.startsWith('client: '))).toEqual([])
}, 300_000)

/** Seeds that once failed, by what was wrong then. */
test.each([
  ['a simulation that ended while a failed process was still being restarted', 'embedded', 161],
  ['an old copy of a read model whose cold rows had been collected', 'cold', 5],
] as const)('regression: %s', async (_name, kind, seed) => {
  await runSeeds(kind, { from: seed, count: 1, coverage: new Coverage([]) })
})
