// Webhooks of a provider: how long until the first step of their runs is started, and whether many in a short time are taken at once
// and all get their runs. The server is the installed one, provider and load generator are processes of their own.

import { createHmac, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiClient } from '../src/contract/client.ts'
import { githubFlavour } from '../test/providers/github-server.ts'
import { createHub, linkAtHub } from '../test/server/link-account.ts'
import { Answering } from './answering.ts'
import { type Figure, figure, type Measured } from './figure.ts'
import { bubblewrapEcho } from './floors/host.ts'
import { timeMs } from './interleaved.ts'
import type { ProviderHook, ProviderUse, WebhookProviderHello } from './webhook-provider.ts'
import { administrator, WholeServer } from './whole-server.ts'

const startSamples = 100
const warmUps = 5
const burst = 1000
const burstSeconds = 10
/** Deliveries of one branch are dealt with one after another. */
const branches = 20
const createdMs = 120_000

const params = { projectRef: `user/${administrator.username}/web` }

/** Needs bubblewrap and git. */
export async function run(): Promise<Figure[]> {
  return [...(await starts()), ...(await manyAtOnce())]
}

/** From the sending of a webhook to the start of the first step, with nothing else to do. */
async function starts(): Promise<Figure[]> {
  await using scene = await openScene()
  const { hook, provider, server } = scene
  await using bare = await openFloor(hook)
  const samples: number[] = []
  const floor: number[] = []
  let before = await usesOf(scene)
  for (let round = -warmUps; round < startSamples; round++) {
    if (round === 0) before = await usesOf(scene)
    const sentAt = Date.now()
    await send(hook)
    const startedAt = await firstStepStartedAt(server.client, round + warmUps + 1)
    const bareMs = await timeMs(async () => {
      await send({ ...hook, url: bare.url })
      for (const path of ['', '/contents/.slipway', '/git/blobs/x']) await fetch(`${provider.hello.url}/none${path}`)
      await bubblewrapEcho()
    })
    if (round < 0) continue
    samples.push(startedAt - sentAt)
    floor.push(bareMs)
  }
  tell('a webhook and its run of one task', startSamples, before, await usesOf(scene))
  return both('webhook sent to first step started', { samples, floor }, { p50: 150, p99: 500 })
}

/** Without an executor: what is to be known is whether webhooks are taken while runs are made of those before. */
async function manyAtOnce(): Promise<Figure[]> {
  await using scene = await openScene({ SLIPWAY_COMPONENTS: '[gateway, configstore, runservice, notification]' })
  const { hook, server } = scene
  await using bare = await openFloor(hook)
  for (let index = 0; index < warmUps; index++) await send(hook)
  await untilCreated(server.client, warmUps)
  const before = await usesOf(scene)
  const cpuMs = server.cpuMs()
  const samples = await sendAll(hook)
  const spent = (server.cpuMs() - cpuMs) / burst
  console.error(
    `bench: processor time of the server for each webhook until the last one was accepted: ${spent.toPrecision(3)} ms`,
  )
  const { ms, count } = await untilCreated(server.client, warmUps + burst)
  console.error(`bench: ${count - warmUps} runs were there ${Math.round(ms)} ms after the last webhook`)
  tell('a webhook and its waiting run', burst, before, await usesOf(scene))
  const floor = await sendAll({ ...hook, url: bare.url })
  return [
    figure(
      {
        name: `${burst} webhooks in ${burstSeconds} s, accepted, 99th percentile`,
        unit: 'ms',
        samples: [p99(samples)],
        floor: [p99(floor)],
      },
      { of: 'value', most: 50 },
    ),
    figure(
      {
        name: `${burst} webhooks in ${burstSeconds} s, runs made`,
        unit: 'runs',
        samples: [count - warmUps],
        floor: [burst],
      },
      { of: 'value', least: burst },
    ),
  ]
}

type Hook = ProviderHook & { readonly url: string }

type Scene = AsyncDisposable & {
  readonly server: WholeServer
  readonly provider: Answering<WebhookProviderHello>
  readonly hook: Hook
}

/** A project of a repository at the provider. */
async function openScene(settings: Readonly<Record<string, string>> = {}): Promise<Scene> {
  await using undo = new AsyncDisposableStack()
  const server = undo.use(await WholeServer.start(settings))
  const provider = undo.use(await Answering.start<WebhookProviderHello>('webhook-provider.ts', server.url))
  const { url, application, user } = provider.hello
  const there = { provider: { url, flavour: githubFlavour }, user }
  await createHub(server.client, there, application)
  await linkAtHub(server.url, there, administrator)
  const { items } = await server.client.call('listRemoteRepositories', { params: { remoteSourceRef: 'hub' } })
  const source = { kind: 'remotesource', remoteSourceRef: 'hub', repositoryId: items[0]!.id } as const
  const project = await server.client.call('createProject', { body: { name: 'web', source } })
  const hook = await provider.ask<ProviderHook>('hook')
  const owned = undo.move()
  return {
    server,
    provider,
    hook: { ...hook, url: `${server.url}/webhooks/${project.id}` },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function openFloor({ secret }: ProviderHook): Promise<AsyncDisposable & { readonly url: string }> {
  await using undo = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
  undo.defer(() => rmSync(folder, { recursive: true, force: true }))
  const { hello } = undo.use(await Answering.start<{ readonly port: number }>('floors/webhooks.ts', folder, secret))
  const owned = undo.move()
  return { url: `http://127.0.0.1:${hello.port}/`, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** At a steady rate, of several branches. Milliseconds from when each was due until it was accepted. */
async function sendAll(hook: Hook): Promise<number[]> {
  const payload = JSON.parse(hook.body) as Record<string, unknown>
  const ofBranches = Array.from({ length: branches }, (_, index) =>
    signed(hook, JSON.stringify({ ...payload, ref: `refs/heads/branch-${index}` })),
  )
  const begin = performance.now()
  const sending = Array.from({ length: burst }, async (_, index) => {
    const due = begin + (index * burstSeconds * 1000) / burst
    await sleep(Math.max(0, due - performance.now()))
    await send(ofBranches[index % branches]!)
    return performance.now() - due
  })
  return await Promise.all(sending)
}

function signed(hook: Hook, body: string): Hook {
  const signature = `sha256=${createHmac('sha256', hook.secret).update(body).digest('hex')}`
  return { ...hook, body, headers: { ...hook.headers, 'x-hub-signature-256': signature } }
}

const agent = new Agent({ keepAlive: true })

/** As a delivery of its own; resolves when it was accepted. */
async function send({ url, headers, body }: Hook): Promise<void> {
  const own = { ...headers, 'x-github-delivery': randomUUID(), 'content-length': String(Buffer.byteLength(body)) }
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const outgoing = request(url, { method: 'POST', agent, headers: own }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode))
    })
    outgoing.once('error', reject).end(body)
  })
  if (status !== 202) throw new Error(`a webhook was answered with ${status}`)
}

/** Of the newest run, once it is the `count`th and has ended. */
async function firstStepStartedAt(client: ApiClient, count: number): Promise<number> {
  for (const deadline = performance.now() + createdMs; performance.now() < deadline; await sleep(100)) {
    const { items } = await client.call('listProjectRuns', { params, query: { limit: 1 } })
    const [run] = items
    if (run?.number !== count || run.phase !== 'finished') continue
    if (run.result !== 'success') throw new Error(`a run ended with ${run.result}`)
    const { tasks } = await client.call('getRun', { params: { runId: run.id } })
    const { steps } = await client.call('getTask', { params: { runId: run.id, taskId: tasks[0]!.id } })
    return Date.parse(String(steps[0]!.startedAt))
  }
  throw new Error(`run ${count} did not end`)
}

/** How long that took, and how many there are then. */
async function untilCreated(
  client: ApiClient,
  wanted: number,
): Promise<{ readonly ms: number; readonly count: number }> {
  const begin = performance.now()
  for (;;) {
    const { items } = await client.call('listProjectRuns', { params, query: { limit: 1 } })
    const ms = performance.now() - begin
    if ((items[0]?.number ?? 0) >= wanted || ms > createdMs) return { ms, count: await countRuns(client) }
    await sleep(100)
  }
}

async function countRuns(client: ApiClient): Promise<number> {
  const ids = new Set<string>()
  for (let cursor: string | undefined; ; ) {
    const query = { limit: 100, ...(cursor === undefined ? {} : { cursor }) }
    const { items, nextCursor } = await client.call('listProjectRuns', { params, query })
    for (const { id } of items) ids.add(id)
    if (nextCursor === undefined) return ids.size
    cursor = nextCursor
  }
}

type Uses = {
  readonly serverMs: number
  /** By database. */
  readonly commits: ReadonlyMap<string, number>
  readonly provider: ProviderUse
}

async function usesOf({ server, provider }: Scene): Promise<Uses> {
  const metrics = await (await fetch(`${server.url}/metrics`)).text()
  const positions = metrics.matchAll(/^slipway_database_position\{database="(\w+)"\} (\d+)$/gm)
  const commits = new Map([...positions].map(([, name, position]) => [name!, Number(position)]))
  return { serverMs: server.cpuMs(), commits, provider: await provider.ask<ProviderUse>('use') }
}

/** What one costs, for people: on a machine that does other work it says more than the time. */
function tell(what: string, count: number, before: Uses, after: Uses): void {
  const each = (number: number) => Number((number / count).toPrecision(3))
  const text = (name: string, number: number) => `${each(number)} ${name}`
  const requests = Object.entries(after.provider.requests).map(([name, number]) =>
    text(name, number - (before.provider.requests[name] ?? 0)),
  )
  const commits = [...after.commits].map(([name, number]) => text(name, number - (before.commits.get(name) ?? 0)))
  const serverMs = each(after.serverMs - before.serverMs)
  const providerMs = each(after.provider.cpuMs - before.provider.cpuMs)
  console.error(
    [
      `bench: ${what}: processor time of the server ${serverMs} ms, of the provider ${providerMs} ms`,
      `commits: ${commits.join(', ')}`,
      `requests to the provider: ${requests.filter((one) => !one.startsWith('0 ')).join(', ')}`,
    ].join('\n  '),
  )
}

function both(name: string, { samples, floor }: Measured, { p50, p99: most }: { p50: number; p99: number }): Figure[] {
  return [
    figure({ name, unit: 'ms', samples, floor }, { of: 'value', most: p50 }),
    figure(
      { name: `${name}, 99th percentile`, unit: 'ms', samples: [p99(samples)], floor: [p99(floor)] },
      { of: 'value', most },
    ),
  ]
}

function p99(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? Number.POSITIVE_INFINITY
}
