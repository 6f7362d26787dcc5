import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { Engine } from './engine.ts'
import { StartTurns } from './start-turns.ts'

const versionAnswer = { ApiVersion: '1.41', MinAPIVersion: '1.12', Version: '20.10.24', Arch: 'amd64', Os: 'linux' }
const never = new AbortController().signal

/** No turn ends by time alone. */
const stoppedClock: Clock = {
  ...systemClock,
  sleep: (_ms, signal) =>
    new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason), { once: true })),
}

/** Turns at an engine of which only the wire is real: it tells that containers are in their network when it is told to. */
async function aStart(options: { readonly clock?: Clock; readonly hasEvents?: boolean } = {}) {
  const { clock = stoppedClock, hasEvents = true } = options
  const listener = Promise.withResolvers<ServerResponse>()
  const unheard = Promise.withResolvers<void>()
  const server = createServer((request, response) => {
    if (request.url === '/version') return void response.end(JSON.stringify(versionAnswer))
    if (!hasEvents) return void response.writeHead(404).end()
    response.writeHead(200).flushHeaders()
    response.once('close', () => unheard.resolve())
    listener.resolve(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const engine = await Engine.open({ address: { kind: 'tcp', host: '127.0.0.1', port }, clock: systemClock })
  const turns = new StartTurns({ engine, clock, logger: silentLogger })
  const begun: string[] = []
  return {
    begun,
    /** Resolves when the engine is listened to no longer. */
    unheard: unheard.promise,
    take: async (container: string, signal = never) => {
      const turn = await turns.take(container, signal)
      begun.push(container)
      return turn
    },
    connected: async (container: string) => {
      const event = { Type: 'network', Action: 'connect', Actor: { Attributes: { container } } }
      ;(await listener.promise).write(`${JSON.stringify(event)}\n`)
    },
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('a container is started when the one before it is in its network, in the order in which they came', async () => {
  await using start = await aStart()
  await start.take('a')
  const second = start.take('b')
  const third = start.take('c')
  await start.connected('somebody else')
  await start.connected('a')
  await second
  expect(start.begun).toEqual(['a', 'b'])
  await start.connected('b')
  await third
  expect(start.begun).toEqual(['a', 'b', 'c'])
})

test('the engine is listened to only while somebody waits', async () => {
  await using start = await aStart()
  await start.take('a')
  const second = start.take('b')
  await start.connected('a')
  await second
  await start.unheard
})

test('a start that is over lets the next one begin, and ends no other turn when it is over twice', async () => {
  await using start = await aStart()
  const first = await start.take('a')
  const second = start.take('b')
  const third = start.take('c')
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  const turn = await second
  expect(start.begun).toEqual(['a', 'b'])
  turn[Symbol.dispose]()
  await third
})

test('with an engine that tells nothing the next one begins after a while', async () => {
  await using start = await aStart({ clock: systemClock, hasEvents: false })
  await start.take('a')
  await start.take('b')
  await start.take('c')
})

test('who waits and is stopped starts nothing, and holds up nobody', async () => {
  await using start = await aStart()
  const stop = new AbortController()
  const first = await start.take('a')
  const second = start.take('b', stop.signal)
  const third = start.take('c')
  stop.abort(new Error('stopped'))
  await expect(second).rejects.toThrow('stopped')
  first[Symbol.dispose]()
  await third
  expect(start.begun).toEqual(['a', 'c'])
  await expect(start.take('d', stop.signal)).rejects.toThrow('stopped')
})
