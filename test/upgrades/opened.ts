// An installation in this process, without pods: its executor does what a script says.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ApiClient, createClient } from '../../src/contract/client.ts'
import { RemoteExecutorApi } from '../../src/executor/remote/remote-api.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { until } from '../../src/lib/until-fixture.ts'
import type { Order } from '../../src/runservice/executor-api.ts'
import { aHello, aReport, writeLog } from '../../src/runservice/service-fixture.ts'
import type { StepPhase } from '../../src/runservice/types.ts'
import { openServer } from '../../src/server/serve/open-server.ts'
import { readSettings } from '../../src/server/settings/read-settings.ts'
import { version } from '../../src/version.ts'

export const adminToken = 'the-administrator-of-an-installation-for-tests'

export type OpenedInstallation = AsyncDisposable & {
  readonly url: string
  /** As administrator. */
  readonly client: ApiClient
}

export async function openInstallation(dataDir: string): Promise<OpenedInstallation> {
  const environment = {
    SLIPWAY_DATA_DIR: dataDir,
    SLIPWAY_LISTEN: '127.0.0.1:0',
    SLIPWAY_COMPONENTS: '[gateway, configstore, runservice, notification, gitserver]',
    // Of receivers and providers of this machine.
    SLIPWAY_NOTIFICATION_ALLOW_PRIVATE_ADDRESSES: 'true',
    // What an old fixture has is older than anything is kept.
    SLIPWAY_RETENTION_LOGS: '0',
    SLIPWAY_RETENTION_WORKSPACES: '0',
    SLIPWAY_RETENTION_CACHES: '0',
    SLIPWAY_KEYS_ADMIN_TOKEN_FILE: join(dataDir, 'admin-token'),
  }
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  writeFileSync(environment.SLIPWAY_KEYS_ADMIN_TOKEN_FILE, adminToken, { mode: 0o600 })
  const components = { clock: systemClock, logger: silentLogger, version, environment }
  const server = await openServer(readSettings({ environment }), components)
  const client = createClient({ url: server.url, token: adminToken })
  return { url: server.url, client, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

/** Executes nothing; `orders` are all it got. */
export class ScriptedExecutor implements AsyncDisposable {
  readonly orders: Order[] = []
  readonly #api: RemoteExecutorApi
  readonly #leaving = new AbortController()
  readonly #reading: Promise<void>
  readonly #numbers = new Map<string, number>()

  constructor(url: string, token: string, executorId: string) {
    this.#api = new RemoteExecutorApi({ url, token }, { clock: systemClock, logger: silentLogger })
    this.#reading = this.#read(executorId)
  }

  /** The order for a task of that name that was not finished here. */
  async order(taskName: string, runId?: string): Promise<Order> {
    const find = () =>
      this.orders.find((order) => order.taskName === taskName && (runId === undefined || order.runId === runId))
    await until(() => find() !== undefined, `an order for ${taskName}`)
    return find()!
  }

  async begin(order: Order): Promise<void> {
    await this.#report(order, 'running')
  }

  /** With a log of its first step, and of the setup. */
  async finish(order: Order, phase: StepPhase, log: string): Promise<void> {
    await this.begin(order)
    await writeLog(this.#api, order, 'setup', 'Pod started\n')
    await writeLog(this.#api, order, 0, log)
    await this.#report(order, phase)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leaving.abort()
    await this.#reading
    this.#api[Symbol.dispose]()
  }

  async #report(order: Order, phase: StepPhase): Promise<void> {
    const number = (this.#numbers.get(order.executorTaskId) ?? order.lastStatus) + 1
    this.#numbers.set(order.executorTaskId, number)
    await this.#api.report(aReport(order, phase, { number }))
  }

  async #read(id: string): Promise<void> {
    try {
      const messages = this.#api.connect(aHello({ id, drivers: ['docker'] }), this.#leaving.signal)
      for await (const message of messages) if (message.kind === 'execute') this.orders.push(message.order)
    } catch (error) {
      if (!this.#leaving.signal.aborted) throw error
    }
  }
}
