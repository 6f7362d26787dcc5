// What every process of a server tells on `/metrics`, whatever it runs: its version, its databases, and what its services count.

import { Counter, Gauge, Registry } from 'prom-client'
import type { Clock } from '../../lib/clock.ts'
import type { Tally } from '../../lib/tally.ts'
import type { Figures, WaitingFigures } from './figures.ts'

export type ServiceMetricsComponents = {
  readonly figures: Figures
  readonly version: string
  readonly clock: Clock
  /** Newest record applied, by database. */
  readonly positions: () => Promise<Readonly<Record<string, number>>>
}

/** Of a process without a gateway, which has more to tell (metrics.ts). */
export class ServiceMetrics {
  readonly #registry = new Registry()

  constructor(components: ServiceMetricsComponents) {
    registerServiceMetrics(this.#registry, components)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  async text(): Promise<string> {
    return await this.#registry.metrics()
  }
}

/** What is a state is asked when somebody reads. */
export function registerServiceMetrics(
  registry: Registry,
  { figures, version, clock, positions }: ServiceMetricsComponents,
): void {
  const registers = [registry]
  new Gauge({ name: 'slipway_build_info', help: 'The version.', labelNames: ['version'], registers }).set(
    { version },
    1,
  )
  const position: Gauge<'database'> = new Gauge({
    name: 'slipway_database_position',
    help: 'Newest record that this instance has applied.',
    labelNames: ['database'],
    registers,
    collect: async () => {
      for (const [database, newest] of Object.entries(await positions())) position.set({ database }, newest)
    },
  })
  registerTallies(registry, figures)
  const waiting: Gauge<'kind'> = new Gauge({
    name: 'slipway_work_waiting',
    help: 'Deliveries and notifications that wait.',
    labelNames: ['kind'],
    registers,
    collect: () => {
      waiting.reset()
      for (const [kind, { count }] of whatWaits(figures)) waiting.set({ kind }, count)
    },
  })
  const oldest: Gauge<'kind'> = new Gauge({
    name: 'slipway_work_waiting_seconds',
    help: 'Since when the oldest of them waits.',
    labelNames: ['kind'],
    registers,
    collect: () => {
      oldest.reset()
      const now = clock.now()
      for (const [kind, { oldestAt = now }] of whatWaits(figures))
        oldest.set({ kind }, Math.max(0, now - oldestAt) / 1000)
    },
  })
  registerRepositories(registry, figures)
}

function registerTallies(registry: Registry, figures: Figures): void {
  const tell = <L extends string>(name: string, help: string, labelNames: L[], tally: Tally<L>) => {
    const counter: Counter<L> = new Counter({
      name,
      help,
      labelNames,
      registers: [registry],
      collect: () => {
        counter.reset()
        for (const { labels, count } of tally.counted) counter.inc(labels, count)
      },
    })
  }
  tell('slipway_deliveries_total', 'Webhooks and looks that were dealt with.', ['outcome'], figures.deliveries)
  const attempts = figures.notificationAttempts
  tell('slipway_notification_attempts_total', 'Attempts to send a notification.', ['kind', 'outcome'], attempts)
  tell('slipway_pushes_total', 'Pushes of direct runs.', ['outcome'], figures.pushes)
  const requests = figures.providerRequests
  tell('slipway_provider_requests_total', 'Requests to providers of repositories.', ['provider', 'outcome'], requests)
}

/** Without labels a gauge would tell 0 before anything was measured. */
function registerRepositories(registry: Registry, { repositories }: Figures): void {
  const registers = [registry]
  const tell = (name: string, help: string, of: (size: NonNullable<Figures['repositories']['measured']>) => number) => {
    const gauge: Gauge<'of'> = new Gauge({
      name,
      help,
      labelNames: ['of'],
      registers,
      collect: () => {
        gauge.reset()
        if (repositories.measured !== undefined) gauge.set({ of: 'direct_runs' }, of(repositories.measured))
      },
    })
  }
  tell('slipway_repositories', 'Repositories of direct runs that are stored.', ({ count }) => count)
  tell('slipway_repository_bytes', 'What they take in object storage.', ({ bytes }) => bytes)
}

function whatWaits({ waiting }: Figures): readonly (readonly [string, WaitingFigures])[] {
  return [...waiting].flatMap(([kind, figuresOf]) => {
    try {
      return [[kind, figuresOf()] as const]
    } catch {
      return [] // Its database cannot be read now, which `/readyz` says; the other figures are told.
    }
  })
}
