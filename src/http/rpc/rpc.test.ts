import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { silentLogger } from '../../lib/log.ts'
import { currentRequestId } from '../../lib/request-id.ts'
import { until } from '../../lib/until-fixture.ts'
import { openHttpServer } from '../http-server.ts'
import { type RpcMethods, type RpcProtocol, rpcProtocol } from './rpc.ts'
import { createRpcClient } from './rpc-client.ts'
import { serveRpc } from './rpc-server.ts'

type Input = { readonly names: readonly string[]; readonly note?: string }
type Context = { readonly transactionId?: string; readonly signal?: AbortSignal }

interface Sample {
  greet(input: Input, context: Context): Promise<string | undefined>
  nothing(optional?: string): Promise<void>
  fail(code: 'run_not_found' | 'invariant' | 'none'): Promise<never>
  sleep(signal: AbortSignal): Promise<void>
  count(to: number, signal: AbortSignal): AsyncIterable<{ readonly n: number }>
  read(size: number, failAfter?: number): AsyncIterable<Uint8Array>
  hidden(): Promise<void>
}

const methods: RpcMethods<Sample> = {
  greet: 'call',
  nothing: 'call',
  fail: 'call',
  sleep: 'call',
  count: 'stream',
  read: 'bytes',
}

const token = 'x'.repeat(32)
const prefix = '/internal/sample'

type SampleOptions = { readonly methods?: RpcMethods<Sample>; readonly protocol?: RpcProtocol }

async function openSample({ methods: served = methods, protocol = rpcProtocol }: SampleOptions = {}) {
  const seen = { args: [] as unknown[], requestIds: [] as unknown[], asleep: 0, aborted: 0, closed: 0 }
  const target: Sample = {
    greet: async (input, context) => {
      seen.args.push([input, Object.keys(context)])
      seen.requestIds.push(currentRequestId())
      return `hello ${input.names.join(' and ')}`
    },
    nothing: async (optional) => void seen.args.push(optional),
    fail: (code) =>
      Promise.reject(code === 'none' ? new Error('internals') : new SlipwayError(code, `message of ${code}`)),
    sleep: async (signal) => {
      seen.asleep++
      signal.addEventListener('abort', () => seen.aborted++)
      await systemClock.sleep(60_000, signal)
    },
    async *count(to, signal) {
      try {
        for (let n = 0; n < to; n++) {
          signal.throwIfAborted()
          if (n === 1000) throw new SlipwayError('run_not_found', 'too far')
          yield { n }
        }
      } finally {
        seen.closed++
      }
    },
    async *read(size, failAfter) {
      for (let sent = 0; sent < size; sent += 1000) {
        if (failAfter !== undefined && sent >= failAfter) throw new SlipwayError('log_corrupt', 'a frame is damaged')
        yield Buffer.alloc(Math.min(1000, size - sent), sent / 1000)
      }
    },
    hidden: async () => {},
  }
  const server = await openHttpServer(
    { listen: { host: '127.0.0.1', port: 0 } },
    {
      logger: silentLogger,
      mount: (app) => serveRpc(app, { prefix, methods: served, token, protocol }, { target, logger: silentLogger }),
    },
  )
  const client = (urls: readonly string[] = [server.url], options: { readonly protocol?: RpcProtocol } = {}) =>
    createRpcClient<Sample>({ urls, prefix, methods, token, ...options })
  return { server, client, seen, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

test('a call carries values, absent ones and signals, and gives the result', async () => {
  await using sample = await openSample()
  await using client = sample.client()
  const context = { transactionId: 't1', signal: new AbortController().signal }
  expect(await client.greet({ names: ['ann', 'bob'] }, context)).toBe('hello ann and bob')
  await client.nothing()
  await client.nothing('something')
  expect(sample.seen.args).toEqual([[{ names: ['ann', 'bob'] }, ['transactionId', 'signal']], undefined, 'something'])
})

test.each([
  ['run_not_found', 'run_not_found', 'message of run_not_found'],
  ['invariant', 'upstream', 'internal server error'],
  ['none', 'upstream', 'internal server error'],
] as const)('an error %s arrives as %s', async (thrown, code, message) => {
  await using sample = await openSample()
  await using client = sample.client()
  await expect(client.fail(thrown)).rejects.toMatchObject({ code, message })
})

test('the id of a request travels with all calls that are made for it', async () => {
  await using sample = await openSample()
  await using client = sample.client()
  await using front = await openHttpServer(
    { listen: { host: '127.0.0.1', port: 0 } },
    {
      logger: silentLogger,
      mount: (app) => {
        app.post('/greet', async ({ body }) => [currentRequestId(), await client.greet(body as Input, {})])
      },
    },
  )
  const id = '0198a000-0000-7000-8000-00000000000a'
  const ask = async (given: string) => {
    const headers = { 'content-type': 'application/json', 'x-request-id': given }
    const response = await fetch(`${front.url}/greet`, { method: 'POST', headers, body: '{"names":["ann"]}' })
    expect(await response.json()).toEqual([response.headers.get('x-request-id'), 'hello ann'])
    expect(sample.seen.requestIds.at(-1)).toBe(response.headers.get('x-request-id'))
    return response.headers.get('x-request-id')
  }
  expect(await ask(id)).toBe(id)
  expect(await ask('<b>anything</b>')).toMatch(/^[0-9a-f-]{36}$/)
  expect(currentRequestId()).toBeUndefined()
})

test('only named methods can be called, and only with the token', async () => {
  await using sample = await openSample()
  await using client = sample.client()
  expect((client as Partial<Sample>).hidden).toBeUndefined()
  const call = (method: string, shown: string) =>
    fetch(`${sample.server.url}${prefix}/${method}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${shown}`, 'content-type': 'application/json' },
      body: '{"args":[]}',
    })
  expect((await call('hidden', token)).status).toBe(404)
  expect((await call('nothing', 'y'.repeat(32))).status).toBe(401)
  expect((await call('nothing', '')).status).toBe(401)
  expect((await call('nothing', token)).status).toBe(200)
})

test('a caller that gives up aborts the signal on the other side', async () => {
  await using sample = await openSample()
  await using client = sample.client()
  const giveUp = new AbortController()
  const call = client.sleep(giveUp.signal)
  await until(() => sample.seen.asleep === 1)
  giveUp.abort(new SlipwayError('cancelled', 'enough'))
  await expect(call).rejects.toMatchObject({ code: 'cancelled' })
  await expect.poll(() => sample.seen.aborted).toBe(1)
})

test('a stream gives every item in order, and its error at the place where it happened', async () => {
  await using sample = await openSample()
  await using client = sample.client()
  const signal = new AbortController().signal
  expect(await Array.fromAsync(client.count(3, signal))).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }])
  const seen: number[] = []
  const all = async () => {
    for await (const { n } of client.count(2000, signal)) seen.push(n)
  }
  await expect(all()).rejects.toMatchObject({ code: 'run_not_found', message: 'too far' })
  expect(seen.length).toBe(1000)
})

test('a reader that leaves early closes the stream on the other side', async () => {
  await using sample = await openSample()
  await using client = sample.client()
  for await (const { n } of client.count(1e9, new AbortController().signal)) if (n === 10) break
  await expect.poll(() => sample.seen.closed).toBe(1)
})

test('bytes arrive as they are; a failure on the way is never a short end', async () => {
  await using sample = await openSample()
  await using client = sample.client()
  const all = Buffer.concat(await Array.fromAsync(client.read(5500)))
  expect(all.length).toBe(5500)
  expect(all[5400]).toBe(5)
  await expect(Array.fromAsync(client.read(5500, 3000))).rejects.toMatchObject({ code: 'service_unavailable' })
  await expect(Array.fromAsync(client.read(5500, 0))).rejects.toMatchObject({ code: 'upstream' })
})

test('an instance that is gone is passed over, and none at all is service_unavailable', async () => {
  await using sample = await openSample()
  const gone = await openSample()
  const goneUrl = gone.server.url
  await gone.server[Symbol.asyncDispose]()
  await using client = sample.client([goneUrl, sample.server.url])
  expect(await client.greet({ names: ['ann'] }, {})).toBe('hello ann')
  await using lost = sample.client([goneUrl])
  await expect(lost.greet({ names: [] }, {})).rejects.toMatchObject({ code: 'service_unavailable' })
})

test('an instance that does not accept in time is passed over', { timeout: 20_000 }, async () => {
  await using sample = await openSample()
  await using frozen = await openFrozenListener()
  await using client = sample.client([frozen.url, sample.server.url])
  const begun = Date.now()
  expect(await client.greet({ names: ['ann'] }, {})).toBe('hello ann')
  expect(Date.now() - begun).toBeGreaterThanOrEqual(limits.rpcConnectMs.value - 100)
})

/** A process that listens, is stopped, and whose queue of connections is full: the system takes no further one. */
async function openFrozenListener() {
  const program = `require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () {
    console.log(this.address().port)
  })`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [port] = (await once(child.stdout, 'data')) as [Buffer]
  child.kill('SIGSTOP')
  const fillers = Array.from({ length: 8 }, () => connect(Number(port), '127.0.0.1').on('error', () => {}))
  await systemClock.sleep(100)
  return {
    url: `http://127.0.0.1:${Number(port)}`,
    [Symbol.asyncDispose]: async () => {
      for (const filler of fillers) filler.destroy()
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

test('an answer that is lost is outcome_unknown, not tried again', async () => {
  let connections = 0
  const broken = createServer((socket) => {
    connections++
    socket.once('data', () => socket.destroy())
  })
  await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve))
  await using sample = await openSample()
  const url = `http://127.0.0.1:${(broken.address() as AddressInfo).port}`
  await using client = sample.client([url, sample.server.url])
  await expect(client.greet({ names: [] }, {})).rejects.toMatchObject({ code: 'outcome_unknown' })
  expect([connections, sample.seen.args.length]).toEqual([1, 0])
  broken.close()
})

test('an answer that is cut in its middle is outcome_unknown', async () => {
  const cut = createServer((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"result":', () => socket.destroy())
    })
  })
  await new Promise<void>((resolve) => cut.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(cut.address() as AddressInfo).port}`
  await using client = createRpcClient<Sample>({ urls: [url], prefix, methods, token })
  await expect(client.greet({ names: [] }, {})).rejects.toMatchObject({ code: 'outcome_unknown' })
  cut.close()
})

test.each([
  ['an older one that is understood', { speaks: 2, oldest: 1 }, { speaks: 1, oldest: 1 }],
  ['a newer one that understands', { speaks: 2, oldest: 1 }, { speaks: 3, oldest: 2 }],
  ['the same', { speaks: 2, oldest: 2 }, { speaks: 2, oldest: 2 }],
] as const)('a caller of %s is served', async (_, protocol, asking) => {
  await using sample = await openSample({ protocol })
  await using client = sample.client([sample.server.url], { protocol: asking })
  expect(await client.greet({ names: ['ann'] }, {})).toBe('hello ann')
})

test.each([
  ['too old', { speaks: 3, oldest: 2 }, { speaks: 1, oldest: 1 }, /the caller is too old: .*; upgrade it/],
  ['too new', { speaks: 1, oldest: 1 }, { speaks: 3, oldest: 2 }, /this service is older than its caller understands/],
] as const)('a caller that is %s is told so before anything is done', async (_, protocol, asking, message) => {
  await using sample = await openSample({ protocol })
  await using client = sample.client([sample.server.url], { protocol: asking })
  const expected = { code: 'protocol_unsupported', message: expect.stringMatching(message) }
  await expect(client.nothing()).rejects.toMatchObject(expected)
  await expect(Array.fromAsync(client.count(1, new AbortController().signal))).rejects.toMatchObject(expected)
  expect(sample.seen.args).toEqual([])
})

test('a caller of before protocols had numbers speaks the first one', async () => {
  await using sample = await openSample({ protocol: { speaks: 2, oldest: 1 } })
  await using newer = await openSample({ protocol: { speaks: 2, oldest: 2 } })
  const call = (url: string) =>
    fetch(`${url}${prefix}/nothing`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: '{"args":[]}',
    })
  const served = await call(sample.server.url)
  expect([served.status, served.headers.get('slipway-protocol')]).toEqual([200, '2 1'])
  expect((await call(newer.server.url)).status).toBe(503)
})

test('while instances are upgraded a call goes to one that understands it', async () => {
  await using older = await openSample({ methods: { greet: 'call' } })
  await using newer = await openSample()
  await using client = newer.client([older.server.url, newer.server.url])
  await client.nothing('new')
  expect(await client.greet({ names: ['ann'] }, {})).toBe('hello ann')
  await using alone = newer.client([older.server.url])
  await expect(alone.nothing()).rejects.toMatchObject({
    code: 'protocol_unsupported',
    message: expect.stringContaining('it does not know the call'),
  })
})

test('members that a side does not know are ignored', async () => {
  await using sample = await openSample()
  const response = await fetch(`${sample.server.url}${prefix}/greet`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'slipway-protocol': '1 1' },
    body: JSON.stringify({ args: [{ names: ['ann'], future: 1 }, { future: 2 }, 'a third one'], future: 3 }),
  })
  expect(await response.json()).toEqual({ result: 'hello ann' })
})

test('a call that carries too much is refused', async () => {
  await using sample = await openSample()
  const response = await fetch(`${sample.server.url}${prefix}/nothing`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ args: ['x'.repeat(limits.rpcBodyBytes.value)] }),
  })
  expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([413, 'request_too_large'])
})
