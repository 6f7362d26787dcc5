// Runs seeds one after the other and says how to repeat the one that failed.

import { errorMessage } from '../../lib/errors.ts'
import type { Coverage } from './coverage.ts'
import { simulateEmbedded } from './embedded.ts'
import { SimulationFailure } from './history.ts'
import { simulateCold, simulateShared } from './shared.ts'

export const simulationKinds = ['embedded', 'shared', 'cold'] as const
export type SimulationKind = (typeof simulationKinds)[number]

const simulations = { embedded: simulateEmbedded, shared: simulateShared, cold: simulateCold } as const

export type RunSeedsOptions = {
  readonly from: number
  readonly count: number
  /** No further seed is begun after so many milliseconds. */
  readonly ms?: number
  readonly coverage: Coverage
  readonly onSeed?: () => void
}

/** Throws at the first seed that fails. */
export async function runSeeds(kind: SimulationKind, options: RunSeedsOptions): Promise<void> {
  const { from, count, ms = Number.POSITIVE_INFINITY, coverage, onSeed } = options
  const startedAt = performance.now()
  for (let seed = from; seed < from + count && performance.now() - startedAt < ms; seed++) {
    try {
      await simulations[kind](seed, coverage)
    } catch (cause) {
      const again = `npm run simulate -- --kind ${kind} --from ${seed} --seeds 1`
      throw new SimulationFailure(`${kind} seed ${seed}: ${errorMessage(cause)}\nrepeat it with: ${again}`, { cause })
    }
    onSeed?.()
  }
}
