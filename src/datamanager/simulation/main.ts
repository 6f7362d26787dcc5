// npm run simulate -- [--kind embedded|shared|cold] [--from SEED] [--seeds N] [--minutes N]
//
// Runs seeds of each kind, one after the other, N of each or as many as fit into the time; prints how often each fault,
// recovery and failure was reached; ends with status 1 when a seed failed or, in a run of at least 100 seeds, something was
// never reached. The same seed does the same again.

import { parseArgs } from 'node:util'
import { errorMessage } from '../../lib/errors.ts'
import { embeddedCoverage } from './embedded.ts'
import { failureTable } from './failures.ts'
import { runSeeds, type SimulationKind, simulationKinds } from './run-seeds.ts'
import { coldCoverage, sharedCoverage } from './shared.ts'

/** Fewer seeds cannot be expected to reach everything. */
const completeSeeds = 100

const { values } = parseArgs({
  options: {
    kind: { type: 'string' },
    from: { type: 'string' },
    seeds: { type: 'string' },
    minutes: { type: 'string' },
  },
})
const from = Number(values.from ?? 1)
const minutes = values.minutes === undefined ? undefined : Number(values.minutes)
const seeds = Number(values.seeds ?? (minutes === undefined ? 100 : Number.MAX_SAFE_INTEGER))
const kinds: readonly SimulationKind[] = simulationKinds.filter((kind) => (values.kind ?? kind) === kind)
if (kinds.length === 0 || !(seeds > 0) || !Number.isInteger(from)) {
  process.stderr.write(`simulate: the kinds are ${simulationKinds.join(' and ')}; seeds are whole numbers\n`)
  process.exit(2)
}
const coverages = { embedded: embeddedCoverage, shared: sharedCoverage, cold: coldCoverage } as const

for (const kind of kinds) {
  const coverage = coverages[kind]()
  const ms = minutes === undefined ? Number.POSITIVE_INFINITY : (minutes * 60_000) / kinds.length
  let count = 0
  try {
    await runSeeds(kind, { from, count: seeds, ms, coverage, onSeed: () => count++ })
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\n`)
    process.exitCode = 1
  }
  process.stdout.write(`${kind}, ${count} seeds from ${from}:\n${coverage.toString()}\n${failureTable(coverage)}\n`)
  if (count >= completeSeeds && coverage.missing.length > 0) {
    process.stderr.write(`never reached: ${coverage.missing.join(', ')}\n`)
    process.exitCode = 1
  }
}
