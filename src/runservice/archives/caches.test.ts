import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { limits } from '../../lib/limits.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import { bytesOf, handClock, textOf } from '../service-fixture.ts'
import { cacheGroupsOf, fullCacheKey } from './cache-key.ts'
import { Caches } from './caches.ts'

const day = 24 * 60 * 60 * 1000

async function someCaches() {
  const root = mkdtempSync(join(tmpdir(), 'slipway-caches-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const clock = handClock()
  const ost = await openPosixObjectStorage({ root, clock })
  const caches = new Caches({ ost, clock })
  const found = async (key: string, exactOnly = false) => {
    const cache = await caches.find('p1', key, { exactOnly })
    return cache === undefined ? undefined : await textOf(caches.read(['p1'], cache.object))
  }
  const save = (key: string, text: string) => {
    clock.pass(1)
    return caches.save('p1', key, bytesOf(text))
  }
  return { caches, ost, clock, found, save }
}

async function keysOf(ost: ObjectStorage): Promise<readonly string[]> {
  const keys: string[] = []
  for await (const { key } of ost.list({ prefix: 'caches/' })) keys.push(key)
  return keys
}

describe('a cache', () => {
  test('is found by its key, then the newest whose key begins with what is asked', async () => {
    const { save, found } = await someCaches()
    await save('npm-linux', 'exact')
    await save('npm-linux-1', 'older')
    await save('npm-linux-2', 'newer')
    expect(await found('npm-linux')).toBe('exact')
    expect(await found('npm-linux-')).toBe('newer')
    expect(await found('npm', true)).toBeUndefined()
    expect(await found('yarn')).toBeUndefined()
  })

  test('is written once: the first stays, and what others wrote is removed', async () => {
    const { save, found, ost } = await someCaches()
    expect(await save('k', 'first')).toBe('stored')
    expect(await save('k', 'second')).toBe('exists')
    const answers = await Promise.all(['a', 'b', 'c'].map((text) => save('raced', text)))
    expect(answers.sort()).toEqual(['exists', 'exists', 'stored'])
    expect(await found('k')).toBe('first')
    expect((await keysOf(ost)).filter((key) => key.includes('/data/'))).toHaveLength(2)
  })

  test('whose data breaks off is none', async () => {
    const { caches, found, ost } = await someCaches()
    const broken = (async function* () {
      yield Buffer.from('half')
      throw new Error('the pod is gone')
    })()
    await expect(caches.save('p1', 'k', broken)).rejects.toThrow('the pod is gone')
    expect(await found('k')).toBeUndefined()
    expect(await keysOf(ost)).toEqual([])
  })

  test('of one group is not found in another, nor read through it', async () => {
    const { caches, save } = await someCaches()
    await save('k', 'text')
    expect(await caches.find('p', 'k', { exactOnly: false })).toBeUndefined()
    const cache = (await caches.find('p1', 'k', { exactOnly: true }))!
    expect(() => caches.read(['p', 'p2'], cache.object)).toThrow('there is no cache')
  })

  test('may have any text as key', async () => {
    const { save, found } = await someCaches()
    for (const key of ['a/b', '..', 'ä €', 'used', 'data', 'x.json', '%2F']) {
      await save(key, key)
      expect(await found(key, true)).toBe(key)
    }
  })
})

describe('a full cache key', () => {
  const prefix = 'p1-'
  test('has at most 200 bytes, escaped and with its prefix', () => {
    const bytes = limits.cacheKeyBytes.value
    expect(fullCacheKey('p1', 'k'.repeat(bytes - prefix.length))).toHaveLength(bytes)
    for (const key of ['k'.repeat(bytes - prefix.length + 1), '/'.repeat(66), ''])
      expect(() => fullCacheKey('p1', key)).toThrow(expect.objectContaining({ code: 'cache_key_invalid' }))
    expect(fullCacheKey('p1', '/'.repeat(65))).toContain('/')
  })

  test('is of the project or of the cache group; runs of a fork write to one of their own', () => {
    const config = { group: '/project/p1/pr/7', cacheGroup: '', trust: 'trusted' } as const
    expect(cacheGroupsOf(config)).toEqual({ own: 'p1', project: 'p1' })
    expect(cacheGroupsOf({ ...config, cacheGroup: 'u-r' })).toEqual({ own: 'u-r', project: 'u-r' })
    const fork = cacheGroupsOf({ ...config, trust: 'fork' })
    expect(fork.project).toBe('p1')
    expect(fork.own).toMatch(/^p1-fork-[0-9a-f]{16}$/)
    expect(cacheGroupsOf({ ...config, trust: 'fork', group: '/project/p1/pr/8' }).own).not.toBe(fork.own)
  })
})

describe('cleaning', () => {
  const unlimited = { maxAgeMs: 0, maxBytesPerGroup: Number.POSITIVE_INFINITY }

  test('removes what was not used for long, by the last use and not by the age; 0 keeps all', async () => {
    const { caches, clock, save, found, ost } = await someCaches()
    await save('old', 'old')
    await save('used', 'used')
    clock.pass(6 * day)
    await found('used')
    clock.pass(2 * day)
    await caches.clean(unlimited)
    expect(await keysOf(ost)).toHaveLength(5)
    await caches.clean({ ...unlimited, maxAgeMs: 7 * day })
    expect(await found('old', true)).toBeUndefined()
    expect(await found('used', true)).toBe('used')
    clock.pass(8 * day)
    await caches.clean({ ...unlimited, maxAgeMs: 7 * day })
    expect(await keysOf(ost)).toEqual([])
  })

  test('of a group that is too large removes those used longest ago, entry, data and mark', async () => {
    const { caches, clock, save, found, ost } = await someCaches()
    for (const key of ['a', 'b', 'c']) await save(key, key.repeat(100))
    clock.pass(1)
    await found('a')
    await caches.save('p2', 'other', bytesOf('x'.repeat(100)))
    await caches.clean({ ...unlimited, maxBytesPerGroup: 200 })
    expect([await found('a', true), await found('b', true), await found('c', true)].map((text) => text?.[0])).toEqual([
      'a',
      undefined,
      'c',
    ])
    expect(await caches.find('p2', 'other', { exactOnly: true })).toBeDefined()
    expect((await keysOf(ost)).filter((key) => key.includes('/data/'))).toHaveLength(3)
    await caches.clean({ ...unlimited, maxBytesPerGroup: 200 })
    expect(await found('a', true)).toBeDefined()
  })

  test('removes data that no entry names when it is a day old, and not before', async () => {
    const { caches, clock, ost, save, found } = await someCaches()
    await save('k', 'kept')
    await ost.put('caches/p1/data/left.tar.zst', Buffer.from('left'))
    await ost.put('caches/p1/used/left', Buffer.from(''))
    await caches.clean(unlimited)
    expect(await keysOf(ost)).toHaveLength(4)
    clock.pass(day + 60_000)
    await caches.clean(unlimited)
    expect((await keysOf(ost)).filter((key) => key.includes('left'))).toEqual([])
    expect(await found('k')).toBe('kept')
  })
})
