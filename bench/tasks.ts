// Runs of host tasks, from their creation to their end, as a local Slipway executes them: database, logs and all.

import { type Figure, figure } from './figure.ts'
import { bubblewrapEcho, bubblewrapEchoes } from './floors/host.ts'
import { aChain, aRequest } from './inputs/runs.ts'
import { interleaved, timeMs } from './interleaved.ts'
import { openLocalSlipway } from './local-slipway.ts'

const taskSamples = 50
const chainSamples = 15
const chainLength = 10

/** Needs bubblewrap. */
export async function run(): Promise<Figure[]> {
  await using slipway = await openLocalSlipway({ driver: 'host', jobs: 2 })
  const sampleOf = (request: () => ReturnType<typeof aRequest>) => async () => {
    const ms = await timeMs(() => slipway.run(request()))
    // The pod is removed after the end of the task; the next sample begins with nothing left to do.
    await slipway.idle()
    return ms
  }
  const task = await interleaved(
    { count: taskSamples, warmUps: 5 },
    sampleOf(() => aRequest([{}])),
    bubblewrapEcho,
  )
  const chain = await interleaved(
    { count: chainSamples },
    sampleOf(() => aChain(chainLength)),
    () => bubblewrapEchoes(chainLength),
  )
  return [
    figure({ name: 'host: a run of one task with one echo', unit: 'ms', ...task }, { of: 'value', most: 25 }),
    figure({ name: 'host: a run of ten such tasks in a chain', unit: 'ms', ...chain }, { of: 'value', most: 150 }),
  ]
}
