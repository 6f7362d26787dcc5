// node src/datamanager/simulation/main.ts [--kind embedded|shared|stored] [--from SEED] [--seeds N]
//
// Runs N seeds of each kind, prints how often each fault and recovery branch was reached, and ends with status 1 when a
// seed failed or, in a run of at least 50 seeds, something was never reached.

import { parseArgs } from 'node:util'
import { errorMessage } from '../../lib/errors.ts'
import { embeddedCoverage } from './embedded.ts'
import { runSeeds, type SimulationKind } from './run-seeds.ts'
import { sharedCoverage } from './shared.ts'
import { storedCoverage } from './stored.ts'

/** Fewer seeds cannot be expected to reach everything. */
const completeSeeds = 50

const { values } = parseArgs({
  options: { kind: { type: 'string' }, from: { type: 'string' }, seeds: { type: 'string' } },
})
const from = Number(values.from ?? 1)
const seeds = Number(values.seeds ?? 100)
const kinds: readonly SimulationKind[] =
  values.kind === 'embedded' || values.kind === 'shared' || values.kind === 'stored'
    ? [values.kind]
    : ['embedded', 'shared', 'stored']
const coverages = { embedded: embeddedCoverage, shared: sharedCoverage, stored: storedCoverage } as const

for (const kind of kinds) {
  const coverage = coverages[kind]()
  try {
    await runSeeds(kind, from, seeds, coverage)
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\n`)
    process.exitCode = 1
  }
  process.stdout.write(`${kind}, seeds ${from} to ${from + seeds - 1}:\n${coverage.toString()}\n`)
  if (seeds >= completeSeeds && coverage.missing.length > 0) {
    process.stderr.write(`never reached: ${coverage.missing.join(', ')}\n`)
    process.exitCode = 1
  }
}
