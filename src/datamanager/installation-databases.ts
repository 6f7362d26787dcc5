// All databases of one installation in one process: where each of them is, and that what is configured together belongs
// together. Everything of them in object storage is below one base (docs/storage.md, "An installation").

import { join } from 'node:path'
import type { Coordination } from '../coordination/coordination.ts'
import type { Clock } from '../lib/clock.ts'
import { isSlipwayError } from '../lib/errors.ts'
import { type Logger, silentLogger } from '../lib/log.ts'
import type { ObjectStorage } from '../objectstorage/object-storage.ts'
import type { Database, Position, RowTypes, Schema } from './database.ts'
import { type DatabaseBackend, type DatabaseSettings, openDatabaseBackend } from './database-config.ts'
import { BackgroundCollection } from './export/background-collection.ts'
import { completeImport } from './export/complete-import.ts'
import { bindInstallation } from './installation-id.ts'
import { Instances } from './instances.ts'
import { claimLogKind } from './log/log-kind.ts'
import type { LogDatabase } from './log-database.ts'
import { InstallationMaintenance, type MaintainedDatabase } from './maintenance.ts'
import { becomeOnlyHost } from './only-host.ts'
import { openDatabase } from './open-database.ts'
import { openLogDatabase } from './open-log-database.ts'
import type { StoragePlace } from './snapshot/keys.ts'
import { findOrCreateRoot, findRoot } from './snapshot/root.ts'
import type { SnapshotSettings, Upkeep } from './snapshot/upkeep.ts'

/** Each service has one database, with a log, positions and a generation of its own. */
export const databaseServices = ['configstore', 'runservice', 'notification', 'gateway'] as const
export type DatabaseService = (typeof databaseServices)[number]

/** Where the databases of an installation are below the root of its object storage. */
export const databaseBase = 'database'

/** What a service works with, whatever the log is. */
export type ServiceDatabase<S extends Schema> = Database<S> &
  Pick<
    LogDatabase<S>,
    'identity' | 'maintenance' | 'watchMaintenance' | 'freeze' | 'unfreeze' | 'closeGeneration' | 'fail'
  > & {
    readonly upkeep: Upkeep
  }

export type InstallationDatabasesOptions = {
  readonly settings: DatabaseSettings
  /** Holds the file of each database; made (mode 0700) when missing. */
  readonly directory: string
  /** The installation's object storage; not closed here. */
  readonly storage: ObjectStorage
  /** Default `databaseBase`. */
  readonly base?: string
  readonly clock: Clock
  readonly instanceId: string
  /** Of this build. */
  readonly version: string
  /** Whether other machines can reach `storage`: an embedded log then makes sure that none of them works on it. Default false. */
  readonly isStorageShared?: boolean
  /** Others must not see this process: it looks, or works on an installation that is stopped. */
  readonly isHidden?: boolean
  readonly logger?: Logger
}

export type OpenServiceDatabaseOptions = {
  readonly types: RowTypes
  /** As in OpenDatabaseOptions. */
  readonly consumed?: () => Position
  readonly snapshots?: Partial<SnapshotSettings>
}

export interface InstallationDatabases extends AsyncDisposable {
  /** Made with the installation; object storage, log and directory carry it. */
  readonly installation: string
  readonly coordination: Coordination
  /**
   * Opens the database of a service, in its current generation; an import that ended between its two last steps is
   * completed. Disposing it is the caller's, before this. Errors: those of openDatabase and openLogDatabase.
   */
  open<S extends Schema>(service: DatabaseService, options: OpenServiceDatabaseOptions): Promise<ServiceDatabase<S>>
  /** Begin, end and state of maintenance, export and import, for all databases that are open here. */
  readonly maintenance: InstallationMaintenance
  /** Who works on this installation, and what each of them reads. */
  readonly instances: Pick<Instances, 'list'>
}

/**
 * Connects, and makes the installation when there is none. Errors: `database_foreign` when directory, log and object storage
 * are not of one installation, `database_locked` of becomeOnlyHost, those of openDatabaseBackend and of the storage.
 */
export async function openInstallationDatabases(
  options: InstallationDatabasesOptions,
  signal?: AbortSignal,
): Promise<InstallationDatabases> {
  const { settings, directory, storage, base = databaseBase, clock } = options
  await using undo = new AsyncDisposableStack()
  const backend = undo.use(await openDatabaseBackend(settings, { storage, base, clock }, signal))
  const installation = await bindInstallation({ storage, base, directory, backend, now: clock.now() }, signal)
  const { instanceId, version, isHidden = false, isStorageShared = false, logger = silentLogger } = options
  if (isStorageShared && settings.log === 'embedded')
    undo.use(await becomeOnlyHost({ storage, base, directory, clock, isHidden }, signal))
  const { coordination } = backend
  const instances = new Instances({ coordination, storage, base, clock, instanceId, version, logger })
  if (!isHidden) {
    undo.use(instances)
    await instances.start()
  }
  const opened = new Map<DatabaseService, MaintainedDatabase>()
  const collecting = undo.use(new BackgroundCollection({ backend, clock, logger }))
  const owned = undo.move()
  return {
    installation,
    coordination,
    instances,
    maintenance: new InstallationMaintenance({
      clock,
      databases: () => [...opened.values()],
      instances: (listSignal) => instances.list(listSignal),
    }),
    open: async <S extends Schema>(service: DatabaseService, opening: OpenServiceDatabaseOptions) => {
      const place = servicePlace({ storage, base }, service)
      const recordFormat = () => instances.formatOf('record')
      const db = await openCurrent<S>({ ...options, ...opening, backend, service, place, recordFormat })
      const entry = { service, types: opening.types, place, db: db as ServiceDatabase<Schema> }
      opened.set(service, entry)
      const watching = instances.watch(service, entry.db)
      if (!isHidden) collecting.start(service, place)
      const close = db[Symbol.asyncDispose].bind(db)
      return Object.assign(db, {
        [Symbol.asyncDispose]: async () => {
          if (opened.get(service) === entry) opened.delete(service)
          watching[Symbol.dispose]()
          await close()
        },
      })
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Where the database of a service keeps its objects. */
export function servicePlace(
  { storage, base = databaseBase }: { readonly storage: ObjectStorage; readonly base?: string },
  service: DatabaseService,
): StoragePlace {
  return { ost: storage, base: `${base}/${service}` }
}

/** The file of a service's database. */
export function serviceFile(directory: string, service: DatabaseService): string {
  return join(directory, `${service}.db`)
}

type Opening = InstallationDatabasesOptions &
  OpenServiceDatabaseOptions & {
    readonly backend: DatabaseBackend
    readonly service: DatabaseService
    readonly place: StoragePlace
    readonly recordFormat: () => number
  }

/** Completes an import whose last step is missing, and then opens what it has made. */
async function openCurrent<S extends Schema>(opening: Opening): Promise<ServiceDatabase<S>> {
  for (;;) {
    const db = await openOnce<S>(opening)
    const replacedBy = db.maintenance?.replacedBy
    if (replacedBy === undefined) return db
    const { identity } = db
    await db[Symbol.asyncDispose]()
    await completeImport(opening.place, identity, replacedBy)
  }
}

async function openOnce<S extends Schema>(opening: Opening): Promise<ServiceDatabase<S>> {
  const { settings, directory, service, place, backend, types, clock, instanceId, logger, snapshots, consumed } =
    opening
  const { recordFormat } = opening
  const common = {
    path: serviceFile(directory, service),
    types,
    clock,
    instanceId,
    recordFormat,
    storage: { place, ...(logger ? { logger } : {}), ...(snapshots ? { snapshots } : {}) },
    ...(consumed ? { consumed } : {}),
  }
  if (settings.log === 'embedded') {
    // Of what is there already; the rest is a database that is new here.
    const root = await findRoot(place)
    if (root) await claimLogKind(place, root.generation, settings.log)
    const db = withUpkeep(await openDatabase<S>(common))
    if (!root) await claimLogKind(place, db.identity.generation, settings.log)
    return db
  }
  for (;;) {
    const { store, generation } = await findOrCreateRoot(place, clock.now())
    const identity = { store, generation }
    await claimLogKind(place, generation, settings.log)
    // Only the embedded log has none.
    const log = (await backend.openLog(service, identity))!
    try {
      return withUpkeep(await openLogDatabase<S>({ ...common, log, identity, shipsLog: settings.log !== 'bucket' }))
    } catch (error) {
      await log[Symbol.asyncDispose]()
      // An import by another instance, just now.
      const isOther = (await findOrCreateRoot(place, clock.now())).generation !== generation
      if (!isOther || !isSlipwayError(error, 'database_foreign')) throw error
    }
  }
}

/** With `storage` there is an upkeep. */
function withUpkeep<D extends { readonly upkeep: Upkeep | undefined }>(db: D): D & { readonly upkeep: Upkeep } {
  return db as D & { readonly upkeep: Upkeep }
}
