// Runs seeds one after the other and says how to repeat the one that failed.

import { errorMessage } from '../../lib/errors.ts'
import type { Coverage } from './coverage.ts'
import { simulateEmbedded } from './embedded.ts'
import { SimulationFailure } from './history.ts'
import { simulateShared } from './shared.ts'
import { simulateStored } from './stored.ts'

export const simulations = { embedded: simulateEmbedded, shared: simulateShared, stored: simulateStored } as const
export type SimulationKind = keyof typeof simulations

/** Throws at the first seed that fails. */
export async function runSeeds(kind: SimulationKind, from: number, count: number, coverage: Coverage): Promise<void> {
  for (let seed = from; seed < from + count; seed++) {
    try {
      await simulations[kind](seed, coverage)
    } catch (cause) {
      const again = `node src/datamanager/simulation/main.ts --kind ${kind} --from ${seed} --seeds 1`
      throw new SimulationFailure(`seed ${seed}: ${errorMessage(cause)}\nrepeat it with: ${again}`, { cause })
    }
  }
}
