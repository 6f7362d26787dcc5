// Executors in processes of their own, over HTTP: how long until something is executed, until a line is seen, and what many
// idle executors and a long queue cost. The server has a core of its own; executors and what asks for runs share another.

import { readFileSync } from 'node:fs'
import { RemoteExecutorApi } from '../src/executor/remote/remote-api.ts'
import { systemClock } from '../src/lib/clock.ts'
import { silentLogger } from '../src/lib/log.ts'
import type { Runservice } from '../src/runservice/api.ts'
import type { ExecutorHello, Order } from '../src/runservice/executor-api.ts'
import { type Cluster, startCluster } from '../test/executors/cluster.ts'
import { cores, pin, pinSelf, processorMs } from './cores.ts'
import { type Figure, figure, type Measured } from './figure.ts'
import { aRequest, runStep } from './inputs/runs.ts'
import { timeMs } from './interleaved.ts'

const startSamples = 100
const idleExecutors = 2000
const startsPerSecond = 100
const startSeconds = 60
const queueLength = 10_000
const requestsMax = 100

/** Needs bubblewrap. */
export async function run(): Promise<Figure[]> {
  using _ = pinSelf(cores.load)
  return [...(await starts()), ...(await lines()), ...(await many()), ...(await queue())]
}

async function aPinnedCluster(): Promise<Cluster> {
  const cluster = await startCluster()
  pin(cluster.servers[0]!.process.pid!, cores.server)
  return cluster
}

/** One idle executor with the host driver; a run of two tasks. */
async function starts(): Promise<Figure[]> {
  await using cluster = await aPinnedCluster()
  const { runservice } = cluster.servers[0]!
  await anExecutor(cluster, runservice)
  const created: number[] = []
  const dependent: number[] = []
  const floor: number[] = []
  for (let round = -5; round < startSamples; round++) {
    const begunAt = Date.now()
    const [run] = await runservice.createRuns([
      aRequest([{ steps: [runStep(':')] }, { steps: [runStep(':')], after: [0] }]),
    ])
    const [first, second] = (await ended(runservice, run!.id)).tasks.map(({ task }) => task)
    if (first?.status !== 'success' || second?.status !== 'success') throw new Error(JSON.stringify([first, second]))
    const bare = await timeMs(() => fetch(`${cluster.url}/healthz`).then((response) => response.text()))
    await systemClock.sleep(50) // The pod is removed, and the next one made ready.
    if (round < 0) continue
    created.push(first.steps[0]!.startedAt! - begunAt)
    dependent.push(second.startedAt! - first.endedAt!)
    floor.push(bare)
  }
  return [
    ...both(
      'run created over HTTP to its first step started, by an idle executor in another process',
      { samples: created, floor },
      30,
      100,
    ),
    figure(
      {
        name: 'task finished to dependent task started, executor in another process',
        unit: 'ms',
        samples: dependent,
        floor,
      },
      { of: 'value', most: 15 },
    ),
  ]
}

/** A step that prints the time; a follower in this process. */
async function lines(): Promise<Figure[]> {
  await using cluster = await aPinnedCluster()
  const { runservice } = cluster.servers[0]!
  await anExecutor(cluster, runservice)
  const script = 'for i in $(seq 1 400); do date +%s%N; sleep 0.02; done'
  const [run] = await runservice.createRuns([aRequest([{ steps: [runStep(script)] }])])
  const taskId = (await runservice.loadRun(run!.id))!.tasks[0]!.task.id
  const samples: number[] = []
  const floor: number[] = []
  let rest = ''
  for await (const chunk of runservice.followLog(taskId, 0, 0, new AbortController().signal)) {
    const now = performance.timeOrigin + performance.now()
    const texts = (rest + Buffer.from(chunk).toString()).split('\n')
    rest = texts.pop()!
    for (const text of texts) samples.push(now - Number(text) / 1e6)
    floor.push(await timeMs(() => fetch(`${cluster.url}/healthz`).then((response) => response.text())))
  }
  return both('log line printed to line received by a follower', { samples, floor }, 50, 300)
}

/** Idle executors, then runs of no-op tasks at a steady rate. */
async function many(): Promise<Figure[]> {
  await using cluster = await aPinnedCluster()
  const { runservice } = cluster.servers[0]!
  const pid = cluster.servers[0]!.process.pid!
  const seen = new Map<string, number>()
  await using crowd = new AsyncDisposableStack()
  await connectNoOps(cluster, runservice, crowd, { count: 1, taskLimit: 10, seen })
  await systemClock.sleep(2000)
  const before = residentMiB(pid)
  await connectNoOps(cluster, runservice, crowd, { count: idleExecutors, taskLimit: 10, seen })
  await systemClock.sleep(20_000)
  const more = residentMiB(pid) - before
  const usedBefore = processorMs(pid)
  const latencies = await startRate(runservice, seen)
  const perStart = (processorMs(pid) - usedBefore) / latencies.length
  const third = Math.floor(latencies.length / 3)
  return [
    figure(
      { name: `memory of ${idleExecutors} idle executors`, unit: 'MiB', samples: [more], floor: [before] },
      { of: 'value', most: 150 },
    ),
    figure(
      {
        name: `${startsPerSecond} task starts a second for ${startSeconds} s, the last third against the first`,
        unit: 'ms',
        samples: latencies.slice(-third),
        floor: latencies.slice(0, third),
      },
      { of: 'ratio', most: 1.3 },
    ),
    figure(
      {
        name: `a task start at ${startsPerSecond} a second, processor time of the server`,
        unit: 'ms',
        samples: [perStart],
        floor: [1000 / startsPerSecond],
      },
      // Half of a core leaves room for people.
      { of: 'ratio', most: 0.5 },
    ),
  ]
}

/** Milliseconds from the request to the order at an executor, in the order of the requests. */
async function startRate(runservice: Runservice, seen: ReadonlyMap<string, number>): Promise<number[]> {
  const asked: { readonly taskId: string; readonly at: number }[] = []
  const working = new Set<Promise<unknown>>()
  const begin = performance.now()
  for (let index = 0; index < startsPerSecond * startSeconds; index++) {
    const wait = begin + (index * 1000) / startsPerSecond - performance.now()
    if (wait > 1) await systemClock.sleep(wait)
    const request = aRequest([{ steps: [runStep(':')] }])
    asked.push({ taskId: request.tasks![0]!.id, at: performance.now() })
    const creating: Promise<unknown> = runservice.createRuns([request]).finally(() => working.delete(creating))
    working.add(creating)
    // Who cannot keep up is late, and the latency shows it.
    if (working.size >= requestsMax) await Promise.race(working)
  }
  await Promise.all(working)
  for (
    const deadline = performance.now() + 60_000;
    asked.some(({ taskId }) => !seen.has(taskId));
    await systemClock.sleep(50)
  )
    if (performance.now() > deadline) throw new Error('tasks were not started')
  return asked.map(({ taskId, at }) => seen.get(taskId)! - at)
}

/** Starts of tasks while many wait, and while few are left. */
async function queue(): Promise<Figure[]> {
  await using cluster = await aPinnedCluster()
  const { runservice } = cluster.servers[0]!
  const seen = new Map<string, number>()
  for (let index = 0; index < queueLength / 100; index++)
    await runservice.createRuns([aRequest(Array.from({ length: 100 }, () => ({ steps: [runStep(':')] })))])
  const usedBefore = processorMs(cluster.servers[0]!.process.pid!)
  await using crowd = new AsyncDisposableStack()
  await connectNoOps(cluster, runservice, crowd, { count: 4, taskLimit: 4, seen })
  for (const deadline = performance.now() + 300_000; seen.size < queueLength; await systemClock.sleep(100))
    if (performance.now() > deadline) throw new Error(`only ${seen.size} tasks were started`)
  const perStart = (processorMs(cluster.servers[0]!.process.pid!) - usedBefore) / queueLength
  console.error(`bench: processor time of the server per task started from the queue: ${perStart.toFixed(2)} ms`)
  const times = [...seen.values()].sort((a, b) => a - b)
  const gaps = (from: number, to: number) =>
    Array.from(
      { length: Math.floor((to - from) / 100) },
      (_, index) => (times[from + index * 100 + 99]! - times[from + index * 100]!) / 99,
    )
  return [
    figure(
      {
        name: `time per task started while ${queueLength} to ${queueLength * 0.7} wait, against the last 3,000`,
        unit: 'ms',
        samples: gaps(0, queueLength * 0.3),
        floor: gaps(queueLength * 0.7, queueLength),
      },
      { of: 'ratio', most: 1.3 },
    ),
  ]
}

/** Executors in this process that do nothing, over HTTP; `seen` notes when an order came. */
async function connectNoOps(
  cluster: Cluster,
  runservice: Runservice,
  owner: AsyncDisposableStack,
  {
    count,
    taskLimit,
    seen,
  }: { readonly count: number; readonly taskLimit: number; readonly seen: Map<string, number> },
): Promise<void> {
  const stop = new AbortController()
  owner.defer(() => stop.abort())
  const before = (await runservice.listExecutors()).length
  for (let index = 0; index < count; index++) {
    const { token, executorId } = await runservice.createExecutorToken({ name: `noop-${before}-${index}` })
    const url = `http://127.0.0.1:${cluster.servers[0]!.port}`
    const api = owner.use(new RemoteExecutorApi({ url, token }, { clock: systemClock, logger: silentLogger }))
    const hello = {
      id: executorId,
      archs: ['amd64'],
      labels: {},
      allowPrivileged: false,
      drivers: ['docker'],
      taskLimit,
      has: [],
    } as const
    void beNoOp(api, hello, stop.signal, seen)
  }
  while ((await runservice.listExecutors()).filter(({ isHeld }) => isHeld).length < before + count)
    await systemClock.sleep(1000)
}

/** Connected again when the connection breaks, as an executor is. */
async function beNoOp(
  api: RemoteExecutorApi,
  hello: ExecutorHello,
  signal: AbortSignal,
  seen: Map<string, number>,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const message of api.connect(hello, signal)) {
        if (message.kind !== 'execute' || seen.has(message.order.runTaskId)) continue
        seen.set(message.order.runTaskId, performance.now())
        reportEnd(api, message.order).catch((error: unknown) => {
          if (!signal.aborted) console.error(error)
        })
      }
    } catch {
      await systemClock.sleep(1000, signal).catch(() => undefined)
    }
  }
}

async function reportEnd(api: RemoteExecutorApi, order: Order): Promise<void> {
  const at = Date.now()
  await api.report({
    executorTaskId: order.executorTaskId,
    number: order.lastStatus + 1,
    phase: 'success',
    timedOut: false,
    setupStep: { phase: 'success', startedAt: at, endedAt: at },
    steps: order.steps.map(() => ({ phase: 'success', exitStatus: 0, startedAt: at, endedAt: at })),
    startedAt: at,
    endedAt: at,
  })
}

async function anExecutor(cluster: Cluster, runservice: Runservice): Promise<void> {
  const executor = await cluster.executor('bench', ['--tasks', '2'])
  executor.start()
  while (!(await runservice.listExecutors()).some(({ isHeld }) => isHeld)) await systemClock.sleep(50)
  await systemClock.sleep(500)
}

async function ended(runservice: Runservice, runId: string) {
  let last = await runservice.loadRun(runId)
  for await (const view of runservice.watchRun(runId, new AbortController().signal)) last = view
  return last!
}

/** Median and 99th percentile as two figures. */
function both(name: string, { samples, floor }: Measured, medianMost: number, p99Most: number): Figure[] {
  const p99 = (values: readonly number[]) => [values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? 0]
  return [
    figure({ name, unit: 'ms', samples, floor }, { of: 'value', most: medianMost }),
    figure(
      { name: `${name}, 99th percentile`, unit: 'ms', samples: p99(samples), floor: p99(floor) },
      { of: 'value', most: p99Most },
    ),
  ]
}

function residentMiB(pid: number): number {
  const [, kiB = '0'] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kiB) / 1024
}
