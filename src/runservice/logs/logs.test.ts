// Writer and store together: what a step prints is the log, whatever happens on the way.

import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createMasker } from '../../executor/masking/masker.ts'
import { collectBytes } from '../../lib/bytes.ts'
import { until } from '../../lib/until-fixture.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import { encodeFrame, indexFrame } from './frame.ts'
import { createLogStore, type LogStore } from './log-store.ts'
import { createLogWriter, type LogSizes, type LogWriter, type LogWriterOptions } from './log-writer.ts'
import { bytesOf, key, manualClock, openMasker, openThrowAwayStorage } from './logs-fixture.ts'

const small: Partial<LogSizes> = { frameBytes: 100 }

function writerTo(store: LogStore, options: Partial<LogWriterOptions> = {}): LogWriter {
  return createLogWriter({
    masker: openMasker(),
    store: (frame) => store.storeFrame(key, frame),
    clock: manualClock(),
    sizes: small,
    ...options,
  })
}

async function writeAll(store: LogStore, raw: Uint8Array | string, options: Partial<LogWriterOptions> = {}) {
  await using writer = writerTo(store, options)
  await writer.write(Buffer.from(raw))
  return await writer.end()
}

async function aFrame(firstByte: number, text: string, firstLine = 0): Promise<Uint8Array> {
  const bytes = Buffer.from(text)
  const start = { firstByte, firstLine, rawBytes: firstByte + bytes.length }
  return await encodeFrame(indexFrame(start, bytes, [{ offset: 0, at: 1 }]), bytes)
}

const lines = (count: number) => Array.from({ length: count }, (_, n) => `line number ${n}\n`).join('')

async function withStore(act: (store: LogStore, ost: ObjectStorage) => Promise<void>): Promise<void> {
  await using ost = await openThrowAwayStorage()
  await act(createLogStore(ost), ost)
}

test.each([
  ['nothing', ''],
  ['one byte', 'x'],
  ['lines', lines(50)],
  ['bytes that are no UTF-8', Buffer.from([0xff, 0xfe, 0x0a, 0xc3, 0x28, 0x00])],
  ['progress with carriage returns', '10%\r20%\r100%\n'],
  ['no newline at all', 'x'.repeat(10_000)],
  ['only newlines', '\n'.repeat(1000)],
])('a log of %s is read as it was printed', async (_, raw) => {
  await withStore(async (store) => {
    const printed = Buffer.from(raw)
    const position = await writeAll(store, printed)
    const newlines = printed.filter((byte) => byte === 10).length
    expect(position).toMatchObject({ bytes: printed.length, rawBytes: printed.length, lines: newlines })
    expect((await bytesOf(store.read(key, { fromByte: 0 }))).equals(printed)).toBe(true)
    expect(await store.finish(key)).toEqual({
      sizeBytes: printed.length,
      lines: newlines + (printed.length > 0 && printed.at(-1) !== 10 ? 1 : 0),
      sha256: createHash('sha256').update(printed).digest('hex'),
    })
    expect((await bytesOf(store.read(key, { fromByte: 0 }))).equals(printed)).toBe(true)
    expect(await store.position(key)).toMatchObject({ bytes: printed.length, complete: true })
  })
})

test('a line of our own stands on a line of its own, and a successor goes on with the output as if it were not there', async () => {
  await withStore(async (store) => {
    await using writer = writerTo(store)
    await writer.write(Buffer.from('first\nunfinished'))
    await writer.note('the step was stopped')
    await writer.note('twice')
    const position = await writer.end()
    expect((await bytesOf(store.read(key, { fromByte: 0 }))).toString()).toBe(
      'first\nunfinished\nthe step was stopped\ntwice\n',
    )
    expect(position.rawBytes).toBe('first\nunfinished'.length)
  })
})

test('a line of our own is the first of what a successor adds', async () => {
  await withStore(async (store) => {
    const position = await store.storeFrame(key, await aFrame(0, 'first\n'))
    await using writer = writerTo(store, { position })
    await writer.note('begun again')
    await writer.write(Buffer.from('second\n'))
    expect(await writer.end()).toMatchObject({ rawBytes: 'first\nsecond\n'.length })
    expect((await bytesOf(store.read(key, { fromByte: 0 }))).toString()).toBe('first\nbegun again\nsecond\n')
  })
})

test('100 MB without a newline need little memory and come back the same', async () => {
  await withStore(async (store) => {
    const chunk = Buffer.alloc(1_000_000, 'no newline here ')
    const hash = createHash('sha256')
    await using writer = writerTo(store, { sizes: {} })
    await writer.write(chunk)
    const before = process.memoryUsage().rss
    let mostBytes = 0
    for (let count = 1; count < 100; count++) {
      await writer.write(chunk)
      mostBytes = Math.max(mostBytes, process.memoryUsage().rss - before)
    }
    await writer.end()
    for (let count = 0; count < 100; count++) hash.update(chunk)
    expect(await store.finish(key)).toEqual({ sizeBytes: 100_000_000, lines: 1, sha256: hash.digest('hex') })
    expect(mostBytes).toBeLessThan(100 * 1024 * 1024)
  })
})

test('any bytes in any chunks give the same masked log', async () => {
  const part = fc.oneof(
    fc.constantFrom('secret-one', 'secret', 'sec', 'aaaa', '\n', 'token42'),
    fc.string({ maxLength: 8 }),
  )
  const secrets = ['secret-one', 'secret', 'aaaaaa', 'token42\nsecond line']
  await fc.assert(
    fc.asyncProperty(
      fc.array(part, { maxLength: 60 }),
      fc.array(fc.nat(300), { maxLength: 20 }),
      async (parts, cuts) => {
        await withStore(async (store) => {
          const raw = Buffer.from(parts.join(''))
          const whole = createMasker(secrets)
          const expected = Buffer.concat([Uint8Array.from(whole.push(raw).bytes), whole.end().bytes])
          await using writer = writerTo(store, { masker: createMasker(secrets) })
          const bounds = [0, ...cuts.map((cut) => Math.min(cut, raw.length)).sort((a, b) => a - b), raw.length]
          for (const [index, end] of bounds.slice(1).entries()) await writer.write(raw.subarray(bounds[index], end))
          await writer.end()
          expect((await bytesOf(store.read(key, { fromByte: 0 }))).toString()).toBe(expected.toString())
        })
      },
    ),
    { numRuns: 40 },
  )
})

test('after any crashes, with frames of any length, every byte is in the log once', async () => {
  const secrets = ['secret', 'aaaaaa']
  const crash = fc.record({ writes: fc.nat(8), stored: fc.nat(5), frameBytes: fc.integer({ min: 20, max: 200 }) })
  await fc.assert(
    fc.asyncProperty(
      fc.array(crash, { maxLength: 5 }),
      fc.integer({ min: 1, max: 60 }),
      async (crashes, chunkBytes) => {
        await withStore(async (store, ost) => {
          const raw = Buffer.from(`${lines(30)}secret${lines(5)}${'a'.repeat(50)}\nsecretsecret end`)
          const masker = createMasker(secrets)
          const expected = Buffer.concat([Uint8Array.from(masker.push(raw).bytes), masker.end().bytes]).toString()
          for (const { writes, stored, frameBytes } of crashes) {
            const successor = createLogStore(ost) // The runservice forgets too.
            const position = await successor.position(key)
            let count = 0
            const writer = writerTo(successor, {
              position,
              masker: createMasker(secrets),
              sizes: { frameBytes },
              store: async (frame) => {
                if (count++ >= stored) throw new Error('crashed')
                return await successor.storeFrame(key, frame)
              },
            })
            let at = position.rawBytes
            try {
              for (let write = 0; write < writes; write++, at += chunkBytes)
                await writer.write(raw.subarray(at, at + chunkBytes))
            } catch (error) {
              expect(error).toMatchObject({ message: 'crashed' })
            }
            await writer[Symbol.asyncDispose]()
          }
          const position = await store.position(key)
          await writeAll(store, raw.subarray(position.rawBytes), { position, masker: createMasker(secrets) })
          expect((await bytesOf(store.read(key, { fromByte: 0 }))).toString()).toBe(expected)
          const { sizeBytes, sha256 } = await store.finish(key)
          expect(sizeBytes).toBe(expected.length)
          expect(sha256).toBe(createHash('sha256').update(expected).digest('hex'))
          expect((await bytesOf(store.read(key, { fromByte: 0 }))).toString()).toBe(expected)
        })
      },
    ),
    { numRuns: 25 },
  )
})

test('a frame is closed after its time, with what was printed by then', async () => {
  await withStore(async (store) => {
    const clock = manualClock()
    const stored = Promise.withResolvers<void>()
    await using writer = writerTo(store, {
      clock,
      sizes: {},
      store: async (frame) => {
        const position = await store.storeFrame(key, frame)
        stored.resolve()
        return position
      },
    })
    await writer.write(Buffer.from('first\nsec'))
    clock.advance(4999)
    await setImmediate()
    expect(await store.position(key)).toMatchObject({ bytes: 0 })
    clock.advance(1)
    await stored.promise
    expect(await store.position(key)).toEqual({ bytes: 9, lines: 1, rawBytes: 9, complete: false })
    await writer.write(Buffer.from('ond\n'))
    await writer.end()
    const indexes = await Array.fromAsync(store.indexes(key))
    expect(indexes.map(({ firstByte, firstLine, sizeBytes }) => [firstByte, firstLine, sizeBytes])).toEqual([
      [0, 0, 9],
      [9, 1, 4],
    ])
  })
})

test('what could be the beginning of a secret is not stored by time, only by more bytes or the end', async () => {
  await withStore(async (store) => {
    const clock = manualClock()
    const writer = writerTo(store, { clock, masker: createMasker(['password']), sizes: {} })
    await writer.write(Buffer.from('the passw'))
    clock.advance(60_000)
    for (let turn = 0; turn < 50 && (await store.position(key)).bytes === 0; turn++) await setImmediate()
    await writer.write(Buffer.from('ord is secret; pass'))
    await writer.end()
    expect((await bytesOf(store.read(key, { fromByte: 0 }))).toString()).toBe('the *** is secret; pass')
  })
})

test('the raw output is released as far as it is stored', async () => {
  await withStore(async (store) => {
    const released: number[] = []
    await writeAll(store, lines(30), { onReleased: (raw) => released.push(raw) })
    expect(released).toEqual([...released].sort((a, b) => a - b))
    expect(released.at(-1)).toBe(lines(30).length)
  })
})

test('writing waits while too many frames are on their way', async () => {
  await withStore(async (store) => {
    const gate = Promise.withResolvers<void>()
    let bytesTaken = 0
    const writer = writerTo(store, {
      store: async (frame) => {
        await gate.promise
        return await store.storeFrame(key, frame)
      },
    })
    const writing = (async () => {
      for (let count = 0; count < 100; count++) {
        await writer.write(Buffer.alloc(50, 'x'))
        bytesTaken += 50
      }
    })()
    for (let turn = 0; turn < 20; turn++) await setImmediate()
    expect(bytesTaken).toBeLessThanOrEqual(700)
    gate.resolve()
    await writing
    expect(await writer.end()).toMatchObject({ bytes: 5000 })
  })
})

test('when storing fails, all calls tell why', async () => {
  await withStore(async (store) => {
    await using writer = writerTo(store, { store: () => Promise.reject(new Error('no connection')) })
    await expect(writer.write(Buffer.alloc(2000, 'x')).then(() => writer.end())).rejects.toThrow('no connection')
    await expect(writer.write(Buffer.from('x'))).rejects.toThrow('no connection')
    await expect(writer.end()).rejects.toThrow('no connection')
  })
})

test('printed secrets are told with the line of the log they stood in', async () => {
  await withStore(async (store) => {
    const printed: unknown[] = []
    const raw = `${lines(20)}here: hunter22\nand again hunter22\n${lines(5)}mysecret!\n`
    await writeAll(store, raw, {
      masker: createMasker(['mysecret!', 'hunter22']),
      onSecretPrinted: (secret) => printed.push(secret),
    })
    expect(printed).toEqual([
      { secret: 1, line: 20 },
      { secret: 0, line: 27 },
    ])
  })
})

test('a log over its limit keeps head and tail and says how much is missing between', async () => {
  await withStore(async (store) => {
    const sizes = { logBytesMax: 2000, tailBytes: 800, frameBytes: 100 }
    const raw = Buffer.from(lines(1000))
    const released: number[] = []
    await using writer = writerTo(store, { sizes, onReleased: (offset) => released.push(offset) })
    for (let at = 0; at < raw.length; at += 30) await writer.write(raw.subarray(at, at + 30))
    await until(() => (released.at(-1) ?? 0) > raw.length - 1000) // The spool may go long before the end.
    const position = await writer.end()
    expect(position.rawBytes).toBe(raw.length)
    const log = (await bytesOf(store.read(key, { fromByte: 0 }))).toString()
    expect(log.length).toBeLessThanOrEqual(2000)
    const notice = /\n\[slipway: (\d+) bytes of output are left out here, a log has at most 2000\]\n/.exec(log)
    expect(notice).not.toBeNull()
    const head = log.slice(0, notice?.index)
    const tail = log.slice((notice?.index ?? 0) + (notice?.[0].length ?? 0))
    expect(raw.toString().startsWith(head)).toBe(true)
    expect(raw.toString().endsWith(tail)).toBe(true)
    expect(tail).toMatch(/^line number \d+\n/)
    expect(log.length).toBeGreaterThan(2000 - 256 - 100 - 20)
    const joint = raw[head.length] === 10 ? 1 : 0
    expect(Math.abs(head.length + tail.length + Number(notice?.[1]) - raw.length)).toBeLessThanOrEqual(joint + 100)
  })
})

test('a log just below its limit is whole', async () => {
  await withStore(async (store) => {
    const raw = lines(110)
    await writeAll(store, raw, { sizes: { logBytesMax: raw.length, tailBytes: 400, frameBytes: 100 } })
    expect((await bytesOf(store.read(key, { fromByte: 0 }))).toString()).toBe(raw)
  })
})

test('a successor goes on with the tail of a log over its limit', async () => {
  await withStore(async (store) => {
    const sizes = { logBytesMax: 2000, tailBytes: 800, frameBytes: 100 }
    const raw = Buffer.from(lines(1000))
    let released = 0
    const first = writerTo(store, {
      sizes,
      onReleased: (offset) => {
        released = offset
      },
    })
    for (let at = 0; at < 9000; at += 30) await first.write(raw.subarray(at, at + 30))
    await until(() => released > 8000)
    await first[Symbol.asyncDispose]()
    const position = await store.position(key)
    await writeAll(store, raw.subarray(released), { sizes, position, rawOffset: released })
    const log = (await bytesOf(store.read(key, { fromByte: 0 }))).toString()
    const parts = log.split(/\n?\[slipway: .*\]\n/)
    expect(parts).toHaveLength(2)
    expect(raw.toString().startsWith(parts[0]!)).toBe(true)
    expect(raw.toString().endsWith(parts[1]!)).toBe(true)
  })
})

test.each([
  [{ fromLine: 0 }, 0],
  [{ fromLine: 1 }, 1],
  [{ fromLine: 64 }, 64],
  [{ fromLine: 199 }, 199],
  [{ fromLine: 200 }, 200],
  [{ fromLine: 900 }, 200],
  [{ tailLines: 3 }, 197],
  [{ tailLines: 1000 }, 0],
  [{ tailLines: 0 }, 200],
])('a log of 200 lines read with %j begins at line %i', async (start, firstLine) => {
  await withStore(async (store) => {
    await writeAll(store, lines(200))
    const expected = lines(200).split('\n').slice(firstLine).join('\n')
    for (let round = 0; round < 2; round++) {
      const chunks = await Array.fromAsync(store.read(key, start))
      expect(Buffer.concat(chunks.map(({ bytes }) => bytes)).toString()).toBe(expected)
      expect(chunks[0]?.firstByte ?? 3090).toBe(lines(200).length - expected.length)
      await store.finish(key)
    }
  })
})

test('the tail of a log whose last line has no end counts that line', async () => {
  await withStore(async (store) => {
    await writeAll(store, 'a\nb\nc')
    expect((await bytesOf(store.read(key, { tailLines: 2 }))).toString()).toBe('b\nc')
  })
})

test('a frame that is stored already is acknowledged again', async () => {
  await withStore(async (store) => {
    const frame = await aFrame(0, 'one\n')
    const expected = { bytes: 4, lines: 1, rawBytes: 4, complete: false }
    expect(await store.storeFrame(key, frame)).toEqual(expected)
    expect(await store.storeFrame(key, frame)).toEqual(expected)
  })
})

test.each(['the same store', 'another instance'])(
  'a frame of another length at the same byte changes nothing in %s',
  async (which) => {
    await withStore(async (store, ost) => {
      await store.position(key)
      await (which === 'the same store' ? store : createLogStore(ost)).storeFrame(key, await aFrame(0, 'one\n'))
      const position = await store.storeFrame(key, await aFrame(0, 'one\ntwo\n'))
      expect(position).toEqual({ bytes: 4, lines: 1, rawBytes: 4, complete: false })
      expect((await bytesOf(store.read(key, { fromByte: 0 }))).toString()).toBe('one\n')
    })
  },
)

test('a frame behind the end of the log and a damaged one are refused', async () => {
  await withStore(async (store) => {
    await expect(store.storeFrame(key, await aFrame(4, 'two\n'))).rejects.toMatchObject({ code: 'log_moved' })
    const damaged = await aFrame(0, 'one\n')
    damaged[damaged.length - 1]! ^= 1
    await expect(store.storeFrame(key, damaged)).rejects.toMatchObject({ code: 'log_corrupt' })
    expect(await store.position(key)).toMatchObject({ bytes: 0 })
  })
})

test('a writer that finds the log elsewhere than it left it stops', async () => {
  await withStore(async (store) => {
    const writer = writerTo(store)
    await store.storeFrame(key, await aFrame(0, 'of a predecessor\n'))
    await writer.write(Buffer.from('of a'))
    await expect(writer.end()).rejects.toMatchObject({ code: 'log_moved' })
    expect((await bytesOf(store.read(key, { fromByte: 0 }))).toString()).toBe('of a predecessor\n')
  })
})

test('finishing merges small frames and is idempotent, also after a crash in the middle', async () => {
  await withStore(async (store, ost) => {
    let firstLine = 0
    const texts = ['one\n', 'two', '\nthree\n', 'four']
    let firstByte = 0
    const frames: Uint8Array[] = []
    for (const text of texts) {
      frames.push(await aFrame(firstByte, text, firstLine))
      firstByte += text.length
      firstLine += text.split('\n').length - 1
    }
    for (const frame of frames) await store.storeFrame(key, frame)
    const trailer = await store.finish(key)
    expect(trailer).toMatchObject({ sizeBytes: 18, lines: 4 })
    expect((await Array.fromAsync(store.indexes(key))).length).toBe(1)
    // As if the merge had been broken off before it deleted the last two.
    await ost.create('logs/task/0/0000000000000007.zst', frames[2]!)
    await ost.create('logs/task/0/0000000000000014.zst', frames[3]!)
    await ost.delete('logs/task/0/end')
    const successor = createLogStore(ost)
    expect(await successor.position(key)).toMatchObject({ bytes: 18 })
    expect((await bytesOf(successor.read(key, { fromByte: 5 }))).toString()).toBe('wo\nthree\nfour')
    expect(await successor.finish(key)).toEqual(trailer)
    expect(await successor.finish(key)).toEqual(trailer)
    expect((await Array.fromAsync(ost.list())).map((info) => info.key)).toEqual([
      'logs/task/0/0000000000000000.zst',
      'logs/task/0/end',
    ])
  })
})

test('a log of one frame is one object, complete as soon as that is stored', async () => {
  await withStore(async (store, ost) => {
    const following = bytesOf(store.follow(key, 0, new AbortController().signal))
    expect(await writeAll(store, 'one\ntwo')).toEqual({ bytes: 7, lines: 1, rawBytes: 7, complete: true })
    expect((await following).toString()).toBe('one\ntwo')
    const trailer = await store.finish(key)
    expect(trailer).toMatchObject({ sizeBytes: 7, lines: 2 })
    for (const other of [store, createLogStore(ost)]) {
      expect(await other.position(key)).toMatchObject({ bytes: 7, complete: true })
      expect(await other.trailer(key)).toEqual(trailer)
      expect(await other.finish(key)).toEqual(trailer)
      expect(await other.storeFrame(key, await aFrame(7, 'late'))).toMatchObject({ bytes: 7, complete: true })
    }
    expect((await Array.fromAsync(ost.list())).map((info) => info.key)).toEqual(['logs/task/0.zst'])
  })
})

test('a log of one frame that is named as one of several is read as well', async () => {
  await withStore(async (store, ost) => {
    await writeAll(store, 'one\ntwo')
    await ost.put('logs/task/0/0000000000000000.zst', await collectBytes(ost.read('logs/task/0.zst')))
    await ost.delete('logs/task/0.zst')
    const other = createLogStore(ost)
    expect(await other.position(key)).toMatchObject({ bytes: 7, complete: true })
    expect(await other.trailer(key)).toMatchObject({ sizeBytes: 7, lines: 2 })
    expect((await bytesOf(other.read(key, { fromByte: 0 }))).toString()).toBe('one\ntwo')
    await other.delete(key)
    expect(await Array.fromAsync(ost.list())).toEqual([])
  })
})

test('a log that a predecessor began is completed by its trailer', async () => {
  await withStore(async (store, ost) => {
    await store.storeFrame(key, await aFrame(0, 'one\n'))
    const position = await store.position(key)
    expect(await writeAll(store, 'two\n', { position })).toMatchObject({ bytes: 8, complete: false })
    expect(await createLogStore(ost).trailer(key)).toBeUndefined()
    expect(await store.finish(key)).toMatchObject({ sizeBytes: 8, lines: 2 })
    expect(await createLogStore(ost).position(key)).toMatchObject({ bytes: 8, complete: true })
  })
})

test('a follower sees each byte once, whenever it comes and however it is stored', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 150 }), { minLength: 1, maxLength: 20 }),
      fc.array(fc.nat(20), { minLength: 1, maxLength: 4 }),
      fc.nat(2000),
      async (sizes, joins, fromByte) => {
        await withStore(async (store) => {
          const raw = Buffer.from(lines(300)).subarray(
            0,
            sizes.reduce((a, b) => a + b, 0),
          )
          const followers: Promise<Buffer>[] = []
          const signal = new AbortController().signal
          const follow = async (from: number) => {
            const parts: Uint8Array[] = []
            let offset = from
            for await (const chunk of store.follow(key, from, signal)) {
              expect(chunk.firstByte).toBe(offset)
              offset += chunk.bytes.length
              parts.push(Uint8Array.from(chunk.bytes))
            }
            return Buffer.concat(parts)
          }
          const clock = manualClock()
          await using writer = writerTo(store, {
            clock,
            onLive: (firstByte, bytes) => store.offerLive(key, firstByte, bytes),
          })
          let at = 0
          const from = Math.min(fromByte, raw.length)
          for (const [index, size] of sizes.entries()) {
            if (joins.includes(index)) followers.push(follow(from))
            await writer.write(raw.subarray(at, at + size))
            at += size
            if (index % 3 === 0) await setImmediate()
            if (index % 5 === 0) clock.advance(5000)
          }
          followers.push(follow(0))
          await writer.end()
          await store.finish(key)
          followers.push(follow(from))
          const seen = await Promise.all(followers)
          for (const bytes of seen) expect([raw.toString(), raw.subarray(from).toString()]).toContain(bytes.toString())
          expect(seen.at(-1)?.toString()).toBe(raw.subarray(from).toString())
        })
      },
    ),
    { numRuns: 40 },
  )
})

test('a follower sees the open frame before it is stored', async () => {
  await withStore(async (store) => {
    await using writer = writerTo(store, { onLive: (firstByte, bytes) => store.offerLive(key, firstByte, bytes) })
    await writer.write(Buffer.from('working on it'))
    const cancel = new AbortController()
    const follower = store.follow(key, 8, cancel.signal)[Symbol.asyncIterator]()
    const first = await follower.next()
    expect({ ...first.value, bytes: first.value.bytes.toString() }).toEqual({ firstByte: 8, bytes: 'on it' })
    const second = follower.next()
    cancel.abort(new Error('enough'))
    await expect(second).rejects.toThrow('enough')
  })
})

test('what followers can be offered is bounded: a follower that comes late waits for storage', async () => {
  await withStore(async (store) => {
    for (let at = 0; at < 1_000_000; at += 1000) store.offerLive(key, at, Buffer.alloc(1000, 'x'))
    await store.storeFrame(key, await aFrame(0, 'x'.repeat(1_000_000)))
    await store.finish(key)
    expect((await bytesOf(store.follow(key, 0, new AbortController().signal))).length).toBe(1_000_000)
  })
})

test('a deleted log is gone, ends its followers, and may be deleted again', async () => {
  await withStore(async (store, ost) => {
    await writeAll(store, lines(100))
    const following = bytesOf(store.follow(key, 0, new AbortController().signal))
    await writeAll(store, '', { position: await store.position(key) })
    await setImmediate()
    await store.delete(key)
    await store.delete(key)
    expect(lines(100).startsWith((await following).toString())).toBe(true)
    expect(await Array.fromAsync(ost.list())).toEqual([])
    expect(await store.position(key)).toMatchObject({ bytes: 0, complete: false })
    expect(await store.trailer(key)).toBeUndefined()
  })
})
