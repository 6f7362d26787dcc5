// A runservice on the real embedded database and a posix storage in a throw-away directory, and executors that do what a
// test says: they speak the executor protocol and execute nothing.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Coordination } from '../coordination/coordination.ts'
import type { Database } from '../datamanager/database.ts'
import { openDatabase } from '../datamanager/open-database.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { type Logger, silentLogger } from '../lib/log.ts'
import { newSealingKey, type SealingKey } from '../lib/sealing.ts'
import type { ObjectStorage } from '../objectstorage/object-storage.ts'
import { openPosixObjectStorage } from '../objectstorage/posix.ts'
import type { NewRunRequest, Runservice, RunserviceHost, RunView } from './api.ts'
import { Caches } from './archives/caches.ts'
import type {
  CloneSource,
  ExecutorApi,
  ExecutorHello,
  Order,
  OrderMessage,
  ReportAnswer,
  TaskReport,
} from './executor-api.ts'
import { encodeFrame, indexFrame } from './logs/frame.ts'
import type { CloneAccess } from './orders/make-order.ts'
import type { SecretResolver } from './orders/secret-resolver.ts'
import { type RunserviceSchema, runserviceRowTypes } from './row-types.ts'
import { aConfigTask, type TaskSpec } from './scheduler/run-fixture.ts'
import { createRunservice } from './service.ts'
import type { StepPhase } from './types.ts'

export const noSource: CloneSource = {
  url: '',
  ref: 'refs/heads/main',
  commitSha: '0'.repeat(40),
  branch: 'main',
  originUrl: '',
  mirrorKey: 'r',
  submoduleUrls: {},
}

/** Time that passes only by `pass`, from now on: files have times of the real clock. Timeouts never come. */
export function handClock(): Clock & { pass(ms: number): void } {
  let now = Date.now()
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>()
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = { at: now + ms, wake: resolve }
        sleepers.add(sleeper)
        const onAbort = () => {
          sleepers.delete(sleeper)
          reject(signal?.reason)
        }
        if (signal?.aborted) onAbort()
        else signal?.addEventListener('abort', onAbort, { once: true })
      }),
    timeout: () => new AbortController().signal,
    pass: (ms) => {
      now += ms
      for (const sleeper of sleepers) {
        if (sleeper.at > now) continue
        sleepers.delete(sleeper)
        sleeper.wake()
      }
    },
  }
}

/** Lets time pass in steps of 5 s, with turns of the event loop between them for whoever wakes. */
export async function passSlowly(clock: { pass(ms: number): void }, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 5000) {
    clock.pass(5000)
    for (let turn = 0; turn < 5; turn++) await nextTurn()
  }
}

export type Installation = AsyncDisposable & {
  readonly dir: string
  readonly database: Database<RunserviceSchema>
  readonly ost: ObjectStorage
  readonly caches: Caches
  readonly clock: ReturnType<typeof handClock>
  readonly runservice: RunserviceHost
  /** Makes a snapshot, after which the runs that have ended are cold. Needs `storage`. */
  snapshot(): Promise<void>
}

export type InstallationOptions = {
  /** One of an earlier installation, to open it again. */
  readonly dir?: string
  readonly keys?: readonly [SealingKey, ...SealingKey[]]
  readonly storeId?: string
  readonly logger?: Logger
  readonly cloneSource?: CloneSource
  /** Where objects are, instead of a directory; closed with the installation. */
  readonly ost?: ObjectStorage
  /** Records that stay in the log of changes. */
  readonly recordsKept?: number
  /** Given, executors can be lost. */
  readonly coordination?: (clock: Clock) => Coordination
  /** The database keeps what it must not lose in object storage, beside the rest. */
  readonly storage?: boolean
  readonly secretResolver?: SecretResolver
  readonly cloneAccess?: CloneAccess
  /** The time of an earlier installation, to go on with. */
  readonly clock?: ReturnType<typeof handClock>
}

/** Disposing closes it; a directory that it made itself is removed. */
export async function openInstallation(options: InstallationOptions = {}): Promise<Installation> {
  const clock = options.clock ?? handClock()
  await using undo = new AsyncDisposableStack()
  const dir = options.dir ?? aDirectory(undo)
  const ost = undo.use(options.ost ?? (await openPosixObjectStorage({ root: join(dir, 'objects'), clock })))
  const snapshots = { records: 1e9, ms: 1e12 }
  const database = undo.use(
    await openDatabase<RunserviceSchema>({
      path: join(dir, 'database'),
      types: runserviceRowTypes,
      // Shipping goes on by itself.
      clock: options.storage === true ? systemClock : clock,
      ...(options.recordsKept === undefined ? {} : { recordsKept: options.recordsKept }),
      ...(options.storage === true ? { storage: { place: { ost, base: 'database/runservice' }, snapshots } } : {}),
    }),
  )
  const caches = new Caches({ ost, clock })
  const runservice = undo.use(
    createRunservice(
      { storeId: options.storeId ?? 'store', keys: options.keys ?? [newSealingKey()] },
      {
        database,
        ost,
        caches,
        clock,
        logger: options.logger ?? silentLogger,
        cloneSource: () => options.cloneSource ?? noSource,
        ...(options.secretResolver === undefined ? {} : { secretResolver: options.secretResolver }),
        ...(options.cloneAccess === undefined ? {} : { cloneAccess: options.cloneAccess }),
        ...(options.coordination === undefined ? {} : { coordination: options.coordination(clock) }),
      },
    ),
  )
  const owned = undo.move()
  const snapshot = async () => void (await database.upkeep!.snapshot())
  return { dir, database, ost, caches, clock, runservice, snapshot, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

export function aDirectory(owner: AsyncDisposableStack): string {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-runservice-'))
  owner.defer(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** A run of these tasks; ids of tasks are `<prefix><name>-id`, because tasks of two runs never have the same. */
export function aRequest(
  specs: Readonly<Record<string, TaskSpec>>,
  { ids = '', ...fields }: Partial<NewRunRequest> & { readonly ids?: string } = {},
): NewRunRequest {
  const tasks = Object.entries(specs).map(([name, spec]) => {
    const task = aConfigTask(name, spec)
    return {
      ...task,
      id: `${ids}${task.id}`,
      depends: task.depends.map((depend) => ({ ...depend, taskId: `${ids}${depend.taskId}` })),
    }
  })
  return { name: 'build', group: '/project/p1/branch/main', tasks, secrets: {}, ...fields }
}

/** Resolves when `condition` holds; looks again in every turn of the event loop. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 50_000; !(await condition()); ) {
    if (performance.now() > deadline) throw new Error(`never so: ${condition}`)
    await nextTurn()
  }
}

export const never = new AbortController().signal

/** The state of a run when it has ended. */
export async function ended(runservice: Runservice, runId: string): Promise<RunView> {
  let last: RunView | undefined
  for await (const view of runservice.watchRun(runId, never)) last = view
  return last!
}

/** Statuses by task name. */
export function statuses(view: RunView): Readonly<Record<string, string>> {
  return Object.fromEntries(view.tasks.map(({ config, task }) => [config.name, task.status]))
}

/** Waiting reasons by task name. */
export function waiting(view: RunView): Readonly<Record<string, unknown>> {
  return Object.fromEntries(view.tasks.flatMap((task) => (task.waiting ? [[task.config.name, task.waiting]] : [])))
}

export const aHello = (fields: Partial<ExecutorHello> = {}): ExecutorHello => ({
  id: 'x1',
  archs: ['amd64'],
  labels: {},
  allowPrivileged: false,
  drivers: ['docker'],
  taskLimit: 0,
  has: [],
  ...fields,
})

/** What becomes of a task: undefined leaves it as it is. */
export type Script = (order: Order, executor: FakeExecutor) => Promise<StepPhase | undefined> | StepPhase | undefined

/** An executor that answers each order as `script` says, one report for the start and one for the end. */
export class FakeExecutor implements AsyncDisposable {
  readonly api: ExecutorApi
  readonly hello: ExecutorHello
  readonly messages: OrderMessage[] = []
  /** What scripts threw. */
  readonly failures: unknown[] = []
  readonly #runservice: RunserviceHost
  readonly #script: Script
  readonly #numbers = new Map<string, number>()
  #arrived = Promise.withResolvers<void>()
  #connection: AbortController | undefined
  #reading: Promise<void> = Promise.resolve()
  readonly #working = new Set<Promise<void>>()

  constructor(runservice: RunserviceHost, hello: Partial<ExecutorHello> = {}, script: Script = () => 'success') {
    this.hello = aHello(hello)
    this.api = runservice.executorApi(this.hello.id)
    this.#runservice = runservice
    this.#script = script
  }

  /** Resolves when the executor is registered. */
  async connect(has: ExecutorHello['has'] = []): Promise<this> {
    const connection = new AbortController()
    this.#connection = connection
    const messages = this.api.connect({ ...this.hello, has }, connection.signal)[Symbol.asyncIterator]()
    const first = messages.next() // Registers before it waits for orders.
    this.#reading = this.#read(first, messages).catch((error: unknown) => {
      if (!connection.signal.aborted) throw error
    })
    this.#reading.catch(() => undefined)
    await until(async () =>
      (await this.#runservice.listExecutors()).some((executor) => executor.id === this.hello.id && executor.isHeld),
    )
    return this
  }

  /** Orders by task name, as they came. */
  get orders(): readonly Order[] {
    return this.messages.flatMap((message) => (message.kind === 'execute' ? [message.order] : []))
  }

  /** The first message that matches, now or later. */
  async message<K extends OrderMessage['kind']>(
    kind: K,
    matches: (message: Extract<OrderMessage, { kind: K }>) => boolean = () => true,
  ): Promise<Extract<OrderMessage, { kind: K }>> {
    for (;;) {
      const arrived = this.#arrived.promise
      for (const message of this.messages) {
        if (message.kind !== kind) continue
        const narrowed = message as Extract<OrderMessage, { kind: K }>
        if (matches(narrowed)) return narrowed
      }
      await arrived
    }
  }

  async order(taskName: string): Promise<Order> {
    return (await this.message('execute', ({ order }) => order.taskName === taskName)).order
  }

  /** Reports a phase of the whole task; steps follow it. */
  async report(order: Order, phase: StepPhase, fields: Partial<TaskReport> = {}): Promise<ReportAnswer> {
    const number = (this.#numbers.get(order.executorTaskId) ?? order.lastStatus) + 1
    this.#numbers.set(order.executorTaskId, number)
    return await this.api.report(aReport(order, phase, { number, ...fields }))
  }

  async disconnect(): Promise<void> {
    this.#connection?.abort()
    await this.#reading.catch(() => undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect()
    await Promise.allSettled(this.#working)
  }

  async #read(first: Promise<IteratorResult<OrderMessage>>, messages: AsyncIterator<OrderMessage>): Promise<void> {
    for (let next = await first; !next.done; next = await messages.next()) {
      const message = next.value
      this.messages.push(message)
      this.#arrived.resolve()
      this.#arrived = Promise.withResolvers()
      if (message.kind !== 'execute') continue
      const work: Promise<void> = this.#execute(message.order).finally(() => this.#working.delete(work))
      this.#working.add(work)
      work.catch(() => undefined)
    }
  }

  /** A script that throws fails its task, so that the test sees it instead of waiting. */
  async #phaseOf(order: Order): Promise<StepPhase | undefined> {
    try {
      return await this.#script(order, this)
    } catch (error) {
      this.failures.push(error)
      return 'failed'
    }
  }

  async #execute(order: Order): Promise<void> {
    const phase = await this.#phaseOf(order)
    if (phase === undefined) return
    await this.report(order, 'running')
    await this.report(order, phase)
  }
}

export function aReport(order: Order, phase: StepPhase, fields: Partial<TaskReport> = {}): TaskReport {
  const hasStarted = phase !== 'notstarted' && phase !== 'cancelled'
  return {
    executorTaskId: order.executorTaskId,
    number: 1,
    phase,
    timedOut: false,
    setupStep: { phase: hasStarted ? 'success' : 'notstarted' },
    steps: order.steps.map((_, index) => ({
      phase,
      ...(phase === 'failed' ? { exitStatus: 1, reason: { kind: 'failed_exit', step: index, code: 1 } as const } : {}),
    })),
    ...(hasStarted ? { startedAt: 1_760_000_000_100 } : {}),
    ...(hasStarted && phase !== 'running' ? { endedAt: 1_760_000_000_200 } : {}),
    ...fields,
  }
}

/** Writes a whole log. */
export async function writeLog(api: ExecutorApi, order: Order, log: 'setup' | number, text: string): Promise<void> {
  const bytes = Buffer.from(text)
  const index = indexFrame({ firstByte: 0, firstLine: 0, rawBytes: bytes.length }, bytes, [{ offset: 0, at: 1 }])
  await api.storeFrame(order.executorTaskId, log, await encodeFrame(index, bytes, Buffer.alloc(64 * 1024)))
  await api.finishLog(order.executorTaskId, log)
}

export async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all).toString()
}

export async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
