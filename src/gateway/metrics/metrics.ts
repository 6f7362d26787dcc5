// What Prometheus reads (docs/metrics.md). Counted from the changes of runs that this instance sees, so that several instances
// tell the same; what is a state is asked when somebody reads.

import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Configstore } from '../../configstore/api.ts'
import type { Database } from '../../datamanager/database.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { RunChanges, Runservice } from '../../runservice/api.ts'
import { isFinishedRun, isFinishedTask, type Run, type RunTask } from '../../runservice/types.ts'
import type { GatewaySchema } from '../rows.ts'
import type { Figures } from './figures.ts'
import { registerServiceMetrics } from './service-metrics.ts'

export type MetricsComponents = {
  readonly runservice: Runservice
  readonly configstore: Pick<Configstore, 'status'>
  readonly database: Pick<Database<GatewaySchema>, 'position'>
  readonly figures: Figures
  readonly version: string
  readonly clock: Clock
  readonly logger: Logger
}

const seconds = [0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200]
const shortSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** A repeated change of an ended run or task is counted once; as many are remembered. */
const rememberedEnds = 10_000

export class Metrics {
  readonly #registry = new Registry()
  readonly #components: MetricsComponents
  readonly #ended = new Set<string>()
  readonly #runsEnded: Counter<'result'>
  readonly #tasksEnded: Counter<'status'>
  readonly #runSeconds: Histogram<'result'>
  readonly #queueSeconds: Histogram
  readonly #taskSeconds: Histogram<'status'>
  readonly #requestSeconds: Histogram<'operation' | 'status'>
  readonly #logBytes: Counter

  constructor(components: MetricsComponents) {
    this.#components = components
    const registers = [this.#registry]
    const { runservice, configstore, database, figures, version, clock } = components
    this.#runsEnded = new Counter({
      name: 'slipway_runs_ended_total',
      help: 'Runs that ended.',
      labelNames: ['result'],
      registers,
    })
    this.#tasksEnded = new Counter({
      name: 'slipway_tasks_ended_total',
      help: 'Tasks that ended.',
      labelNames: ['status'],
      registers,
    })
    this.#runSeconds = new Histogram({
      name: 'slipway_run_duration_seconds',
      help: 'From the start of a run to its end.',
      labelNames: ['result'],
      buckets: seconds,
      registers,
    })
    this.#queueSeconds = new Histogram({
      name: 'slipway_run_queue_seconds',
      help: 'From the creation of a run to its start.',
      buckets: seconds,
      registers,
    })
    this.#taskSeconds = new Histogram({
      name: 'slipway_task_duration_seconds',
      help: 'From the start of a task to its end.',
      labelNames: ['status'],
      buckets: seconds,
      registers,
    })
    this.#requestSeconds = new Histogram({
      name: 'slipway_request_duration_seconds',
      help: 'Requests of the API, streams left out.',
      labelNames: ['operation', 'status'],
      buckets: shortSeconds,
      registers,
    })
    this.#logBytes = new Counter({
      name: 'slipway_log_sent_bytes_total',
      help: 'Bytes of logs sent to readers.',
      registers,
    })
    const queue: Gauge = new Gauge({
      name: 'slipway_queue_length',
      help: 'Tasks and runs that wait for an executor, an approval or another run.',
      registers,
      collect: async () => queue.set((await runservice.listQueue({ limit: 1 })).total),
    })
    const executors: Gauge<'state'> = new Gauge({
      name: 'slipway_executors',
      help: 'Executors by state.',
      labelNames: ['state'],
      registers,
      collect: async () => await collectExecutors(executors, slots, runservice),
    })
    const slots = new Gauge({ name: 'slipway_executor_slots_used', help: 'Tasks that executors have.', registers })
    registerServiceMetrics(this.#registry, {
      figures,
      version,
      clock,
      positions: async () => ({
        runservice: await runservice.position(),
        configstore: (await configstore.status()).position,
        gateway: database.position,
      }),
    })
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  async text(): Promise<string> {
    return await this.#registry.metrics()
  }

  observeRequest(operation: string, status: number, ms: number): void {
    this.#requestSeconds.observe({ operation, status: String(status) }, ms / 1000)
  }

  countLogBytes(bytes: number): void {
    this.#logBytes.inc(bytes)
  }

  /** Counts changes until `signal` is aborted; what happens while the runservice does not answer is not counted. */
  async follow(signal: AbortSignal): Promise<void> {
    const { runservice, clock, logger } = this.#components
    while (!signal.aborted) {
      try {
        for await (const changes of runservice.watchChanges(undefined, signal)) this.#count(changes)
      } catch (error) {
        if (signal.aborted) return
        logger.warn('metrics cannot follow runs; trying again', { error })
        await clock.sleep(1000, signal).catch(() => undefined)
      }
    }
  }

  #count({ runs, tasks }: RunChanges): void {
    for (const run of runs) {
      if (isFinishedRun(run.phase) && this.#isFirstEnd(run.id)) this.#countRun(run)
    }
    for (const { task } of tasks) {
      if (isFinishedTask(task.status) && this.#isFirstEnd(`${task.runId}/${task.id}`)) this.#countTask(task)
    }
  }

  #countRun(run: Run): void {
    const result = run.phase === 'finished' ? run.result : run.phase
    this.#runsEnded.inc({ result })
    if (run.startedAt === undefined || run.endedAt === undefined) return
    this.#runSeconds.observe({ result }, (run.endedAt - run.startedAt) / 1000)
    this.#queueSeconds.observe((run.startedAt - run.enqueuedAt) / 1000)
  }

  #countTask({ status, startedAt, endedAt }: RunTask): void {
    this.#tasksEnded.inc({ status })
    if (startedAt !== undefined && endedAt !== undefined)
      this.#taskSeconds.observe({ status }, (endedAt - startedAt) / 1000)
  }

  #isFirstEnd(key: string): boolean {
    if (this.#ended.has(key)) return false
    this.#ended.add(key)
    if (this.#ended.size > rememberedEnds) this.#ended.delete(this.#ended.values().next().value!)
    return true
  }
}

async function collectExecutors(executors: Gauge<'state'>, slots: Gauge, runservice: Runservice): Promise<void> {
  const all = await runservice.listExecutors()
  executors.reset()
  for (const { state } of all) executors.inc({ state })
  slots.set(all.reduce((sum, { slotsUsed }) => sum + slotsUsed, 0))
}
