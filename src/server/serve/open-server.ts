// The server: settings become components, components a process that listens. Nothing else connects them. Everything opens in the
// order of the imports (object storage, databases, services, front) and closes in the opposite one.

import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Schema } from '../../datamanager/database.ts'
import {
  type DatabaseService,
  databaseBase,
  openInstallationDatabases,
  type ServiceDatabase,
} from '../../datamanager/installation-databases.ts'
import { installationName, readInstallation } from '../../datamanager/installation-id.ts'
import { createFigures, type Figures } from '../../gateway/metrics/figures.ts'
import { openHttpServer } from '../../http/http-server.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import { newUuid } from '../../lib/uuid.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import { openObjectStorage } from '../../objectstorage/open-object-storage.ts'
import type { Settings } from '../settings/read-settings.ts'
import type { ComponentName } from '../settings/settings-schema.ts'
import { isStorageShared } from '../settings/shared-storage.ts'
import { firstAdministratorToken } from './first-administrator.ts'
import { type InstallationKeys, loadKeys } from './keys.ts'
import { offerLink } from './offer-link.ts'
import { openConfigstoreComponent } from './open-configstore.ts'
import { openExecutorComponent } from './open-executor.ts'
import { openGatewayComponent } from './open-gateway.ts'
import { openGitserverComponent } from './open-gitserver.ts'
import { openNotificationComponent } from './open-notification.ts'
import { openProbes } from './open-probes.ts'
import { openProviders } from './open-providers.ts'
import { openRunserviceComponent } from './open-runservice.ts'
import { RecentRepositories } from './recent-repositories.ts'

export type ServerComponents = {
  readonly clock: Clock
  readonly logger: Logger
  /** Of this build. */
  readonly version: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

export interface Server extends AsyncDisposable {
  /** Where it listens. */
  readonly url: string
  /** Resolves when the data was replaced by an import: what is open is of the past, open the server anew. */
  readonly replaced: Promise<void>
}

/** What the parts of a server share. */
export type Installation = ServerComponents & {
  readonly settings: Settings
  readonly keys: InstallationKeys
  readonly storage: ObjectStorage
  readonly databases: Awaited<ReturnType<typeof openInstallationDatabases>>
  /** Of this process among those of the installation. */
  readonly instanceId: string
  /** For `/metrics`. */
  readonly figures: Figures
  /** Under which people and executors reach the server; known once it listens. */
  readonly publicUrl: () => string
  /** The databases of this process. */
  readonly opened: ReadonlyMap<DatabaseService, ServiceDatabase<Schema>>
  /** Called with each database that was opened: an import that replaces it ends the server. */
  readonly watch: <S extends Schema>(service: DatabaseService, database: ServiceDatabase<S>) => void
}

/** What a component adds to the listener. */
export type Mount = (app: FastifyInstance) => void | Promise<void>

/**
 * Opens all that `settings` name and listens. Disposing stops as planned: nothing new is taken, running tasks go on in their pods
 * where those outlive the process, and whoever opens the same installation next goes on with them. Errors: those of the parts, in
 * words that name the setting.
 */
export async function openServer(settings: Settings, components: ServerComponents): Promise<Server> {
  const { clock, logger, version } = components
  await using undo = new AsyncDisposableStack()
  mkdirSync(settings.dataDir, { recursive: true, mode: 0o700 })
  const storage = undo.use(await openObjectStorage(settings.objectStorage))
  const keys = loadKeys(settings, await isNewAndEmbedded(settings, storage))
  const instanceId = newUuid(clock.now())
  const databases = undo.use(
    await openInstallationDatabases({
      settings: settings.database,
      directory: databaseDirectory(settings),
      storage,
      isStorageShared: isStorageShared(settings),
      clock,
      instanceId,
      version,
      logger,
    }),
  )
  const mounts: Mount[] = []
  const opened = new Map<DatabaseService, ServiceDatabase<Schema>>()
  const replaced = Promise.withResolvers<void>()
  let listening: string | undefined
  const installation: Installation = {
    ...components,
    settings,
    keys,
    storage,
    databases,
    instanceId,
    figures: createFigures(),
    publicUrl: () => settings.url ?? listening ?? settings.instanceUrl,
    opened,
    watch: (service, database) => {
      opened.set(service, database as unknown as ServiceDatabase<Schema>) // read only by what takes any rows
      const onChange = (state: { readonly replacedBy?: string } | undefined) => {
        if (state?.replacedBy !== undefined) replaced.resolve()
      }
      undo.use(database.watchMaintenance(onChange))
    },
  }
  const { components: named } = settings
  const needs = (...others: readonly ComponentName[]) => others.some((name) => named.has(name))
  const configstore = needs('configstore', 'gateway', 'runservice', 'notification', 'gitserver')
    ? undo.use(await openConfigstoreComponent(installation, mounts))
    : undefined
  const providers = configstore === undefined ? undefined : undo.use(openProviders(installation, configstore))
  // Of those that make runs and those that clone; statuses find a renamed repository anyway, and do not make that of the others old.
  const cloned = providers && new RecentRepositories({ providers, clock })
  const repositories = providers && new RecentRepositories({ providers, clock })
  const runs =
    configstore !== undefined &&
    providers !== undefined &&
    cloned !== undefined &&
    needs('runservice', 'gateway', 'notification', 'gitserver')
      ? undo.use(await openRunserviceComponent(installation, mounts, { configstore, providers, repositories: cloned }))
      : undefined
  const gitserver =
    configstore !== undefined && runs !== undefined && needs('gitserver', 'gateway')
      ? await openGitserverComponent(installation, mounts, { configstore, runservice: runs.runservice })
      : undefined
  if (gitserver !== undefined) undo.use(gitserver)
  const notification =
    configstore !== undefined && repositories !== undefined && runs !== undefined && needs('notification', 'gateway')
      ? await openNotificationComponent(installation, mounts, {
          configstore,
          repositories,
          runservice: runs.runservice,
        })
      : undefined
  if (notification !== undefined) undo.use(notification)
  const setupToken = firstAdministratorToken(keys.sealing[0], databases.installation)
  if (
    needs('gateway') &&
    configstore !== undefined &&
    providers !== undefined &&
    cloned !== undefined &&
    runs !== undefined
  )
    undo.use(
      await openGatewayComponent(installation, mounts, {
        configstore,
        providers,
        repositories: cloned,
        runservice: runs.runservice,
        notification,
        gitserver,
        setupToken,
      }),
    )
  if (!needs('gateway')) await openProbes(installation, mounts)
  const server = undo.use(
    await openHttpServer(
      { listen: settings.listen, trustProxy: settings.trustProxy },
      {
        logger,
        mount: async (app) => {
          for (const mount of mounts) await mount(app)
        },
      },
    ),
  )
  listening = server.url
  if (needs('gateway') && configstore !== undefined)
    undo.use(offerLink(installation, configstore, { url: settings.url ?? server.url, token: setupToken }))
  if (needs('executor') && runs?.host !== undefined) undo.use(await openExecutorComponent(installation, runs.host))
  const owned = undo.move()
  return {
    url: server.url,
    replaced: replaced.promise,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Where the files of its databases are. */
export function databaseDirectory({ dataDir }: Pick<Settings, 'dataDir'>): string {
  return join(dataDir, 'database')
}

/** Nothing of an installation is there yet, and it will be in the data directory: so its keys are made there as well. */
async function isNewAndEmbedded(settings: Settings, storage: ObjectStorage): Promise<boolean> {
  if (settings.database.log !== 'embedded') return false
  if (existsSync(join(databaseDirectory(settings), installationName))) return false
  return (await readInstallation(storage, databaseBase)) === undefined
}
