// Masking the output of steps.

import { createMasking, type Masking } from '../src/executor/masking/masker.ts'
import { type Figure, figure } from './figure.ts'
import { countIn } from './floors/find-all.ts'
import { logLines, tokens } from './inputs/log-lines.ts'

const seed = 20_261
const inputBytes = 32 * 1024 * 1024
/** What one read from a pod gives. */
const chunkBytes = 64 * 1024
const sampleCount = 15

export async function run(): Promise<Figure[]> {
  const input = logLines(seed, inputBytes)
  const chunks = Array.from({ length: Math.ceil(input.length / chunkBytes) }, (_, index) =>
    input.subarray(index * chunkBytes, (index + 1) * chunkBytes),
  )
  return [20, 500].map((secretCount) => {
    const secrets = tokens(seed, secretCount)
    const masking = createMasking(secrets)
    const first = Buffer.from(secrets[0]!)
    const samples: number[] = []
    const floor: number[] = []
    for (let round = -2; round < sampleCount; round++) {
      const rates = [megabytesPerSecond(input, () => maskAll(masking, chunks))]
      rates.push(megabytesPerSecond(input, () => countIn(chunks, first)))
      if (round < 0) continue // Warms up.
      samples.push(rates[0]!)
      floor.push(rates[1]!)
    }
    const name = `masking with ${secretCount} secrets in all their forms`
    return figure({ name, unit: 'MB/s', samples, floor }, { of: 'value', least: 100 })
  })
}

function maskAll(masking: Masking, chunks: readonly Buffer[]): number {
  const masker = masking.createMasker()
  let bytes = 0
  for (const chunk of chunks) bytes += masker.push(chunk).bytes.length
  return bytes + masker.end().bytes.length
}

function megabytesPerSecond(input: Buffer, action: () => unknown): number {
  const start = performance.now()
  kept = action()
  return input.length / 1000 / (performance.now() - start)
}

/** Where results go, so that no measured call is optimized away. */
let kept: unknown
export const lastResult = (): unknown => kept
