// What tests of logs need: a storage in a throw-away directory, maskers, and a clock that is moved by hand.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import type { LogChunk, LogKey } from './log-store.ts'
import type { LogMasker } from './log-writer.ts'

export const key: LogKey = { runTaskId: 'task', log: 0 }

export async function openThrowAwayStorage(): Promise<ObjectStorage> {
  const root = await mkdtemp(join(tmpdir(), 'slipway-logs-'))
  const ost = await openPosixObjectStorage({ root })
  ost[Symbol.asyncDispose] = () => rm(root, { recursive: true })
  return ost
}

/** Masks nothing. */
export function openMasker(): LogMasker {
  let rawBytes = 0
  return {
    push: (bytes) => {
      rawBytes += bytes.length
      return { bytes, rawBytes, printed: [] }
    },
    end: () => ({ bytes: new Uint8Array(0), rawBytes, printed: [] }),
  }
}

/** Time passes only by `advance`. */
export function manualClock(): Clock & { advance(ms: number): void } {
  let now = 1_760_000_000_000
  const sleepers = new Set<{ at: number; wake: () => void }>()
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = { at: now + ms, wake: resolve }
        sleepers.add(sleeper)
        signal?.addEventListener('abort', () => {
          sleepers.delete(sleeper)
          reject(signal.reason)
        })
      }),
    timeout: () => new AbortController().signal,
    advance: (ms) => {
      now += ms
      for (const sleeper of [...sleepers].filter(({ at }) => at <= now)) {
        sleepers.delete(sleeper)
        sleeper.wake()
      }
    },
  }
}

export async function bytesOf(chunks: AsyncIterable<LogChunk>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const { bytes } of chunks) all.push(bytes)
  return Buffer.concat(all)
}
