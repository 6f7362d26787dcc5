// Reads of the API: how many a second one server process answers, what a read costs it, and how long one takes at half of the
// rate that is asked for. Load generator and server are processes of their own, with a core each.

import { Answering } from './answering.ts'
import type { ApiServerHello, ApiServerUse } from './api-server.ts'
import { cores, pin, pinSelf } from './cores.ts'
import { type Figure, figure } from './figure.ts'
import { getRequest, type LoadResult, load } from './http-load.ts'

const connections = 32
const rounds = 11
const secondsPerRound = 1
const wantedPerSecond = 3000
const latencySeconds = 8

export async function run(): Promise<Figure[]> {
  using _ = pinSelf(cores.load)
  await using server = await Answering.start<ApiServerHello>('api-server.ts')
  pin(server.pid, cores.server)
  const { port, token, projectId, runIds } = server.hello
  const ask = (path: string) => getRequest(`/api/v1${path}`, { authorization: `Bearer ${token}` })
  return [
    ...(await measure('list of 25 runs', { server, port, requests: [ask(`/projects/${projectId}/runs?limit=25`)] })),
    ...(await measure('one run of ten tasks', {
      server,
      port,
      requests: runIds.slice(-200).map((id) => ask(`/runs/${id}`)),
    })),
  ]
}

type Asked = { readonly server: Answering<unknown>; readonly port: number; readonly requests: readonly string[] }

async function measure(what: string, { server, port, requests }: Asked): Promise<Figure[]> {
  // Compiled code, statements that are prepared.
  const { bodyBytes } = await load({ port, requests, connections, seconds: 3 })
  await using bare = await Answering.start<{ readonly port: number }>('floors/http-answers.ts', String(bodyBytes))
  pin(bare.pid, cores.server)
  await load({ port: bare.hello.port, requests, connections, seconds: 1 })
  const ours: Round[] = []
  const floor: Round[] = []
  for (let round = 0; round < rounds; round++) {
    ours.push(await aRound(server, { port, requests }))
    floor.push(await aRound(bare, { port: bare.hello.port, requests }))
  }
  const pick = (name: keyof Round) => ({
    samples: ours.map((round) => round[name]),
    floor: floor.map((round) => round[name]),
  })
  const atHalf = { requests, connections, seconds: latencySeconds, perSecond: wantedPerSecond / 2 }
  return [
    figure({ name: `API: ${what}`, unit: '1/s', ...pick('perSecond') }, { of: 'value', least: wantedPerSecond }),
    figure(
      { name: `API: ${what}, processor time of the server`, unit: 'ms', ...pick('cpuMs') },
      { of: 'value', most: 1000 / wantedPerSecond },
    ),
    figure(
      {
        name: `API: ${what}, 99th percentile at ${wantedPerSecond / 2} a second`,
        unit: 'ms',
        samples: [p99(await load({ port, ...atHalf }))],
        floor: [p99(await load({ port: bare.hello.port, ...atHalf }))],
      },
      { of: 'value', most: 20 },
    ),
  ]
}

type Round = { readonly perSecond: number; readonly cpuMs: number }

async function aRound(
  server: Answering<unknown>,
  { port, requests }: { readonly port: number; readonly requests: readonly string[] },
): Promise<Round> {
  const before = await server.ask<ApiServerUse>()
  const { perSecond, latencies } = await load({ port, requests, connections, seconds: secondsPerRound })
  const after = await server.ask<ApiServerUse>()
  return { perSecond, cpuMs: (after.cpuMs - before.cpuMs) / latencies.length }
}

function p99({ latencies }: LoadResult): number {
  return latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length * 0.99)] ?? Number.POSITIVE_INFINITY
}
