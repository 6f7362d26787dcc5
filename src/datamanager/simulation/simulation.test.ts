import { expect, test } from 'vitest'
import { Coverage } from './coverage.ts'
import { embeddedCoverage } from './embedded.ts'
import { failureTable } from './failures.ts'
import { runSeeds, type SimulationKind } from './run-seeds.ts'
import { coldCoverage, sharedCoverage } from './shared.ts'

// More seeds: npm run simulate -- --minutes 10

/** So many seeds are run, and then more, up to the second number, until everything that can happen has. */
const seeds = { least: 80, most: 400 }
/** Three minutes on a machine that does nothing else. */
const patienceMs = 15 * 60_000

async function runUntilCovered(kind: SimulationKind, coverage: Coverage): Promise<void> {
  const { least, most } = seeds
  let count = least
  await runSeeds(kind, { from: 1, count, coverage })
  for (; coverage.missing.length > 0 && count < most; count += 10)
    await runSeeds(kind, { from: count + 1, count: 10, coverage })
  process.stdout.write(`${kind}, ${count} seeds:\n${coverage.toString()}\n${failureTable(coverage)}\n`)
  expect(coverage.missing).toEqual([])
}

test(
  'an embedded database keeps its promises whenever the process dies, and every fault was tried',
  async () => {
    await runUntilCovered('embedded', embeddedCoverage())
  },
  patienceMs,
)

test(
  'instances over one log and one bucket keep their promises whatever fails, and every recovery was needed',
  async () => {
    await runUntilCovered('shared', sharedCoverage())
  },
  patienceMs,
)

test(
  'rows that are cold on some instances and not on others are the same for everybody',
  async () => {
    const coverage = coldCoverage()
    await runSeeds('cold', { from: 1, count: 30, coverage })
    // It takes more seeds to lose exactly the answer that a closure waits for.
    expect(coverage.missing.filter((name) => !name.startsWith('client: '))).toEqual([])
  },
  patienceMs,
)

/** Seeds that once failed, by what was wrong then. */
test.each([
  ['a simulation that ended while a failed process was still being restarted', 'embedded', 161],
  ['an old copy of a read model whose cold rows had been collected', 'cold', 5],
] as const)('regression: %s', async (_name, kind, seed) => {
  await runSeeds(kind, { from: seed, count: 1, coverage: new Coverage([]) })
})
