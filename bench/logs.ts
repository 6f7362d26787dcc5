// The log of a step that prints 1 GB: from its raw output to the last byte acknowledged, and the memory that takes.

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Figure, figure } from './figure.ts'
import { compressAndSync } from './floors/compress-and-sync.ts'
import { logLines } from './inputs/log-lines.ts'
import { interleaved } from './interleaved.ts'
import type { LogSample } from './logs-sample.ts'

const seed = 20_262
const totalBytes = 1_000_000_000
/** Repeated until it is 1 GB; frames are compressed one by one, so that does not help. */
const inputBytes = 32 * 1024 * 1024
const sampleCount = 15
const memoryBarBytes = 64 * 1024 * 1024

/** Takes about ten seconds per sample. */
export async function run(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-'))
  try {
    const memory: number[] = []
    const input = logLines(seed, inputBytes)
    // Each sample of ours is a process of its own: there is nothing to warm up.
    const rates = await interleaved(
      { count: sampleCount, warmUps: 0 },
      async () => {
        const { megabytesPerSecond, memoryBytes } = await sample(folder)
        memory.push(memoryBytes / 2 ** 20)
        return megabytesPerSecond
      },
      () => floorSample(input, folder),
    )
    return [
      figure(
        { name: 'log of 1 GB with 20 secrets, to the last acknowledged byte', unit: 'MB/s', ...rates },
        { of: 'value', least: 100 },
      ),
      figure(
        {
          name: 'memory for a log of 1 GB above idle',
          unit: 'MiB',
          samples: memory,
          floor: memory.map(() => 4), // Four frames of 1 MiB on their way.
        },
        { of: 'value', most: memoryBarBytes / 2 ** 20 },
      ),
    ]
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function sample(folder: string): Promise<LogSample> {
  const program = join(import.meta.dirname, 'logs-sample.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [program, folder, `${inputBytes}`, `${totalBytes}`])
  return JSON.parse(stdout) as LogSample
}

async function floorSample(input: Buffer, folder: string): Promise<number> {
  const files = join(folder, 'floor')
  await mkdir(files)
  const start = performance.now()
  await compressAndSync(input, totalBytes, files)
  const seconds = (performance.now() - start) / 1000
  await rm(files, { recursive: true })
  return totalBytes / 1e6 / seconds
}
