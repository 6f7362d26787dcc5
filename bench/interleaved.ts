// Samples of a benchmark and of its floor, in turn, so that both meet the same machine.

import type { Measured } from './figure.ts'

type Sample = () => Promise<number>

/** `count` samples of each, after `warmUps` of each that do not count; who is first changes every round. */
export async function interleaved(
  { count, warmUps = 1 }: { readonly count: number; readonly warmUps?: number },
  ours: Sample,
  bare: Sample,
): Promise<Measured> {
  const samples: number[] = []
  const floor: number[] = []
  for (let round = -warmUps; round < count; round++) {
    const isOursFirst = round % 2 === 0
    const first = await (isOursFirst ? ours : bare)()
    const second = await (isOursFirst ? bare : ours)()
    if (round < 0) continue
    samples.push(isOursFirst ? first : second)
    floor.push(isOursFirst ? second : first)
  }
  return { samples, floor }
}

/** Milliseconds that `act` takes. */
export async function timeMs(act: () => Promise<unknown>): Promise<number> {
  const begin = performance.now()
  await act()
  return performance.now() - begin
}
