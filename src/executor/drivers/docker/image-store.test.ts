import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { Engine } from './engine.ts'
import { type ImageRequest, ImageStore } from './image-store.ts'
import { PullProgress } from './pull-progress.ts'
import { makeTestImage } from './test-image.ts'
import { openTestRegistry } from './test-registry.ts'

let engine: Engine
const pulled: string[] = []

beforeAll(async () => {
  engine = await Engine.open({ address: { kind: 'unix', path: '/var/run/docker.sock' }, clock: systemClock })
})

afterAll(async () => {
  for (const reference of pulled)
    await engine.call({ method: 'DELETE', path: `/images/${reference}`, query: { force: '1' } }).catch(() => {})
  await engine[Symbol.asyncDispose]()
})

const credentials = { username: 'builder', password: 'open: sesame' }

async function get(reference: string, request: Partial<ImageRequest> = {}) {
  const log: string[] = []
  const store = new ImageStore(engine, systemClock)
  const image = await store.get({
    reference,
    registryAuth: {},
    pull: 'if_missing',
    log: (line) => log.push(line),
    signal: new AbortController().signal,
    ...request,
  })
  return { image, log }
}

/** A registry with an image that the engine cannot have yet. */
async function aRegistry(auth?: 'basic' | 'bearer') {
  const registry = await openTestRegistry({
    repository: 'team/app',
    image: { extra: randomBytes(400_000), user: 'builder' },
    ...(auth === undefined ? {} : { auth: { type: auth, ...credentials } }),
  })
  const reference = `${registry.host}/team/app`
  pulled.push(`${reference}:latest`)
  return { registry, reference }
}

test('a missing image is pulled, and the log has a line per change of a layer, none of them JSON', async () => {
  const { registry, reference } = await aRegistry()
  await using _ = registry
  const { image, log } = await get(reference)
  expect(image).toMatchObject({ reference, arch: 'amd64', user: 'builder' })
  expect(log[0]).toBe(`${reference}: pulling`)
  expect(log).toContainEqual(expect.stringMatching(/layer [0-9a-f]+ downloaded$/))
  expect(log).toContainEqual(expect.stringMatching(/layer [0-9a-f]+ complete$/))
  expect(log.at(-1)).toMatch(/Downloaded newer image/)
  expect(log.length).toBeLessThan(8)
  expect(log.join()).not.toMatch(/[{}]/)
})

test('an image that is there is not pulled, unless always is asked for; never does not pull', async () => {
  const { registry, reference } = await aRegistry()
  await using _ = registry
  await expect(get(reference, { pull: 'never' })).rejects.toMatchObject({ code: 'image_pull' })
  expect(registry.requests).toEqual([])
  await get(reference)
  const before = registry.requests.length
  expect((await get(reference)).log).toEqual([])
  await get(reference, { pull: 'never' })
  expect(registry.requests.length).toBe(before)
  expect((await get(reference, { pull: 'always' })).log.at(-1)).toMatch(/up to date/)
  expect(registry.requests.length).toBeGreaterThan(before)
})

test.each([
  ['basic', { type: 'basic', ...credentials }],
  ['bearer', { type: 'basic', ...credentials }],
  ['bearer', { type: 'encodedauth', auth: Buffer.from('builder:open: sesame').toString('base64') }],
] as const)('credentials reach a registry with %s authentication', async (kind, auth) => {
  const { registry, reference } = await aRegistry(kind)
  await using _ = registry
  const { image } = await get(reference, { registryAuth: { [registry.host]: auth } })
  expect(image.user).toBe('builder')
})

test.each([
  ['without credentials', {}, /no basic auth credentials|authentication required|unauthorized/],
  ['with wrong credentials', { username: 'builder', password: 'wrong' }, /unauthorized|incorrect|authentication/i],
] as const)('a private image %s fails with what the registry answered', async (_, auth, answer) => {
  const { registry, reference } = await aRegistry('bearer')
  await using __ = registry
  const registryAuth = 'username' in auth ? { [registry.host]: { type: 'basic', ...auth } as const } : {}
  const attempt = get(reference, { registryAuth })
  await expect(attempt).rejects.toMatchObject({ code: 'image_pull', message: expect.stringContaining(reference) })
  await expect(attempt).rejects.toThrow(answer)
})

test.each([
  ['repository', (host: string) => `${host}/team/other`],
  ['tag', (host: string) => `${host}/team/app:missing`],
] as const)('a missing %s fails with what the registry answered', async (_, reference) => {
  const { registry } = await aRegistry()
  await using __ = registry
  const attempt = get(reference(registry.host))
  await expect(attempt).rejects.toMatchObject({ code: 'image_pull' })
  await expect(attempt).rejects.toThrow(/manifest unknown|name unknown/)
})

test('a registry that nobody runs fails with the connection’s error', async () => {
  await expect(get('127.0.0.1:9/app')).rejects.toMatchObject({
    code: 'image_pull',
    message: expect.stringContaining('refused'),
  })
})

test('a malformed reference is refused by name', async () => {
  await expect(get('Not/A/Reference!')).rejects.toMatchObject({
    code: 'image_pull',
    message: expect.stringContaining('Not/A/Reference!'),
  })
})

test('an image for another architecture is refused, naming both', async () => {
  const reference = await makeTestImage(engine, { arch: 'arm64' })
  await expect(get(reference, { arch: 'amd64', pull: 'never' })).rejects.toThrow(
    `cannot pull image ${reference}: what is on the engine is for arm64, the task wants amd64`,
  )
  expect((await get(reference, { arch: 'arm64', pull: 'never' })).image.arch).toBe('arm64')
})

test('a registry that has only another architecture is refused, naming both or with the engine’s words', async () => {
  const { registry, reference } = await aRegistry()
  await using _ = registry
  await expect(get(reference, { arch: 'arm64' })).rejects.toThrow(/amd64|arm64/)
})

test('an aborted pull rejects with the reason', async () => {
  const { registry, reference } = await aRegistry()
  await using _ = registry
  const abort = new AbortController()
  const attempt = get(reference, { signal: abort.signal, log: () => abort.abort(new Error('enough')) })
  await expect(attempt).rejects.toThrow('enough')
})

test.each(['', ':latest', '@DIGEST', ':latest@DIGEST'])(
  'an image named with %j is asked for by tag or digest',
  async (suffix) => {
    const { registry, reference } = await aRegistry()
    await using _ = registry
    const { image } = await get(reference)
    const inspected = await engine.call({ method: 'GET', path: `/images/${image.id}/json` })
    const digest = /@sha256:[0-9a-f]{64}/.exec(String((inspected as { RepoDigests: string[] }).RepoDigests))![0]
    const named = `${reference}${suffix.replace('@DIGEST', digest)}`
    expect((await get(named, { pull: 'always' })).image.id).toBe(image.id)
  },
)

test('malformed credentials are an error that does not show them', async () => {
  const { registry, reference } = await aRegistry('basic')
  await using _ = registry
  const attempt = get(reference, { registryAuth: { [registry.host]: { type: 'encodedauth', auth: 'c2VjcmV0' } } })
  await expect(attempt).rejects.toMatchObject({ code: 'setup_failed', message: expect.stringContaining(registry.host) })
  await expect(attempt).rejects.not.toThrow('c2VjcmV0')
})

test('a long download has a line every five seconds, with how much of how much', () => {
  const progress = new PullProgress('a')
  const downloading = (current: number) => ({
    status: 'Downloading',
    id: '12',
    progressDetail: { current, total: 9_000_000 },
  })
  const lines = [0, 1_000, 5_000, 6_000, 10_500].flatMap((at) => progress.push(downloading(at * 100), at))
  expect(lines).toEqual(['a: layer 12 downloading, 0.5 MB of 9.0 MB', 'a: layer 12 downloading, 1.1 MB of 9.0 MB'])
})

test('the same state of a layer is told once', () => {
  const progress = new PullProgress('a')
  const message = { status: 'Pull complete', id: randomUUID() }
  expect([...progress.push(message, 0), ...progress.push(message, 9)]).toHaveLength(1)
})
