// What every backend of object storage promises.

import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { collectBytes } from '../lib/bytes.ts'
import type { ObjectStorage } from './object-storage.ts'

const bytes = (text: string) => Buffer.from(text)
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

async function* stream(...chunks: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk)
}

async function textOf(ost: ObjectStorage, key: string, range?: { start: number; end?: number }): Promise<string> {
  return (await collectBytes(ost.read(key, range === undefined ? {} : { range }))).toString()
}

async function keysOf(ost: ObjectStorage, options?: { prefix?: string; after?: string }): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of ost.list(options)) keys.push(key)
  return keys
}

export type ContractOptions = {
  /** Random sets of keys that are listed, each in a storage of its own; default 60. */
  readonly listingRuns?: number
}

/** `open` gives an empty storage; disposing it also removes what it holds. */
export function objectStorageContract(
  name: string,
  open: () => Promise<ObjectStorage>,
  { listingRuns = 60 }: ContractOptions = {},
): void {
  describe(`object storage on ${name}`, () => {
    test('an object is read as it was written, with its size and checksum', async () => {
      await using ost = await open()
      const data = randomBytes(700_001)
      expect(await ost.put('a/b', data)).toEqual({ sizeBytes: data.length, sha256: sha256(data) })
      expect((await collectBytes(ost.read('a/b'))).equals(data)).toBe(true)
      expect(await ost.stat('a/b')).toMatchObject({ key: 'a/b', sizeBytes: data.length })
    })

    test('a stream of chunks of any size is written whole', async () => {
      await using ost = await open()
      const chunks = [0, 1, 100, 65_536, 300_000, 7, 140_000, 140_000, 1].map((size) => randomBytes(size))
      await ost.put('stream', stream(...chunks))
      expect((await collectBytes(ost.read('stream'))).equals(Buffer.concat(chunks))).toBe(true)
    })

    test('an empty object is an object', async () => {
      await using ost = await open()
      expect(await ost.create('empty', bytes(''))).toEqual({ sizeBytes: 0, sha256: sha256(bytes('')) })
      expect(await ost.stat('empty')).toMatchObject({ sizeBytes: 0 })
      expect(await textOf(ost, 'empty')).toBe('')
    })

    test('put replaces, and says nothing of what was there', async () => {
      await using ost = await open()
      await ost.put('key', bytes('a long first content'))
      await ost.put('key', bytes('second'))
      expect(await textOf(ost, 'key')).toBe('second')
    })

    test('what need not survive a power cut is stored alike', async () => {
      await using ost = await open()
      await ost.put('key', bytes('made again'), { persist: false })
      expect(await textOf(ost, 'key')).toBe('made again')
    })

    test('create refuses a key that exists and changes nothing', async () => {
      await using ost = await open()
      await ost.create('run/1', bytes('first'))
      await expect(ost.create('run/1', bytes('second'))).rejects.toMatchObject({ code: 'object_exists' })
      expect(await textOf(ost, 'run/1')).toBe('first')
    })

    test('of twenty creates at once exactly one succeeds', async () => {
      await using ost = await open()
      const creates = Array.from({ length: 20 }, (_, index) => ost.create('lock/me', bytes(`number ${index}`)))
      const outcomes = await Promise.allSettled(creates)
      const winners = outcomes.flatMap((outcome, index) => (outcome.status === 'fulfilled' ? [index] : []))
      expect(winners).toHaveLength(1)
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'object_exists' })
      expect(await textOf(ost, 'lock/me')).toBe(`number ${winners[0]}`)
    })

    test('a key that was deleted can be created again', async () => {
      await using ost = await open()
      await ost.create('a/b/c', bytes('first'))
      expect(await ost.delete('a/b/c')).toBe(true)
      await ost.create('a/b/c', bytes('second'))
      expect(await textOf(ost, 'a/b/c')).toBe('second')
    })

    test('deleting is idempotent and says whether there was something', async () => {
      await using ost = await open()
      await ost.put('a/b', bytes('x'))
      expect(await ost.delete('a/b')).toBe(true)
      expect(await ost.delete('a/b')).toBe(false)
      expect(await ost.delete('never/was')).toBe(false)
      expect(await ost.stat('a/b')).toBeUndefined()
    })

    test('what is not there is not found', async () => {
      await using ost = await open()
      await ost.put('a/b', bytes('x'))
      for (const key of ['none', 'a', 'a/b/c', 'a/c']) {
        await expect(textOf(ost, key)).rejects.toMatchObject({ code: 'object_not_found' })
        expect(await ost.stat(key)).toBeUndefined()
      }
    })

    test('a key and longer keys below it are different objects', async () => {
      await using ost = await open()
      for (const key of ['a/b/c', 'a', 'a/b']) await ost.create(key, bytes(`content of ${key}`))
      for (const key of ['a', 'a/b', 'a/b/c']) expect(await textOf(ost, key)).toBe(`content of ${key}`)
      await ost.delete('a/b')
      expect(await keysOf(ost)).toEqual(['a', 'a/b/c'])
    })

    test.each([
      ['an object that is shorter', 11, [bytes('ten bytes.')]],
      ['an object that is longer', 9, [bytes('ten bytes.')]],
      ['a stream that is longer by a chunk', 10, [bytes('ten bytes.'), bytes('x')]],
    ])('%s than announced leaves nothing', async (_, sizeBytes, chunks) => {
      await using ost = await open()
      const mismatch = { code: 'object_size_mismatch' }
      await expect(ost.put('key', stream(...chunks), { sizeBytes })).rejects.toMatchObject(mismatch)
      await expect(ost.create('key', Buffer.concat(chunks), { sizeBytes })).rejects.toMatchObject(mismatch)
      expect(await keysOf(ost)).toEqual([])
    })

    test('an object of the announced size and checksum is stored', async () => {
      await using ost = await open()
      const data = bytes('ten bytes.')
      await ost.put('key', stream(data), { sizeBytes: 10, sha256: sha256(data) })
      expect(await textOf(ost, 'key')).toBe('ten bytes.')
    })

    test('another content than the announced checksum leaves the old object', async () => {
      await using ost = await open()
      await ost.put('key', bytes('old'))
      const options = { sha256: sha256(bytes('new')) }
      await expect(ost.put('key', stream('other'), options)).rejects.toMatchObject({ code: 'object_corrupt' })
      expect(await textOf(ost, 'key')).toBe('old')
    })

    test('a source that fails leaves nothing, and its own error reaches the caller', async () => {
      await using ost = await open()
      const failure = Object.assign(new Error('connection lost'), { code: 'ECONNRESET', syscall: 'read' })
      async function* broken() {
        yield bytes('begun')
        throw failure
      }
      await expect(ost.put('key', broken())).rejects.toBe(failure)
      expect(await keysOf(ost)).toEqual([])
    })

    test('a write is cancelled even while its source waits, leaves nothing, and closes the source', async () => {
      await using ost = await open()
      const cancel = new AbortController()
      const waiting = Promise.withResolvers<void>()
      const closed = Promise.withResolvers<void>()
      const source: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]: () => ({
          next: () => {
            waiting.resolve()
            return new Promise(() => {})
          },
          return: async () => {
            closed.resolve()
            return { done: true, value: undefined }
          },
        }),
      }
      const write = ost.put('key', source, { signal: cancel.signal })
      await waiting.promise
      cancel.abort(new Error('not wanted any more'))
      await expect(write).rejects.toThrow('not wanted any more')
      await closed.promise
      expect(await keysOf(ost)).toEqual([])
    })

    test('nothing begins with a signal that is aborted', async () => {
      await using ost = await open()
      await ost.put('key', bytes('x'))
      const signal = AbortSignal.abort(new Error('too late'))
      await expect(ost.put('other', bytes('x'), { signal })).rejects.toThrow('too late')
      await expect(ost.create('other', bytes('x'), { signal })).rejects.toThrow('too late')
      await expect(collectBytes(ost.read('key', { signal }))).rejects.toThrow('too late')
      await expect(ost.stat('key', signal)).rejects.toThrow('too late')
      await expect(ost.delete('key', signal)).rejects.toThrow('too late')
      await expect(Array.fromAsync(ost.list({ signal }))).rejects.toThrow('too late')
      expect(await keysOf(ost)).toEqual(['key'])
    })

    test.each([
      [{ start: 0, end: 3 }, '012'],
      [{ start: 4 }, '456789'],
      [{ start: 3, end: 3 }, ''],
      [{ start: 8, end: 100 }, '89'],
      [{ start: 10 }, ''],
      [{ start: 50, end: 60 }, ''],
    ])('the range %j of 0123456789 is "%s"', async (range, expected) => {
      await using ost = await open()
      await ost.put('digits', bytes('0123456789'))
      expect(await textOf(ost, 'digits', range)).toBe(expected)
    })

    test('a reader may leave early', async () => {
      await using ost = await open()
      await ost.put('large', randomBytes(2_000_000))
      for await (const chunk of ost.read('large')) {
        expect(chunk.length).toBeGreaterThan(0)
        break
      }
      expect(await ost.delete('large')).toBe(true)
    })

    test('a reader that began before a replacement sees the old object whole', async () => {
      await using ost = await open()
      const old = randomBytes(1_000_000)
      await ost.put('key', old)
      const chunks: Uint8Array[] = []
      for await (const chunk of ost.read('key')) {
        if (chunks.length === 0) await ost.put('key', bytes('new'))
        chunks.push(chunk)
      }
      expect(Buffer.concat(chunks).equals(old)).toBe(true)
      expect(await textOf(ost, 'key')).toBe('new')
    })

    test.each([
      ['empty', ''],
      ['absolute', '/a'],
      ['ending with a slash', 'a/'],
      ['with an empty segment', 'a//b'],
      ['upwards', '../a'],
      ['upwards inside', 'a/../../b'],
      ['upwards at the end', 'a/..'],
      ['with a dot segment', 'a/./b'],
      ['with a NUL', 'a\0b'],
      ['with half a surrogate pair', 'a\ud800'],
      ['longer than 900 bytes', 'ä'.repeat(451)],
    ])('a key %s is refused by every operation', async (_, key) => {
      await using ost = await open()
      const refused = { code: 'object_key_invalid' }
      await expect(ost.put(key, bytes('x'))).rejects.toMatchObject(refused)
      await expect(ost.create(key, bytes('x'))).rejects.toMatchObject(refused)
      await expect(collectBytes(ost.read(key))).rejects.toMatchObject(refused)
      await expect(ost.stat(key)).rejects.toMatchObject(refused)
      await expect(ost.delete(key)).rejects.toMatchObject(refused)
      expect(await keysOf(ost)).toEqual([])
    })

    test.each([
      ['with everything odd', `sp ace/%2F/..a/.b/c../*?"<>|\\:/\n\t/🚢/é/e\u0301/A/a/-/~`],
      ['of one segment of 900 bytes', 'x'.repeat(900)],
      ['of 900 bytes that need escaping', 'Ü'.repeat(450)],
      ['of 450 segments', `${'a/'.repeat(449)}ab`],
    ])('a key %s is stored, listed and deleted', async (_, key) => {
      await using ost = await open()
      await ost.create(key, bytes('x'))
      expect(await textOf(ost, key)).toBe('x')
      expect(await keysOf(ost)).toEqual([key])
      expect(await ost.delete(key)).toBe(true)
      expect(await keysOf(ost)).toEqual([])
    })

    test('keys are listed in byte order of whole keys', async () => {
      await using ost = await open()
      const keys = [
        'a',
        'a b',
        'a!/x',
        'a-b',
        'a/x',
        'a/x/y',
        'a0',
        'B',
        'file04/a',
        'file041',
        'file042/a',
        'file05',
        'ﬀ',
        '🚢',
      ]
      for (const key of [...keys].reverse()) await ost.put(key, bytes('x'))
      expect(await keysOf(ost)).toEqual([...keys].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y))))
      expect(await keysOf(ost)).toEqual(['B', 'a', 'a b', 'a!/x', ...keys.slice(3, 7), ...keys.slice(8)])
    })

    test.each([
      [{ prefix: 'caches/linux' }, ['caches/linux', 'caches/linux-1', 'caches/linux/x']],
      [{ prefix: 'caches/linux/' }, ['caches/linux/x']],
      [{ prefix: 'caches' }, ['caches/a', 'caches/linux', 'caches/linux-1', 'caches/linux/x', 'cachesx']],
      [{ after: 'caches/linux' }, ['caches/linux-1', 'caches/linux/x', 'cachesx', 'z']],
      [{ after: 'caches/linux-5' }, ['caches/linux/x', 'cachesx', 'z']],
      [{ prefix: 'caches/', after: 'caches/linux-1' }, ['caches/linux/x']],
      [{ prefix: 'caches/', after: 'a' }, ['caches/a', 'caches/linux', 'caches/linux-1', 'caches/linux/x']],
      [{ prefix: 'caches/', after: 'd' }, []],
      [{ prefix: 'none/' }, []],
      [{ prefix: 'caches//' }, []],
      [{ prefix: '../' }, []],
      [{ prefix: '/' }, []],
    ])('listing with %j gives %j', async (options, expected) => {
      await using ost = await open()
      for (const key of ['caches/a', 'caches/linux', 'caches/linux-1', 'caches/linux/x', 'cachesx', 'z'])
        await ost.put(key, bytes('x'))
      expect(await keysOf(ost, options)).toEqual(expected)
    })

    test('a listing tells sizes, and may be left early', async () => {
      await using ost = await open()
      for (let index = 10; index < 80; index++) await ost.put(`k/${index}`, Buffer.alloc(index), { persist: false })
      let expected = 10
      for await (const info of ost.list({ prefix: 'k/' })) {
        expect(info).toMatchObject({ key: `k/${expected}`, sizeBytes: expected })
        if (++expected === 60) break
      }
    })

    test('a listing goes on when objects vanish before it', async () => {
      await using ost = await open()
      for (const key of ['a/1', 'b/1', 'b/2', 'c/1']) await ost.put(key, bytes('x'))
      const seen: string[] = []
      for await (const { key } of ost.list()) {
        seen.push(key)
        if (key === 'a/1') for (const gone of ['b/1', 'b/2']) await ost.delete(gone)
      }
      expect(seen.filter((key) => !key.startsWith('b/'))).toEqual(['a/1', 'c/1'])
    })

    test('a listing while others write has whatever was there all the time, once and in order', async () => {
      await using ost = await open()
      const stable = Array.from({ length: 60 }, (_, index) => `k/${100 + index * 2}`)
      await Promise.all(stable.map((key) => ost.put(key, bytes('x'), { persist: false })))
      const isListed = new AbortController()
      const writer = async (offset: number) => {
        for (let round = 0; !isListed.signal.aborted; round++) {
          const key = `k/${101 + ((round * 14 + offset) % 120)}`
          await ost.put(key, bytes('y'), { persist: false })
          await ost.delete(key)
        }
      }
      const writers = [0, 2, 4].map(writer)
      for (let round = 0; round < 5; round++) {
        const keys = await keysOf(ost)
        expect(keys).toEqual([...new Set(keys)].sort())
        expect(keys.filter((key) => stable.includes(key))).toEqual(stable)
      }
      isListed.abort()
      await Promise.all(writers)
    })

    test('an object of many megabytes comes from memory or as a stream, and is created once', async () => {
      await using ost = await open()
      const data = randomBytes(18_000_001)
      const pieces = () => stream(...Array.from({ length: 19 }, (_, at) => data.subarray(at * 1e6, (at + 1) * 1e6)))
      const expected = { sizeBytes: data.length, sha256: sha256(data) }
      expect(await ost.create('created/stream', pieces())).toEqual(expected)
      expect(await ost.create('created/memory', data)).toEqual(expected)
      expect(await ost.put('put/stream', pieces())).toEqual(expected)
      expect(await ost.put('put/memory', data)).toEqual(expected)
      for await (const { key, sizeBytes } of ost.list()) {
        expect(sizeBytes).toBe(data.length)
        expect((await collectBytes(ost.read(key))).equals(data)).toBe(true)
        const range = { start: 8_388_600, end: 8_388_620 }
        expect(await collectBytes(ost.read(key, { range }))).toEqual(data.subarray(range.start, range.end))
        await expect(ost.create(key, pieces())).rejects.toMatchObject({ code: 'object_exists' })
      }
    })

    test('a failed creation leaves the key free', async () => {
      await using ost = await open()
      async function* broken() {
        yield bytes('begun')
        throw new Error('no more')
      }
      await expect(ost.create('key', broken())).rejects.toThrow('no more')
      await expect(ost.create('key', bytes('x'), { sha256: sha256(bytes('y')) })).rejects.toMatchObject({
        code: 'object_corrupt',
      })
      await ost.create('key', bytes('whole'))
      expect(await textOf(ost, 'key')).toBe('whole')
    })

    test('any set of keys is listed in order, from any prefix and any key on', async () => {
      const segment = fc.oneof(
        fc.stringMatching(/^[ab!/.0-]{1,3}$/),
        fc.constantFrom(
          'x'.repeat(79),
          'x'.repeat(80),
          'x'.repeat(81),
          'x'.repeat(160),
          `${'x'.repeat(80)}!`,
          'é'.repeat(45),
        ),
      )
      const key = fc
        .array(segment, { minLength: 1, maxLength: 3 })
        .map((segments) =>
          segments
            .join('/')
            .replace(/\/+/g, '/')
            .replace(/^\/|\/$/g, ''),
        )
        .filter((text) => text !== '' && text.split('/').every((part) => part !== '.' && part !== '..'))
      const bound = fc.oneof(
        key,
        fc.constant(''),
        segment,
        key.map((text) => text.slice(0, -1)),
      )
      await fc.assert(
        fc.asyncProperty(fc.uniqueArray(key, { maxLength: 12 }), bound, bound, async (keys, prefix, after) => {
          await using ost = await open()
          for (const each of keys) await ost.put(each, bytes('x'), { persist: false })
          const compare = (x: string, y: string) => Buffer.compare(Buffer.from(x), Buffer.from(y))
          const expected = keys.filter((each) => each.startsWith(prefix) && compare(each, after) > 0).sort(compare)
          expect(await keysOf(ost, { prefix, after })).toEqual(expected)
        }),
        { numRuns: listingRuns },
      )
    })

    test('writing and deleting neighbours at the same time never fails', async () => {
      await using ost = await open()
      const worker = async (name: string) => {
        for (let round = 0; round < 15; round++) {
          await ost.put(`busy/deep/${name}`, bytes(name), { persist: round % 5 === 0 })
          expect(await textOf(ost, `busy/deep/${name}`)).toBe(name)
          expect(await ost.delete(`busy/deep/${name}`)).toBe(true)
        }
      }
      await Promise.all(['a', 'b', 'c', 'd'].map(worker))
      expect(await keysOf(ost)).toEqual([])
    })
  })
}
