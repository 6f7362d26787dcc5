import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { Engine, negotiate } from './engine.ts'
import { engineAddresses, parseEngineHost } from './engine-address.ts'
import { testCertificate, testKey } from './engine-tls-fixture.ts'
import { Demultiplexer } from './hijacked-stream.ts'
import { makeTestImage } from './test-image.ts'

const versionAnswer = { ApiVersion: '1.41', MinAPIVersion: '1.12', Version: '20.10.24', Arch: 'amd64', Os: 'linux' }

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** An engine of which only the wire is real. */
async function anEngine(handle: Handler): Promise<{ engine: Engine } & AsyncDisposable> {
  const server = createServer((request, response) => {
    if (request.url === '/version') response.end(JSON.stringify(versionAnswer))
    else handle(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const engine = await Engine.open({ address: { kind: 'tcp', host: '127.0.0.1', port }, clock: systemClock })
  return {
    engine,
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test.each([
  ['1.41', '1.12', '1.41'], // Docker 20.10, Podman
  ['1.52', '1.44', '1.52'], // Docker 29
  ['1.70', '1.44', '1.52'], // newer than this client
] as const)('an engine that speaks %s down to %s is spoken to in %s', (newest, oldest, chosen) => {
  expect(negotiate({ ...versionAnswer, ApiVersion: newest, MinAPIVersion: oldest }).api).toBe(chosen)
})

test.each([
  ['1.30', '1.12'],
  ['1.90', '1.60'],
] as const)('an engine that speaks only %s down to %s is refused with both ranges', (newest, oldest) => {
  expect(() => negotiate({ ...versionAnswer, ApiVersion: newest, MinAPIVersion: oldest })).toThrow(
    `speaks API ${oldest} to ${newest}, Slipway 1.41 to 1.52`,
  )
})

test('what is not an engine is said to be none', async () => {
  expect(() => negotiate({})).toThrow('not a Docker engine')
})

test.each([
  ['unix:///run/x.sock', { kind: 'unix', path: '/run/x.sock' }],
  ['/run/x.sock', { kind: 'unix', path: '/run/x.sock' }],
  ['tcp://10.0.0.1:1234', { kind: 'tcp', host: '10.0.0.1', port: 1234 }],
  ['tcp://engine', { kind: 'tcp', host: 'engine', port: 2375 }],
  ['tcp://[::1]:99', { kind: 'tcp', host: '::1', port: 99 }],
  ['https://engine', { kind: 'tcp', host: 'engine', port: 2376, tls: { verify: true } }],
])('the host %s is understood', (host, address) => {
  expect(parseEngineHost(host, {})).toEqual(address)
})

test.each(['ssh://me@there', 'npipe:////./pipe/docker_engine', 'nonsense'])('the host %s is refused', (host) => {
  expect(() => parseEngineHost(host, {})).toThrow('is not supported')
})

test('DOCKER_HOST is asked alone, an argument goes before it', () => {
  const environment = { DOCKER_HOST: 'unix:///a' }
  expect(engineAddresses(undefined, environment)).toEqual([{ kind: 'unix', path: '/a' }])
  expect(engineAddresses('unix:///b', environment)).toEqual([{ kind: 'unix', path: '/b' }])
})

test('missing certificates are named', () => {
  expect(() => parseEngineHost('tcp://engine', { DOCKER_CERT_PATH: '/no/such', DOCKER_TLS_VERIFY: '1' })).toThrow(
    'DOCKER_CERT_PATH',
  )
})

test('the text of an error answer reaches the caller with its status', async () => {
  await using it = await anEngine((_, response) => {
    response.writeHead(409)
    response.end('{"message":"the name is in use"}')
  })
  await expect(it.engine.call({ method: 'POST', path: '/containers/create' })).rejects.toMatchObject({
    name: 'EngineError',
    status: 409,
    message: 'the name is in use',
  })
})

test('an error answer that is no JSON is passed on as it is', async () => {
  await using it = await anEngine((_, response) => {
    response.writeHead(502)
    response.end('bad gateway')
  })
  await expect(it.engine.call({ method: 'GET', path: '/info' })).rejects.toMatchObject({ message: 'bad gateway' })
})

test('calls go to the negotiated version over a kept connection', async () => {
  const seen: { url: string | undefined; port: number | undefined }[] = []
  await using it = await anEngine((request, response) => {
    seen.push({ url: request.url, port: request.socket.remotePort })
    response.end('{"a":1}')
  })
  expect(await it.engine.call({ method: 'GET', path: '/a', query: { x: 'y z', z: undefined } })).toEqual({ a: 1 })
  await it.engine.call({ method: 'DELETE', path: '/b' })
  expect(seen.map(({ url }) => url)).toEqual(['/v1.41/a?x=y+z', '/v1.41/b'])
  expect(seen[0]!.port).toBe(seen[1]!.port)
})

test('a kept connection that the engine has closed is replaced without the caller noticing', async () => {
  let calls = 0
  await using it = await anEngine((request, response) => {
    calls++
    if (calls === 2) request.socket.destroy()
    else response.end('{}')
  })
  await it.engine.call({ method: 'GET', path: '/a' })
  expect(await it.engine.call({ method: 'GET', path: '/b' })).toEqual({})
  expect(calls).toBe(3)
})

test('an engine that does not answer in time is unavailable', async () => {
  await using it = await anEngine(() => {})
  await expect(it.engine.call({ method: 'GET', path: '/a', timeoutMs: 30 })).rejects.toMatchObject({
    code: 'driver_unavailable',
    message: expect.stringContaining('no answer within 0.03 s'),
  })
})

test.each([
  ['verified, with the client’s certificate', { DOCKER_TLS_VERIFY: '1' }, undefined],
  ['not verified', {}, undefined],
  ['verified, but signed by nobody known', { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: undefined }, 'self-signed'],
])('an engine over TLS that is %s', async (_, variables, refusal) => {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-tls-'))
  for (const [name, text] of Object.entries({ ca: testCertificate, cert: testCertificate, key: testKey }))
    writeFileSync(join(dir, `${name}.pem`), text)
  const server = createTlsServer(
    { key: testKey, cert: testCertificate, ca: testCertificate, requestCert: true, rejectUnauthorized: true },
    (request, response) => response.end(JSON.stringify({ ...versionAnswer, Os: request.headers.host })),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    const address = parseEngineHost(`tcp://${host}`, { DOCKER_CERT_PATH: dir, ...variables })
    const opened = Engine.open({ address, clock: systemClock })
    if (refusal === undefined) {
      await using engine = await opened
      expect(engine.version.os).toBe(host)
    } else
      await expect(opened).rejects.toMatchObject({
        code: 'driver_unavailable',
        message: expect.stringContaining(refusal),
      })
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    rmSync(dir, { recursive: true })
  }
})

test('an aborted call rejects with the reason', async () => {
  await using it = await anEngine(() => {})
  const abort = new AbortController()
  const call = it.engine.call({ method: 'GET', path: '/a', signal: abort.signal })
  abort.abort(new Error('enough'))
  await expect(call).rejects.toThrow('enough')
})

test('JSON lines arrive one by one, however they are cut', async () => {
  await using it = await anEngine((_, response) => {
    response.write('{"a":1}\r\n{"b"')
    response.end(':"ä"}\n\n{"c":3}')
  })
  const lines: unknown[] = []
  for await (const line of it.engine.lines({ method: 'POST', path: '/images/create' })) lines.push(line)
  expect(lines).toEqual([{ a: 1 }, { b: 'ä' }, { c: 3 }])
})

test('an upload whose source fails is an error, not a truncated upload', async () => {
  const ends: string[] = []
  await using it = await anEngine((request, response) => {
    request.on('error', () => ends.push('cut'))
    request.on('end', () => {
      ends.push('complete')
      response.end('{}')
    })
    request.resume()
  })
  const data = (async function* () {
    yield Buffer.from('half')
    throw new Error('the disk is gone')
  })()
  await expect(it.engine.call({ method: 'PUT', path: '/containers/x/archive', data })).rejects.toThrow(
    'the disk is gone',
  )
  expect(ends).not.toContain('complete')
})

test('nobody at the address is said with the address', async () => {
  const open = Engine.open({ address: { kind: 'unix', path: '/no/such.sock' }, clock: systemClock })
  await expect(open).rejects.toMatchObject({
    code: 'driver_unavailable',
    message: expect.stringContaining('/no/such.sock: there is no such socket'),
  })
})

test('the multiplexed form is taken apart wherever it is cut', () => {
  const frame = (stream: number, text: string) => {
    const header = Buffer.alloc(8)
    header[0] = stream
    header.writeUInt32BE(text.length, 4)
    return Buffer.concat([header, Buffer.from(text)])
  }
  const bytes = Buffer.concat([frame(1, 'hello'), frame(2, 'oh'), frame(1, ''), frame(1, ' world')])
  for (let size = 1; size <= bytes.length; size++) {
    const demultiplexer = new Demultiplexer()
    const texts = { stdout: '', stderr: '' }
    for (let at = 0; at < bytes.length; at += size)
      for (const { stream, data } of demultiplexer.push(bytes.subarray(at, at + size))) texts[stream] += data
    expect(texts).toEqual({ stdout: 'hello world', stderr: 'oh' })
  }
})

test('an exec of a real engine streams both ways', async () => {
  await using engine = await Engine.open({
    address: { kind: 'unix', path: '/var/run/docker.sock' },
    clock: systemClock,
  })
  const image = await makeTestImage(engine)
  const { Id: id } = (await engine.call({
    method: 'POST',
    path: '/containers/create',
    body: { Image: image, Cmd: ['sleep', '60'], HostConfig: { Init: true, NetworkMode: 'none' } },
  })) as { Id: string }
  try {
    await engine.call({ method: 'POST', path: `/containers/${id}/start` })
    const { Id: exec } = (await engine.call({
      method: 'POST',
      path: `/containers/${id}/exec`,
      body: {
        Cmd: ['sh', '-c', 'head -c 3000000; echo trouble >&2'],
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
      },
    })) as { Id: string }
    await using stream = await engine.hijack({ method: 'POST', path: `/exec/${exec}/start`, body: { Detach: false } })
    const writing = (async () => {
      for (let i = 0; i < 30; i++) await stream.write(Buffer.alloc(100_000, 'x'))
    })()
    let length = 0
    for await (const chunk of stream.stdout()) length += chunk.length
    await writing
    expect(length).toBe(3_000_000)
    expect(stream.stderr).toBe('trouble')
  } finally {
    await engine.call({ method: 'DELETE', path: `/containers/${id}`, query: { force: '1', v: '1' } })
  }
})
