import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { collectBytes } from '../lib/bytes.ts'
import { systemClock } from '../lib/clock.ts'
import { markOfThisProcess } from '../lib/process-mark.ts'
import type { ObjectStorage } from './object-storage.ts'
import { objectStorageContract } from './object-storage-contract.ts'
import { openPosixObjectStorage } from './posix.ts'
import { pathOfKey } from './posix-names.ts'

const bytes = (text: string) => Buffer.from(text)

async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'slipway-ost-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

/** A storage that takes its folder with it. */
async function openThrowAway(): Promise<ObjectStorage> {
  const folder = await temporaryFolder()
  const ost = await openPosixObjectStorage({ root: join(folder.path, 'ost') })
  const dispose = ost[Symbol.asyncDispose].bind(ost)
  ost[Symbol.asyncDispose] = async () => {
    await dispose()
    await folder[Symbol.asyncDispose]()
  }
  return ost
}

objectStorageContract('posix', openThrowAway)

async function filesBelow(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).sort()
}

test('an object stays when the storage is opened again', async () => {
  await using folder = await temporaryFolder()
  const first = await openPosixObjectStorage({ root: folder.path })
  await first.put('a/b', bytes('x'))
  await first[Symbol.asyncDispose]()
  const second = await openPosixObjectStorage({ root: folder.path })
  expect((await collectBytes(second.read('a/b'))).toString()).toBe('x')
})

test('the time of an object is that of the clock of the storage', async () => {
  await using folder = await temporaryFolder()
  const clock = { ...systemClock, now: () => 1_234_567_890_123 }
  const ost = await openPosixObjectStorage({ root: folder.path, clock })
  await ost.put('a', bytes('x'))
  expect(await ost.stat('a')).toEqual({ key: 'a', sizeBytes: 1, modifiedAt: 1_234_567_890_123 })
})

test('failed writes and deleted objects leave no files and no folders', async () => {
  await using folder = await temporaryFolder()
  const ost = await openPosixObjectStorage({ root: folder.path })
  await ost.put('a/b/c', bytes('x'))
  await ost.put('a/b/d', bytes('x'))
  await expect(ost.create('a/b/c', bytes('y'))).rejects.toThrow()
  await expect(ost.put('a/e/f', bytes('y'), { sizeBytes: 3 })).rejects.toThrow()
  await ost.delete('a/b/d')
  expect(await filesBelow(folder.path)).toEqual(['data', 'data/da', 'data/da/db', 'data/da/db/fc', 'tmp'])
  await ost.delete('a/b/c')
  expect(await filesBelow(folder.path)).toEqual(['data', 'tmp'])
})

test('names on disk stay apart where file systems fold case', () => {
  const names = ['A', 'a', 'É', 'é', 'e\u0301', 'a/b', 'a-b', '%41'].map(pathOfKey)
  expect(new Set(names.map((name) => name.toLowerCase().normalize('NFC'))).size).toBe(names.length)
})

test('opening removes what a killed writer left, and nothing of those that write', async () => {
  await using folder = await temporaryFolder()
  await openPosixObjectStorage({ root: folder.path })
  const own = markOfThisProcess()
  const { pid } = spawnSync('true')
  const killed = own.replace(/\.\d+\./, `.${pid}.`)
  for (const mark of [own, killed]) await writeFile(join(folder.path, 'tmp', `${mark}-name`), 'x')
  await openPosixObjectStorage({ root: folder.path })
  expect(await readdir(join(folder.path, 'tmp'))).toEqual([`${own}-name`])
})

test('opening removes temporary files older than a day, and only those', async () => {
  await using folder = await temporaryFolder()
  await openPosixObjectStorage({ root: folder.path })
  const now = Date.now()
  for (const [name, age] of Object.entries({ old: 25 * 3_600_000, young: 23 * 3_600_000 })) {
    await writeFile(join(folder.path, 'tmp', name), 'x')
    await utimes(join(folder.path, 'tmp', name), (now - age) / 1000, (now - age) / 1000)
  }
  await openPosixObjectStorage({ root: folder.path })
  expect(await readdir(join(folder.path, 'tmp'))).toEqual(['young'])
})

test.each([
  [
    'a byte is changed',
    async (path: string) => {
      const content = await readFile(path)
      content[3]! ^= 1
      await writeFile(path, content)
    },
  ],
  ['its end is cut off', async (path: string) => await truncate(path, 100)],
  ['all is cut off', async (path: string) => await truncate(path, 0)],
  ['bytes are added', async (path: string) => await writeFile(path, 'more', { flag: 'a' })],
])('an object of which %s is never handed out as it is', async (_, damage) => {
  await using folder = await temporaryFolder()
  const ost = await openPosixObjectStorage({ root: folder.path })
  await ost.put('a', randomBytes(1000))
  await damage(join(folder.path, 'data', pathOfKey('a')))
  const seen: Uint8Array[] = []
  const reading = async () => {
    for await (const chunk of ost.read('a')) seen.push(chunk)
  }
  await expect(reading()).rejects.toMatchObject({ code: 'object_corrupt' })
  expect(seen).toEqual([])
  expect(await ost.stat('a')).toBeDefined()
  expect(await ost.delete('a')).toBe(true)
})

test('a symbolic link leads nowhere, as object, as folder and in listings', async () => {
  await using folder = await temporaryFolder()
  const root = join(folder.path, 'ost')
  const outside = join(folder.path, 'outside')
  const ost = await openPosixObjectStorage({ root })
  const other = await openPosixObjectStorage({ root: outside })
  await other.put('x/secret', bytes('outside'))
  await symlink(join(outside, 'data', pathOfKey('x/secret')), join(root, 'data', pathOfKey('file')))
  await symlink(join(outside, 'data', 'dx'), join(root, 'data', 'dlinked'))
  const failed = { code: 'object_storage_failed' }
  await expect(collectBytes(ost.read('file'))).rejects.toMatchObject(failed)
  await expect(collectBytes(ost.read('linked/secret'))).rejects.toMatchObject(failed)
  await expect(ost.stat('linked/secret')).rejects.toMatchObject(failed)
  await expect(ost.put('linked/new', bytes('x'))).rejects.toMatchObject(failed)
  await expect(ost.delete('linked/secret')).rejects.toMatchObject(failed)
  expect(await ost.stat('file')).toBeUndefined()
  expect(await Array.fromAsync(ost.list())).toEqual([])
  await expect(Array.fromAsync(ost.list({ prefix: 'linked/' }))).rejects.toMatchObject(failed)
  expect((await Array.fromAsync(other.list())).map(({ key }) => key)).toEqual(['x/secret'])
  await ost.put('file', bytes('replaces the link, not what it leads to'))
  expect((await collectBytes(other.read('x/secret'))).toString()).toBe('outside')
})

test('trouble of the disk is an error that names the object', async () => {
  await using folder = await temporaryFolder()
  const ost = await openPosixObjectStorage({ root: folder.path })
  await writeFile(join(folder.path, 'data', 'da'), 'a file where a folder belongs')
  const failed = { code: 'object_storage_failed', message: expect.stringContaining('a/b') }
  await expect(ost.put('a/b', bytes('x'))).rejects.toMatchObject(failed)
  await expect(collectBytes(ost.read('a/b'))).rejects.toMatchObject(failed)
  await expect(ost.stat('a/b')).rejects.toMatchObject(failed)
  expect(await readdir(join(folder.path, 'tmp'))).toEqual([])
})

const canMount = process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0

test.runIf(canMount)('a full disk is `disk_full`, leaves the old object and no temporary file', async () => {
  await using folder = await temporaryFolder()
  const root = join(folder.path, 'small')
  await mkdir(root)
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', root]).status).toBe(0)
  try {
    await using ost = await openPosixObjectStorage({ root })
    await ost.put('a', bytes('old'))
    const full = { code: 'disk_full' }
    await expect(ost.put('a', randomBytes(2_000_000))).rejects.toMatchObject(full)
    await expect(ost.create('b', randomBytes(2_000_000), { persist: false })).rejects.toMatchObject(full)
    expect((await collectBytes(ost.read('a'))).toString()).toBe('old')
    expect(await readdir(join(root, 'tmp'))).toEqual([])
    await ost.put('a', bytes('new'))
  } finally {
    spawnSync('umount', [root])
  }
})

test('a writer killed at any moment leaves the old object or the new one, never a part', async () => {
  await using folder = await temporaryFolder()
  await using ost = await openPosixObjectStorage({ root: folder.path })
  // Objects of one repeated byte, so that a mixture of two would show.
  const program = `
    import { openPosixObjectStorage } from ${JSON.stringify(join(import.meta.dirname, 'posix.ts'))}
    const ost = await openPosixObjectStorage({ root: ${JSON.stringify(folder.path)} })
    for (let round = 0; ; round++) {
      const data = Buffer.alloc(50_000 + round, round % 256)
      await ost.put('some/folder/replaced', data)
      await ost.create('created/' + round, data)
      if (round % 3 === 2) await ost.delete('created/' + (round - 1))
      if (round === 0) process.stdout.write('begun')
    }`
  for (let attempt = 0; attempt < 4; attempt++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    await systemClock.sleep(attempt * 7) // Any moment will do; the differences spread the kills over the steps.
    child.kill('SIGKILL')
    await once(child, 'exit')
    for await (const { key, sizeBytes } of ost.list()) {
      const data = await collectBytes(ost.read(key))
      expect(data.length).toBe(sizeBytes)
      expect(data.every((byte) => byte === (sizeBytes - 50_000) % 256)).toBe(true)
    }
    for await (const { key } of ost.list({ prefix: 'created/' })) await ost.delete(key)
  }
})
