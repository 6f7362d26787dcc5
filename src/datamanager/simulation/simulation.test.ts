import { expect, test } from 'vitest'
import { Coverage } from './coverage.ts'
import { embeddedCoverage } from './embedded.ts'
import { runSeeds } from './run-seeds.ts'
import { sharedCoverage } from './shared.ts'
import { storedCoverage } from './stored.ts'

// More seeds: node src/datamanager/simulation/main.ts --seeds 10000

test('an embedded database keeps its promises whenever the process dies, and every fault was tried', async () => {
  const coverage = embeddedCoverage()
  await runSeeds('embedded', 1, 60, coverage)
  expect(coverage.missing).toEqual([])
})

test('databases over a shared log keep their promises on a bad network, and every recovery was needed', async () => {
  const coverage = sharedCoverage()
  await runSeeds('shared', 1, 60, coverage)
  expect(coverage.missing).toEqual([])
})

test('over object storage nothing shipped is lost, every snapshot is exact, whoever dies or sleeps meanwhile', async () => {
  const coverage = storedCoverage()
  await runSeeds('stored', 1, 16, coverage)
  expect(coverage.missing).toEqual([])
})

/** Seeds that once failed, by what was wrong then. */
test.each([
  ['a simulation that ended while a failed process was still being restarted', 'embedded', 161],
  ['a shipper that took two objects of another one for a fork', 'stored', 2133],
] as const)('regression: %s', async (_name, kind, seed) => {
  await runSeeds(kind, seed, 1, new Coverage([]))
})
