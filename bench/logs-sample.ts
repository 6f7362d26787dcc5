// One sample of bench/logs.ts, in a process of its own so that its memory is its own: a log of 1 GB with 20 secrets set, from
// raw chunks to the last acknowledged frame on disk. Prints the result as JSON.

import { mkdtemp, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { createMasker } from '../src/executor/masking/masker.ts'
import { openPosixObjectStorage } from '../src/objectstorage/posix.ts'
import { createLogStore } from '../src/runservice/logs/log-store.ts'
import { createLogWriter } from '../src/runservice/logs/log-writer.ts'
import { logLines, tokens } from './inputs/log-lines.ts'

export type LogSample = {
  readonly megabytesPerSecond: number
  /** Resident memory at its highest above that before the log began, bytes. */
  readonly memoryBytes: number
}

const seed = 20_262
const chunkBytes = 64 * 1024
const memoryEveryMs = 20

const [folder, inputBytes, totalBytes] = process.argv.slice(2)
const root = await mkdtemp(join(resolve(folder!), 'logs-'))
process.stdout.write(JSON.stringify(await sample(root, Number(inputBytes), Number(totalBytes))))
await rm(root, { recursive: true })

async function sample(root: string, inputBytes: number, totalBytes: number): Promise<LogSample> {
  const input = logLines(seed, inputBytes)
  const secrets = tokens(seed, 20)
  await using ost = await openPosixObjectStorage({ root })
  const store = createLogStore(ost)
  const key = { runTaskId: 'task', log: 0 }
  await setTimeout(200)
  const idleBytes = process.memoryUsage.rss()
  let mostBytes = idleBytes
  const watch = setInterval(() => {
    mostBytes = Math.max(mostBytes, process.memoryUsage.rss())
  }, memoryEveryMs)
  const start = performance.now()
  await using writer = createLogWriter({
    masker: createMasker(secrets),
    store: (frame) => store.storeFrame(key, frame),
    onLive: (firstByte, bytes) => store.offerLive(key, firstByte, bytes),
  })
  let written = 0
  while (written < totalBytes)
    for (let at = 0; at < input.length && written < totalBytes; at += chunkBytes) {
      const chunk = input.subarray(at, at + Math.min(chunkBytes, totalBytes - written))
      await writer.write(chunk)
      written += chunk.length
    }
  const { bytes } = await writer.end()
  const seconds = (performance.now() - start) / 1000
  clearInterval(watch)
  if (bytes !== written) throw new Error(`${bytes} of ${written} bytes were stored`)
  return { megabytesPerSecond: bytes / 1e6 / seconds, memoryBytes: mostBytes - idleBytes }
}
