import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { until } from '../../../lib/until-fixture.ts'
import { Engine } from './engine.ts'
import { StartTurns } from './start-turns.ts'

const versionAnswer = { ApiVersion: '1.41', MinAPIVersion: '1.12', Version: '20.10.24', Arch: 'amd64', Os: 'linux' }
const never = new AbortController().signal

/** Turns at an engine of which only the wire is real. Time passes when the test says so. */
async function aStart(info: object | 'no answer' = { NCPU: 2 }) {
  const server = createServer((request, response) => {
    if (request.url === '/version') response.end(JSON.stringify(versionAnswer))
    else if (info === 'no answer') response.writeHead(500).end()
    else response.end(JSON.stringify(info))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const engine = await Engine.open({ address: { kind: 'tcp', host: '127.0.0.1', port }, clock: systemClock })
  const sleeps: { readonly ms: number; readonly wake: () => void }[] = []
  const clock: Clock = {
    ...systemClock,
    sleep: (ms, signal) =>
      new Promise((wake, reject) => {
        sleeps.push({ ms, wake })
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
      }),
  }
  const turns = new StartTurns({ engine, clock, logger: silentLogger })
  const begun: string[] = []
  return {
    begun,
    /** The length of the turn that was begun last. */
    turnMs: () => sleeps.at(-1)?.ms,
    passTime: () => sleeps.at(-1)?.wake(),
    take: async (container: string, signal = never) => {
      const turn = await turns.take(signal)
      begun.push(container)
      return turn
    },
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('containers are started one after another, in the order in which they came', async () => {
  await using start = await aStart()
  await start.take('a')
  const second = start.take('b')
  const third = start.take('c')
  start.passTime()
  await second
  expect(start.begun).toEqual(['a', 'b'])
  start.passTime()
  await third
  expect(start.begun).toEqual(['a', 'b', 'c'])
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

test.each<[object | 'no answer', number]>([
  [{ NCPU: 1 }, 50],
  [{ NCPU: 2 }, 50],
  [{ NCPU: 4 }, 25],
  [{ NCPU: 64 }, 10],
  [{}, 50],
  ['no answer', 50],
])('at an engine that says %j a turn takes %d ms', async (info, expected) => {
  await using start = await aStart(info)
  await until(async () => {
    const first = await start.take('a')
    const second = start.take('b')
    first[Symbol.dispose]()
    const turn = await second
    const isExpected = start.turnMs() === expected
    turn[Symbol.dispose]()
    return isExpected
  })
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
