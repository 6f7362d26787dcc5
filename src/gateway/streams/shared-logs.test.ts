import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../../lib/limits.ts'
import { type LogSource, SharedLogs } from './shared-logs.ts'

const never = new AbortController().signal
const log = { runTaskId: 't', log: 0 } as const

/** A log that grows by `add` and ends with `end`; counts how often it is opened. */
class GrowingLog implements LogSource {
  opened = 0
  open = 0
  #bytes = Buffer.alloc(0)
  #isComplete = false
  #changed = Promise.withResolvers<void>()

  add(text: string | Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, Buffer.from(text as string)])
    this.#wake()
  }

  end(): void {
    this.#isComplete = true
    this.#wake()
  }

  async *followLog(_: string, __: unknown, fromByte: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    this.opened += 1
    this.open += 1
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    try {
      for (let at = fromByte; ; ) {
        if (signal.aborted) throw signal.reason
        if (at < this.#bytes.length) {
          const chunk = this.#bytes.subarray(at, at + 64 * 1024)
          at += chunk.length
          yield chunk
        } else if (this.#isComplete) return
        else await Promise.race([this.#changed.promise, stopped])
      }
    } finally {
      this.open -= 1
    }
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}

async function textFrom(logs: SharedLogs, fromByte: number, signal = never): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const { firstByte, bytes } of logs.follow(log, fromByte, signal)) {
    expect(firstByte).toBe(fromByte + parts.reduce((sum, part) => sum + part.length, 0))
    parts.push(bytes)
  }
  return Buffer.concat(parts).toString()
}

test('a hundred followers of one log cost one read', async () => {
  const source = new GrowingLog()
  const logs = new SharedLogs(source)
  const texts = Array.from({ length: 100 }, () => textFrom(logs, 0))
  source.add('first\n')
  await nextTurn()
  texts.push(textFrom(logs, 0), textFrom(logs, 3))
  source.add('second\n')
  source.end()
  const all = await Promise.all(texts)
  expect(new Set(all.slice(0, 101))).toEqual(new Set(['first\nsecond\n']))
  expect(all.at(-1)).toBe('st\nsecond\n')
  expect(source.opened).toBe(1)
  expect(source.open).toBe(0)
})

test('each follower gets every byte once, wherever it begins and however the log grows', async () => {
  const pieces = fc.array(fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme-ascii' }), {
    minLength: 1,
    maxLength: 8,
  })
  const starts = fc.array(fc.record({ after: fc.nat(8), from: fc.nat(60) }), { minLength: 1, maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(pieces, starts, async (added, followers) => {
      const source = new GrowingLog()
      const logs = new SharedLogs(source)
      const whole = added.join('')
      const texts: Promise<readonly [number, string]>[] = []
      const begin = (n: number) => {
        for (const { after, from } of followers) {
          const start = Math.min(from, whole.length)
          if (Math.min(after, added.length) === n)
            texts.push(textFrom(logs, start).then((text) => [start, text] as const))
        }
      }
      for (const [n, piece] of added.entries()) {
        begin(n)
        await nextTurn()
        source.add(piece)
        await nextTurn()
      }
      begin(added.length)
      source.end()
      for (const [start, text] of await Promise.all(texts)) expect(text).toBe(whole.slice(start))
      expect(source.open).toBe(0)
    }),
    { numRuns: 60 },
  )
})

test('a follower that is far behind reads for itself and misses nothing; what is kept is bounded', async () => {
  const source = new GrowingLog()
  const logs = new SharedLogs(source)
  const slow = logs.follow(log, 0, never)
  const whole = Buffer.alloc(limits.followedLogBytes.value * 2, 'abcdefghij')
  source.add(whole)
  const first = await slow.next()
  source.end()
  const fast = await textFrom(logs, 0)
  expect(fast.length).toBe(whole.length)
  const parts = [first.value as { bytes: Uint8Array }]
  for await (const part of slow) parts.push(part)
  expect(Buffer.concat(parts.map(({ bytes }) => bytes)).equals(whole)).toBe(true)
  expect(source.opened).toBe(2)
})

test('with the last follower the reader stops; an aborted one leaves the others alone', async () => {
  const source = new GrowingLog()
  const logs = new SharedLogs(source)
  const leave = new AbortController()
  const gone = textFrom(logs, 0, leave.signal)
  const staying = textFrom(logs, 0)
  source.add('x')
  await nextTurn()
  leave.abort(new Error('enough'))
  await expect(gone).rejects.toThrow('enough')
  expect(source.open).toBe(1)
  source.end()
  expect(await staying).toBe('x')
  expect(source.open).toBe(0)
})

test('an error of the log is told to all of its followers, and the next one begins anew', async () => {
  let opened = 0
  const logs = new SharedLogs({
    async *followLog() {
      opened += 1
      yield Buffer.from('a')
      if (opened === 1) throw new Error('the disk is gone')
    },
  })
  const both = await Promise.allSettled([textFrom(logs, 0), textFrom(logs, 0)])
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(await textFrom(logs, 0)).toBe('a')
})
