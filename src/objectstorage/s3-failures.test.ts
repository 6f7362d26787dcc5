// What happens when the server, the line or somebody else gets in the way.

import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, truncateSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { S3Double, type S3DoubleOptions, type S3Fault, type S3Operation } from '../../test/support/s3-double.ts'
import { collectBytes } from '../lib/bytes.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { ObjectStorage } from './object-storage.ts'
import { openS3ObjectStorage } from './s3.ts'
import { partBytes } from './s3-upload.ts'
import { selfTest } from './self-test.ts'

const MiB = 1024 * 1024
const bytes = (text: string) => Buffer.from(text)
const attempts = limits.storageAttempts.value

/** Pauses between attempts pass at once; deadlines when the test says so. */
class TestClock implements Clock {
  readonly pauses: number[] = []
  readonly #deadlines = new Set<() => void>()

  now(): number {
    return systemClock.now()
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (ms < limits.storageCallMs.value) {
      this.pauses.push(ms)
      return
    }
    await new Promise<void>((resolve, reject) => {
      this.#deadlines.add(resolve)
      signal?.addEventListener('abort', () => {
        this.#deadlines.delete(resolve)
        reject(signal.reason)
      })
    })
  }

  timeout(ms: number): AbortSignal {
    return systemClock.timeout(ms)
  }

  passDeadlines(): void {
    for (const resolve of this.#deadlines) resolve()
  }
}

type Setting = AsyncDisposable & { readonly ost: ObjectStorage; readonly double: S3Double; readonly clock: TestClock }

async function openWith(options: S3DoubleOptions = {}): Promise<Setting> {
  await using undo = new AsyncDisposableStack()
  const double = undo.use(await S3Double.start(options))
  const clock = new TestClock()
  const ost = undo.use(await openS3ObjectStorage(double.settings, { clock, random: () => 0.5 }))
  double.requests.length = 0
  const owned = undo.move()
  return { ost, double, clock, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** The first `times` requests of that kind meet the fault. */
function failFirst({ double, clock }: Setting, operation: S3Operation, fault: S3Fault, times = 1): void {
  let left = times
  double.fault = (request) => {
    if (request.operation !== operation || left === 0) return undefined
    left--
    if (fault.kind === 'hang') setImmediate(() => clock.passDeadlines())
    return fault
  }
}

const slowDown: S3Fault = { kind: 'status', status: 503, code: 'SlowDown' }
const transient: readonly (readonly [string, S3Fault])[] = [
  ['is told to slow down', slowDown],
  ['meets an internal error', { kind: 'status', status: 500, code: 'InternalError' }],
  ['is told that there are too many requests', { kind: 'status', status: 429, code: 'TooManyRequests' }],
  ['loses its connection', { kind: 'reset' }],
  ['loses its answer', { kind: 'loseAnswer' }],
  ['gets no answer', { kind: 'hang' }],
]

const operations: Readonly<Record<string, readonly [S3Operation, (ost: ObjectStorage) => Promise<unknown>, unknown]>> =
  {
    put: ['PutObject', async (ost) => (await ost.put('new', bytes('xyz'))).sizeBytes, 3],
    create: ['PutObject', async (ost) => (await ost.create('new', bytes('xyz'))).sizeBytes, 3],
    read: ['GetObject', async (ost) => (await collectBytes(ost.read('old'))).toString(), 'old content'],
    stat: ['HeadObject', async (ost) => (await ost.stat('old'))?.sizeBytes, 11],
    delete: ['DeleteObject', (ost) => ost.delete('old'), true],
    list: ['ListObjects', async (ost) => (await Array.fromAsync(ost.list())).map(({ key }) => key), ['old']],
  }

describe.each(Object.entries(operations))('%s', (name, [operation, act, result]) => {
  test.each(transient)('goes on when it %s', async (_, fault) => {
    await using setting = await openWith()
    await setting.ost.put('old', bytes('old content'))
    failFirst(setting, operation, fault, 2)
    expect(await act(setting.ost)).toEqual(result)
    if (fault.kind !== 'loseAnswer') expect(setting.clock.pauses).toHaveLength(2)
  })

  test('gives up after a bounded number of attempts, with longer and longer pauses', async () => {
    await using setting = await openWith()
    await setting.ost.put('old', bytes('old content'))
    failFirst(setting, operation, slowDown, Number.POSITIVE_INFINITY)
    await expect(act(setting.ost)).rejects.toMatchObject({
      code: 'object_storage_unavailable',
      message: expect.stringContaining('(503)'),
    })
    const { pauses } = setting.clock
    expect(pauses).toHaveLength(attempts - 1)
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b))
    expect(pauses.at(-1)).toBeGreaterThan(pauses[0]! * 8)
  })

  test('is cancelled while the server does not answer', async () => {
    await using setting = await openWith()
    await setting.ost.put('old', bytes('old content'))
    const cancel = new AbortController()
    setting.double.fault = (request) => {
      if (request.operation !== operation) return undefined
      setImmediate(() => cancel.abort(new Error('not wanted any more')))
      return { kind: 'hang' }
    }
    const { signal } = cancel
    const cancelled: Record<string, () => Promise<unknown>> = {
      put: () => setting.ost.put('new', bytes('x'), { signal }),
      create: () => setting.ost.create('new', bytes('x'), { signal }),
      read: () => collectBytes(setting.ost.read('old', { signal })),
      stat: () => setting.ost.stat('old', signal),
      delete: () => setting.ost.delete('old', signal),
      list: () => Array.fromAsync(setting.ost.list({ signal })),
    }
    await expect(cancelled[name]!()).rejects.toThrow('not wanted any more')
    expect(setting.clock.pauses).toEqual([])
  })
})

describe('create', () => {
  test('whose answer is lost succeeds once, and the next one is refused', async () => {
    await using setting = await openWith()
    failFirst(setting, 'PutObject', { kind: 'loseAnswer' })
    expect(await setting.ost.create('key', bytes('mine'))).toMatchObject({ sizeBytes: 4 })
    await expect(setting.ost.create('key', bytes('mine'))).rejects.toMatchObject({ code: 'object_exists' })
  })

  test('that does not know whether it was done finds that somebody else was faster', async () => {
    await using setting = await openWith()
    await using other = await openS3ObjectStorage(setting.double.settings)
    let isFirst = true
    const { promise: otherIsDone, resolve } = Promise.withResolvers<void>()
    setting.double.fault = ({ operation }) => {
      if (operation !== 'PutObject' || !isFirst) return undefined
      isFirst = false
      other.create('key', bytes('same content')).then(() => resolve(), resolve)
      return { kind: 'reset' }
    }
    // The same content must not be taken for the own object.
    await expect(setting.ost.create('key', bytes('same content'))).rejects.toMatchObject({ code: 'object_exists' })
    await otherIsDone
    expect(setting.double.objects.size).toBe(1)
  })

  test.each([
    ['every attempt is cut and nothing is there', { kind: 'reset' }, 'outcome_unknown', 0],
    ['every attempt is refused', slowDown, 'object_storage_unavailable', 0],
  ] as const)('says what is known when %s', async (_, fault, code, objects) => {
    await using setting = await openWith()
    failFirst(setting, 'PutObject', fault, Number.POSITIVE_INFINITY)
    await expect(setting.ost.create('key', bytes('x'))).rejects.toMatchObject({ code })
    expect(setting.double.count('PutObject')).toBe(attempts)
    expect(setting.double.objects.size).toBe(objects)
  })

  test('succeeds when every answer is lost but the object is its own', async () => {
    await using setting = await openWith()
    failFirst(setting, 'PutObject', { kind: 'loseAnswer' }, Number.POSITIVE_INFINITY)
    expect(await setting.ost.create('key', bytes('mine'))).toMatchObject({ sizeBytes: 4 })
  })

  test('does not know its outcome when the server is gone after a lost answer', async () => {
    await using setting = await openWith()
    let requests = 0
    setting.double.fault = () => (++requests === 1 ? { kind: 'loseAnswer' } : { kind: 'reset' })
    await expect(setting.ost.create('key', bytes('mine'))).rejects.toMatchObject({ code: 'outcome_unknown' })
  })

  test('tries again when another conditional write is under way', async () => {
    await using setting = await openWith()
    failFirst(setting, 'PutObject', { kind: 'status', status: 409, code: 'ConditionalRequestConflict' }, 3)
    await setting.ost.create('key', bytes('mine'))
    expect(setting.double.count('PutObject')).toBe(4)
  })

  test('of a large stream is sent again whole, and names its checksum to the server', async () => {
    await using setting = await openWith()
    failFirst(setting, 'PutObject', { kind: 'reset' }, 2)
    const data = randomBytes(9 * MiB)
    async function* source() {
      yield data.subarray(0, 5 * MiB)
      yield data.subarray(5 * MiB)
    }
    await setting.ost.create('key', source())
    expect((await collectBytes(setting.ost.read('key'))).equals(data)).toBe(true)
    const stored = createHash('sha256').update(setting.double.objects.get('data/key')!.data).digest('hex')
    const put = setting.double.requests.findLast(({ operation }) => operation === 'PutObject')
    expect(put?.headers['x-amz-content-sha256']).toBe(stored)
  })

  test('fails, and nothing else does, when the file is damaged in which the data waits', async () => {
    await using setting = await openWith()
    setting.double.fault = ({ operation }) => {
      // It has no name any more, but the kernel still knows it.
      if (operation === 'HeadObject')
        for (const fd of readdirSync('/proc/self/fd'))
          if (linkOf(`/proc/self/fd/${fd}`).startsWith('/slipway-')) truncateSync(`/proc/self/fd/${fd}`, 5 * MiB)
      return undefined
    }
    const spoolFolder = mkdtempSync(join(tmpdir(), 'slipway-spool-'))
    const linkOf = (path: string) => {
      try {
        return readlinkSync(path).replace(spoolFolder, '')
      } catch {
        return '' // Closed since it was listed.
      }
    }
    try {
      await using ost = await openS3ObjectStorage({ ...setting.double.settings, spoolFolder })
      async function* source() {
        for (let count = 0; count < 10; count++) yield randomBytes(MiB)
      }
      await expect(ost.create('key', source())).rejects.toMatchObject({
        code: 'object_storage_failed',
        message: expect.stringContaining('became shorter'),
      })
      expect(setting.double.objects.size).toBe(0)
    } finally {
      rmSync(spoolFolder, { recursive: true })
    }
  })

  test('of more than one PUT may carry is refused before anything is sent', async () => {
    await using setting = await openWith()
    const sizeBytes = limits.createdObjectBytes.value + 1
    const source = (async function* () {})()
    await expect(setting.ost.create('key', source, { sizeBytes })).rejects.toMatchObject({ code: 'object_too_large' })
    expect(setting.double.requests).toEqual([])
  })
})

describe('a large upload', () => {
  const data = randomBytes(20 * MiB)
  async function* source() {
    for (let at = 0; at < data.length; at += MiB) yield data.subarray(at, at + MiB)
  }

  test.each<[string, S3Operation, S3Fault]>([
    ['begins again', 'CreateUpload', { kind: 'reset' }],
    ['repeats a part', 'UploadPart', slowDown],
    ['repeats a part whose answer was lost', 'UploadPart', { kind: 'loseAnswer' }],
    ['ends again', 'CompleteUpload', slowDown],
    ['knows that it ended although the answer was lost', 'CompleteUpload', { kind: 'loseAnswer' }],
  ])('%s', async (_, operation, fault) => {
    await using setting = await openWith()
    failFirst(setting, operation, fault)
    await setting.ost.put('key', source())
    expect(setting.double.objects.get('data/key')!.data.subarray(0, data.length).equals(data)).toBe(true)
  })

  test('has at most four parts on their way', async () => {
    await using setting = await openWith()
    const piece = Buffer.alloc(MiB)
    async function* manyPieces() {
      for (let count = 0; count < 56; count++) yield piece
    }
    await setting.ost.put('key', manyPieces())
    expect(setting.double.count('UploadPart')).toBe(8)
    expect(setting.double.mostAtOnce.get('UploadPart')).toBeLessThanOrEqual(4)
  })

  test.each<[string, S3Operation, S3Fault, string]>([
    ['a part cannot be sent', 'UploadPart', slowDown, 'object_storage_unavailable'],
    ['a part is denied', 'UploadPart', { kind: 'status', status: 403, code: 'AccessDenied' }, 'object_storage_denied'],
    [
      'its end is refused',
      'CompleteUpload',
      { kind: 'status', status: 400, code: 'InvalidPart' },
      'object_storage_failed',
    ],
  ])('leaves nothing when %s', async (_, operation, fault, code) => {
    await using setting = await openWith()
    failFirst(setting, operation, fault, Number.POSITIVE_INFINITY)
    await expect(setting.ost.put('key', source())).rejects.toMatchObject({ code })
    expect(setting.double.uploads.size).toBe(0)
    expect(setting.double.objects.size).toBe(0)
  })

  test('that was gone before its end does not take the object of somebody else for its own', async () => {
    await using setting = await openWith()
    let ends = 0
    setting.double.fault = ({ operation }) => {
      if (operation !== 'CompleteUpload') return undefined
      ends++
      if (ends > 1) return undefined
      setting.double.uploads.clear()
      return { kind: 'reset' }
    }
    await setting.ost.put('key', bytes('of somebody else'))
    await expect(setting.ost.put('key', source())).rejects.toMatchObject({ code: 'object_storage_failed' })
    expect((await collectBytes(setting.ost.read('key'))).toString()).toBe('of somebody else')
  })

  test('that nobody ended is removed when it is a day old', async () => {
    await using double = await S3Double.start()
    const left = { metadata: {}, parts: new Map() }
    const old = new Date(Date.now() - limits.temporaryFileAgeMs.value - 1000)
    double.uploads.set('old', { ...left, key: 'data/with space+ü', initiated: old })
    double.uploads.set('young', { ...left, key: 'data/a', initiated: new Date() })
    await using _ = await openS3ObjectStorage(double.settings)
    expect([...double.uploads.keys()]).toEqual(['young'])
  })

  test('that may not be listed does not prevent opening', async () => {
    await using double = await S3Double.start()
    double.fault = ({ operation }) =>
      operation === 'ListUploads' ? { kind: 'status', status: 403, code: 'AccessDenied' } : undefined
    await using ost = await openS3ObjectStorage(double.settings)
    expect(await ost.stat('a')).toBeUndefined()
  })

  test('of any size has at most 10,000 parts', () => {
    const unannounced = Array.from({ length: 10_000 }, (_, index) => partBytes(index + 1, undefined))
    const reach = (count: number) => unannounced.slice(0, count).reduce((sum, part) => sum + part, 0)
    expect(reach(10_000)).toBeGreaterThan(500e9)
    expect(reach(4000)).toBeGreaterThan(50e9)
    expect(Math.max(...unannounced)).toBe(64 * MiB)
    for (const size of [0, 50e9, 80e9, 500e9, 5e12]) expect(partBytes(1, size) * 10_000).toBeGreaterThan(size)
    expect(partBytes(1, 50e9)).toBe(8 * MiB)
  })
})

describe('a reader', () => {
  const data = randomBytes(3 * MiB)

  test.each<[string, S3Fault]>([
    ['whose connection breaks', { kind: 'cut', afterBytes: MiB + 7 }],
    ['whose connection breaks at once', { kind: 'cut', afterBytes: 0 }],
    ['whose connection breaks in the footer', { kind: 'cut', afterBytes: 3 * MiB + 20 }],
    ['that gets no more', { kind: 'stall', afterBytes: MiB }],
  ])('%s goes on where it was', async (_, fault) => {
    await using setting = await openWith()
    await setting.ost.put('key', data)
    failFirst(setting, 'GetObject', fault)
    const chunks: Uint8Array[] = []
    const reading = (async () => {
      for await (const chunk of setting.ost.read('key')) chunks.push(chunk)
    })()
    if (fault.kind === 'stall') {
      await expect.poll(() => chunks.length, { interval: 5 }).toBeGreaterThan(2)
      setting.clock.passDeadlines()
    }
    await reading
    expect(Buffer.concat(chunks).equals(data)).toBe(true)
    const again = setting.double.requests.findLast(({ operation }) => operation === 'GetObject')
    if (fault.kind === 'cut' && fault.afterBytes > 0) {
      expect(again?.headers.range).toBe(`bytes=${fault.afterBytes}-${data.length + 47}`)
      expect(again?.headers['if-match']).toBeDefined()
    }
  })

  test.each([
    ['replaced', async (ost: ObjectStorage) => void (await ost.put('key', bytes('new')))],
    ['deleted', async (ost: ObjectStorage) => void (await ost.delete('key'))],
  ])('of an object that is %s while the connection is broken is told so', async (_, change) => {
    await using setting = await openWith()
    await setting.ost.put('key', data)
    failFirst(setting, 'GetObject', { kind: 'cut', afterBytes: 2 * MiB })
    const reader = setting.ost.read('key')[Symbol.asyncIterator]()
    await reader.next()
    await change(setting.ost)
    const rest = async () => {
      while (!(await reader.next()).done);
    }
    await expect(rest()).rejects.toMatchObject({ code: 'object_changed' })
  })

  test.each<[string, (stored: Buffer) => Buffer, number]>([
    ['a bit of its content', (stored) => flipped(stored, 0), 0],
    ['a bit of its checksum', (stored) => flipped(stored, stored.length - 48), 0],
    ['a bit of its size', (stored) => flipped(stored, stored.length - 9), 0],
    ['its end', (stored) => stored.subarray(0, -1), 0],
    ['all but its end', (stored) => stored.subarray(-48), 0],
    ['nearly everything', (stored) => stored.subarray(0, 10), 0],
  ])('of an object that has lost %s gets nothing but an error', async (_, damage, received) => {
    await using setting = await openWith()
    await setting.ost.put('key', bytes('content'))
    const object = setting.double.objects.get('data/key')!
    setting.double.objects.set('data/key', { ...object, data: damage(Buffer.from(object.data)) })
    let count = 0
    const read = async () => {
      for await (const chunk of setting.ost.read('key')) count += chunk.length
    }
    await expect(read()).rejects.toMatchObject({ code: 'object_corrupt' })
    expect(count).toBe(received)
  })

  test('that leaves early gives its connection back', async () => {
    await using setting = await openWith()
    await setting.ost.put('key', data.subarray(0, MiB))
    for (let round = 0; round < 300; round++) for await (const _ of setting.ost.read('key')) break
    expect(await setting.ost.stat('key')).toMatchObject({ sizeBytes: MiB })
  })
})

describe('a server', () => {
  test('that ignores conditions is refused by the self-test', async () => {
    await using setting = await openWith({ ignoresConditions: true })
    await expect(selfTest(setting.ost)).rejects.toMatchObject({ code: 'object_storage_unsafe' })
    expect(setting.double.objects.size).toBe(0)
  })

  test('that has no conditions is refused', async () => {
    await using setting = await openWith()
    failFirst(setting, 'PutObject', { kind: 'status', status: 501, code: 'NotImplemented' }, 99)
    await expect(selfTest(setting.ost)).rejects.toMatchObject({ code: 'object_storage_unsafe' })
  })

  test('that honours conditions is accepted', async () => {
    await using setting = await openWith()
    await selfTest(setting.ost)
    expect(setting.double.objects.size).toBe(0)
  })

  test.each([-3_600_000, 3_600_000])('whose clock is %d ms ahead is followed', async (clockAheadMs) => {
    await using setting = await openWith({ clockAheadMs })
    await setting.ost.put('key', bytes('x'))
    expect(setting.double.count('PutObject')).toBe(1)
  })

  test.each<[string, S3Fault, string, RegExp]>([
    [
      'denies',
      { kind: 'status', status: 403, code: 'AccessDenied' },
      'object_storage_denied',
      /denies it .*right for it on bucket/,
    ],
    [
      'has the bucket elsewhere',
      { kind: 'status', status: 301, code: 'PermanentRedirect' },
      'object_storage_config',
      /not in region us-east-1/,
    ],
    ['has no room', { kind: 'status', status: 403, code: 'QuotaExceeded' }, 'disk_full', /quota of bucket/],
    [
      'thinks that it is another time',
      { kind: 'status', status: 403, code: 'RequestTimeTooSkewed' },
      'object_storage_denied',
      /clock/,
    ],
    [
      'refuses',
      { kind: 'status', status: 400, code: 'InvalidRequest' },
      'object_storage_failed',
      /InvalidRequest \(400\)/,
    ],
  ])('that %s is named in the error', async (_, fault, code, message) => {
    await using setting = await openWith()
    failFirst(setting, 'PutObject', fault, 99)
    await expect(setting.ost.put('key', bytes('x'))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    })
  })

  test('that is not there is named in the error', async () => {
    const double = await S3Double.start()
    const { settings } = double
    await double[Symbol.asyncDispose]()
    await expect(openS3ObjectStorage(settings, { clock: new TestClock() })).rejects.toMatchObject({
      code: 'object_storage_unavailable',
      message: expect.stringContaining(settings.endpoint!),
    })
  })

  test('that does not list in byte order is refused', async () => {
    await using setting = await openWith({ listsBackwards: true })
    for (const key of ['a', 'b']) await setting.ost.put(key, bytes('x'))
    await expect(Array.fromAsync(setting.ost.list())).rejects.toMatchObject({ code: 'object_storage_unsafe' })
  })

  test('that holds what is not ours lists only objects', async () => {
    await using setting = await openWith()
    await setting.ost.put('a/b', bytes('x'))
    const object = setting.double.objects.get('data/a/b')!
    for (const foreign of ['data/', 'data/a/', 'data/a//b', 'other', 'data'])
      setting.double.objects.set(foreign, object)
    expect((await Array.fromAsync(setting.ost.list())).map(({ key }) => key)).toEqual(['a/b'])
  })

  test('is trusted by its certificate only when its authority is named', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'slipway-tls-'))
    try {
      const [keyFile, caFile] = [join(folder, 'key'), join(folder, 'cert')]
      const subject = ['-subj', '/CN=double', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '1']
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile]
      execFileSync('openssl', ['req', '-x509', ...key, '-out', caFile, ...subject], { stdio: 'pipe' })
      await using double = await S3Double.start({
        tls: { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(caFile, 'utf8') },
      })
      await expect(openS3ObjectStorage(double.settings)).rejects.toMatchObject({
        code: 'object_storage_unavailable',
        message: expect.stringContaining('caFile'),
      })
      await using ost = await openS3ObjectStorage({ ...double.settings, caFile })
      await ost.put('key', bytes('x'))
      expect((await collectBytes(ost.read('key'))).toString()).toBe('x')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('without credentials in the settings those are taken', () => {
  type Keys = { readonly accessKeyId: string; readonly secretAccessKey: string }

  /** Environment of the SDK for the time of `act`: nothing that this machine has counts. */
  async function withEnvironment(variables: Readonly<Record<string, string>>, act: () => Promise<void>): Promise<void> {
    const before = { ...process.env }
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name]
    Object.assign(process.env, { AWS_EC2_METADATA_DISABLED: 'true', ...variables })
    try {
      await act()
    } finally {
      for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name]
      Object.assign(process.env, before)
    }
  }

  /** The token of a session that came with what was signed by the keys, which the server knows. */
  async function tokenWith(variables: (keys: Keys) => Record<string, string>): Promise<unknown> {
    await using double = await S3Double.start()
    const { credentials, ...settings } = double.settings
    await withEnvironment(variables(credentials!), async () => {
      await using ost = await openS3ObjectStorage(settings)
      await ost.put('key', bytes('x'))
    })
    const { authorization, ...headers } = double.requests.at(-1)!.headers
    expect(authorization).toContain(`Credential=${credentials!.accessKeyId}/`)
    return headers['x-amz-security-token']
  }

  test('of the variables of the environment', async () => {
    const variables = (more: Record<string, string>) => (keys: Keys) => ({
      AWS_ACCESS_KEY_ID: keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
      ...more,
    })
    expect(await tokenWith(variables({}))).toBeUndefined()
    expect(await tokenWith(variables({ AWS_SESSION_TOKEN: 'of a session' }))).toBe('of a session')
  })

  test('of the role of the container', async () => {
    let role = {}
    const server = createServer((_, response) => response.end(JSON.stringify(role)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number } // it listens
    try {
      const token = await tokenWith((keys) => {
        const Expiration = new Date(systemClock.now() + 3_600_000).toISOString()
        role = { AccessKeyId: keys.accessKeyId, SecretAccessKey: keys.secretAccessKey, Token: 'of a role', Expiration }
        return { AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${port}/role` }
      })
      expect(token).toBe('of a role')
    } finally {
      server.close()
      server.closeAllConnections()
    }
  })
})

test.each([
  [{ endpoint: 'storage:9000' }, /http/],
  [{ endpoint: 'ftp://storage' }, /http/],
  [{ endpoint: 'http://user:password@storage' }, /more than a host/],
  [{ bucket: 'a/b' }, /not a name of a bucket/],
  [{ region: '' }, /region is empty/],
  [{ prefix: 'a' }, /a\/b\//],
  [{ prefix: '/a/' }, /a\/b\//],
  [{ prefix: 'a/../' }, /a\/b\//],
  [{ prefix: `${'p'.repeat(100)}/` }, /longer than 100/],
  [{ caFile: '/nowhere/ca.pem' }, /\/nowhere\/ca.pem/],
])('the settings %j are refused', async (wrong, message) => {
  await expect(
    openS3ObjectStorage({ endpoint: 'http://localhost:1', region: 'r', bucket: 'bucket', ...wrong }),
  ).rejects.toMatchObject({ code: 'object_storage_config', message: expect.stringMatching(message) })
})

function flipped(data: Buffer, at: number): Buffer {
  data[at] = data[at]! ^ 1
  return data
}
