// A gateway on a real configstore and a real runservice, each with its database in a throw-away directory, listening on this
// machine; and short ways to ask it.

import { join } from 'node:path'
import { type Configstore, configstoreMethods } from '../configstore/api.ts'
import { openWorld, type World } from '../configstore/configstore-fixture.ts'
import { createProviderAccess, type ProviderAccess } from '../configstore/provider-access.ts'
import { type ApiClient, createClient } from '../contract/client.ts'
import type { Database } from '../datamanager/database.ts'
import { openDatabase } from '../datamanager/open-database.ts'
import { FakeProviderHost } from '../gitsource/fake-provider-fixture.ts'
import { createHttpApp } from '../http/http-server.ts'
import { createRpcClient } from '../http/rpc/rpc-client.ts'
import { serveRpc } from '../http/rpc/rpc-server.ts'
import type { Clock } from '../lib/clock.ts'
import { SlipwayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { type NotificationService, notificationMethods } from '../notification/api.ts'
import { type NotificationSchema, notificationRowTypes } from '../notification/row-types.ts'
import type { RepositoriesOfProjects } from '../notification/send/commit-status.ts'
import { openNotification } from '../notification/service.ts'
import type { Runservice } from '../runservice/api.ts'
import { createRemoteRunservice, serveRunservice } from '../runservice/remote.ts'
import { type Installation, openInstallation } from '../runservice/service-fixture.ts'
import { projectSecrets } from '../server/serve/project-secrets.ts'
import { hashSecret } from './auth/hash-secret.ts'
import { mountGateway } from './gateway.ts'
import type { Maintenance } from './maintenance.ts'
import type { Figures } from './metrics/figures.ts'
import { type GatewaySchema, gatewayRowTypes } from './rows.ts'
import type { DirectRuns } from './runs/direct-runs.ts'
import type { ProjectSources } from './runs/project-sources.ts'
import { recordAnswers } from './seen-answers-fixture.ts'
import type { GatewaySettings } from './settings.ts'

export const adminToken = 'the-token-of-the-administrator'
export const setupToken = 'the-token-of-the-link'

export type Answer = {
  readonly status: number
  readonly headers: Headers
  /** Parsed when it is JSON. */
  readonly body: unknown
}

export type AskOptions = {
  /** Sent as it is. */
  readonly token?: string
  readonly cookie?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

export type TestGateway = AsyncDisposable & {
  readonly url: string
  readonly world: World
  readonly installation: Installation
  readonly configstore: Configstore
  readonly database: Database<GatewaySchema>
  readonly clock: Clock & { pass(ms: number): void }
  /** What every remote source is, unless other providers are given. */
  readonly host: FakeProviderHost
  readonly maintenance: FakeMaintenance
  /** What it wrote with `warn` and `error`. */
  readonly logged: { readonly message: string; readonly fields: unknown }[]
  /** `GET /projects/x`, below `/api/v1`. */
  ask(request: string, options?: AskOptions): Promise<Answer>
  client(token?: string): ApiClient
  /** A token of this user, made now. */
  tokenOf(user: string, scope?: 'read' | 'run' | 'admin', projects?: readonly string[]): Promise<string>
}

export type TestGatewayOptions = {
  readonly settings?: Partial<GatewaySettings>
  readonly configstore?: (real: Configstore) => Configstore
  readonly runservice?: (real: Runservice) => Runservice
  readonly sources?: ProjectSources
  readonly directRuns?: DirectRuns
  readonly figures?: Figures
  readonly providers?: ProviderAccess
  /** A notification service runs as well. */
  readonly notification?: boolean
  /** The gateway reaches the services as those of another process. */
  readonly areServicesRemote?: boolean
  /** What it answers counts as seen. Default true; not where it is chance. */
  readonly isRecorded?: boolean
}

/** Disposing stops it and removes everything. */
export async function openTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  await using undo = new AsyncDisposableStack()
  const world = undo.use(await openWorld())
  const installation = undo.use(await openInstallation({ secretResolver: projectSecrets(world.configstore) }))
  const { clock } = installation
  const database = undo.use(
    await openDatabase<GatewaySchema>({ path: join(world.dir, 'gateway.db'), types: gatewayRowTypes, clock }),
  )
  const logged: TestGateway['logged'] = []
  const log = (message: string, fields: unknown) => void logged.push({ message, fields })
  const logger: Logger = { debug: () => {}, info: () => {}, warn: log, error: log }
  const configstore = options.configstore?.(world.configstore) ?? world.configstore
  const maintenance = new FakeMaintenance()
  const app = createHttpApp({ logger, trustProxy: false })
  if (options.isRecorded !== false) recordAnswers(app)
  const settings: GatewaySettings = {
    version: '1.2.3',
    adminToken,
    setupTokenHash: hashSecret(setupToken),
    allowedOrigins: [],
    memberAdding: 'direct',
    checkAnswers: true,
    ...options.settings,
  }
  const runservice = options.runservice?.(installation.runservice) ?? installation.runservice
  const services = { configstore, runservice }
  const reached = options.areServicesRemote ? await overHttp(services, logger, undo) : services
  const sources = options.sources === undefined ? {} : { sources: options.sources }
  const directRuns = options.directRuns === undefined ? {} : { directRuns: options.directRuns }
  const host = new FakeProviderHost({ now: () => clock.now() })
  const { openProvider, openOAuth2 } = host
  const providers =
    options.providers ??
    createProviderAccess({ configstore: reached.configstore, openProvider, openOAuth2, clock, logger })
  const notified =
    options.notification === true
      ? { notification: await aNotification({ world, ...reached, providers, clock, logger }, undo) }
      : {}
  const told = options.areServicesRemote === true ? await notificationOverHttp(notified, logger, undo) : notified
  mountGateway(app, settings, {
    database,
    ...reached,
    ...told,
    providers,
    maintenance,
    clock,
    logger,
    ...sources,
    ...directRuns,
    ...(options.figures === undefined ? {} : { figures: options.figures }),
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  undo.defer(async () => {
    app.server.closeAllConnections()
    await app.close()
  })
  const owned = undo.move()
  return {
    url,
    world,
    installation,
    configstore,
    database,
    clock,
    host,
    maintenance,
    logged,
    ask: (request, asked) => ask(url, request, asked),
    client: (token) => createClient({ url, ...(token === undefined ? {} : { token }) }),
    tokenOf: async (user, scope = 'admin', projects) => {
      const name = `t${Math.random().toString(36).slice(2)}`
      const { value } = await world.configstore.createToken({ user, name, scope, ...(projects ? { projects } : {}) })
      return value
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

type NotificationParts = Services & {
  readonly world: World
  readonly providers: ProviderAccess
  readonly clock: Clock
  readonly logger: Logger
}

async function aNotification(
  { world, configstore, runservice, providers, clock, logger }: NotificationParts,
  undo: AsyncDisposableStack,
): Promise<NotificationService> {
  const database = undo.use(
    await openDatabase<NotificationSchema>({
      path: join(world.dir, 'notification.db'),
      types: notificationRowTypes,
      clock,
    }),
  )
  const tryLock = async () => ({ lost: new AbortController().signal, [Symbol.asyncDispose]: async () => {} })
  const repositories: RepositoriesOfProjects = {
    use: async (project, act, signal) => await act(await providers.openProviderOfProject(project, signal)),
  }
  return undo.use(
    await openNotification(
      {
        publicUrl: () => 'https://ci.example.org',
        statusPrefix: 'slipway',
        allowPrivateAddresses: false,
        version: '1.2.3',
        sealing: { storeId: 'notification', keys: world.keys },
      },
      { database, configstore, runservice, repositories, tryLock, clock, logger },
    ),
  )
}

async function notificationOverHttp(
  { notification }: { readonly notification?: NotificationService },
  logger: Logger,
  undo: AsyncDisposableStack,
): Promise<{ readonly notification?: NotificationService }> {
  if (notification === undefined) return {}
  const token = 'token-of-the-services'
  const prefix = '/internal/notification'
  const methods = notificationMethods
  const app = createHttpApp({ logger, trustProxy: false })
  serveRpc<NotificationService>(app, { prefix, methods, token }, { target: notification, logger })
  const urls = [await app.listen({ host: '127.0.0.1', port: 0 })]
  undo.defer(async () => {
    app.server.closeAllConnections()
    await app.close()
  })
  return { notification: undo.use(createRpcClient<NotificationService>({ urls, prefix, methods, token })) }
}

type Services = { readonly configstore: Configstore; readonly runservice: Runservice }

async function overHttp(
  { configstore, runservice }: Services,
  logger: Logger,
  undo: AsyncDisposableStack,
): Promise<Services> {
  const token = 'token-of-the-services'
  const prefix = '/internal/configstore'
  const app = createHttpApp({ logger, trustProxy: false })
  serveRpc<Configstore>(app, { prefix, methods: configstoreMethods, token }, { target: configstore, logger })
  serveRunservice(app, { token }, { runservice, logger })
  const urls = [await app.listen({ host: '127.0.0.1', port: 0 })]
  undo.defer(async () => {
    app.server.closeAllConnections()
    await app.close()
  })
  return {
    configstore: undo.use(createRpcClient<Configstore>({ urls, prefix, methods: configstoreMethods, token })),
    runservice: undo.use(createRemoteRunservice({ urls, token })),
  }
}

async function ask(url: string, request: string, options: AskOptions = {}): Promise<Answer> {
  const { token, cookie, headers, body } = options
  const [method = 'GET', path = '/'] = request.split(' ')
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(cookie === undefined ? {} : { cookie }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
}

/** Remembers that it is on, and what was imported. */
export class FakeMaintenance implements Maintenance {
  reason: { by: string; why: string; since: number } | undefined
  imported: string | undefined

  checkOpen(): void {
    if (this.reason !== undefined) throw maintenanceError()
  }

  async status() {
    return {
      databases: [{ service: 'configstore', position: 7, maintenance: this.reason }],
      instances: [
        {
          instanceId: 'i1',
          version: '1.2.3',
          databases: { configstore: { position: 7 } },
          hasEntered: this.reason !== undefined,
          isPresent: true,
          seenAt: 1_760_000_000_000,
        },
      ],
      isEverywhere: this.reason !== undefined,
    }
  }

  async databasesStatus() {
    const { instances } = await this.status()
    const waiting = [{ kind: 'delete_runs', count: 2, oldestAt: 1_760_000_000_000, lastError: 'no route' }]
    const database = { service: 'configstore', generation: 'g1', position: 9, shipped: 8, snapshots: [5, 2], waiting }
    return { log: 'embedded', databases: [{ ...database, snapshotAgeMs: 60_000 }], instances }
  }

  async enter(by: string, why: string): Promise<void> {
    this.reason = { by, why, since: 1_760_000_000_000 }
  }

  async leave(): Promise<void> {
    this.reason = undefined
  }

  async *exportAll({ passphrase }: { readonly passphrase?: string }): AsyncGenerator<Uint8Array> {
    yield Buffer.from('{"rows":')
    yield Buffer.from(`"all","under":${JSON.stringify(passphrase ?? null)}}\n`)
  }

  async import(stream: AsyncIterable<Uint8Array>): Promise<void> {
    if (this.reason === undefined) throw new SlipwayError('import_refused', 'import: it is not in maintenance')
    this.imported = Buffer.concat(await Array.fromAsync(stream)).toString()
  }
}

const maintenanceError = () => new SlipwayError('maintenance', 'in maintenance by ann: upgrade')

/** `target` with other members. */
export function replaced<T extends object>(target: T, members: Partial<T>): T {
  return new Proxy(target, {
    get: (object, name) => {
      const member = Reflect.get(name in members ? members : object, name) as unknown
      return typeof member === 'function' ? member.bind(object) : member
    },
  })
}
