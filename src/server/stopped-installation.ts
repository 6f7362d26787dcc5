// The databases of an installation that is stopped, found from its directory: those of a server, or the one of a local run. With
// a log outside of the directory most of it works while instances run, too.

import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { configstoreRowTypes } from '../configstore/row-types.ts'
import type { RowTypes, Schema } from '../datamanager/database.ts'
import { type DatabaseSettings, openDatabaseBackend } from '../datamanager/database-config.ts'
import { completeImport } from '../datamanager/export/complete-import.ts'
import { exportDatabase, type OpenedExport } from '../datamanager/export/export-database.ts'
import type { Imported } from '../datamanager/export/import-database.ts'
import { type ImportTarget, importExports, unknownDatabase } from '../datamanager/export/import-exports.ts'
import {
  type DatabaseService,
  databaseBase,
  databaseServices,
  type InstallationDatabases,
  openInstallationDatabases,
  type ServiceDatabase,
  serviceFile,
  servicePlace,
} from '../datamanager/installation-databases.ts'
import { installationName } from '../datamanager/installation-id.ts'
import { listInstances, type SeenInstance } from '../datamanager/instances.ts'
import { type LogReport, verifyLog } from '../datamanager/log/verify-log.ts'
import type { InstallationMaintenance } from '../datamanager/maintenance.ts'
import { openDatabase } from '../datamanager/open-database.ts'
import { listManifests, readManifest } from '../datamanager/snapshot/manifest.ts'
import { findRoot } from '../datamanager/snapshot/root.ts'
import { findShippedHead } from '../datamanager/snapshot/shipped-log.ts'
import { verifyStorage } from '../datamanager/snapshot/verify-storage.ts'
import { exportStopped, type StoppedDatabase, verifyStopped } from '../datamanager/stopped-database.ts'
import { gatewayRowTypes } from '../gateway/rows.ts'
import { systemClock } from '../lib/clock.ts'
import { SlipwayError } from '../lib/errors.ts'
import { loadInstallationKey, type SealingKey } from '../lib/sealing.ts'
import { newUuid } from '../lib/uuid.ts'
import { notificationRowTypes } from '../notification/row-types.ts'
import type { ObjectStorage } from '../objectstorage/object-storage.ts'
import { type ObjectStorageSettings, openObjectStorage } from '../objectstorage/open-object-storage.ts'
import { runserviceRowTypes } from '../runservice/row-types.ts'
import type { AgolaService } from './agola-import/agola-services.ts'
import { convertAgolaExport } from './agola-import/convert.ts'
import type { AgolaImportReport } from './agola-import/import-report.ts'
import { sealedStoreId, secretsExport, secretsImport } from './sealed-export.ts'
import { readSettings } from './settings/read-settings.ts'
import { isStorageShared } from './settings/shared-storage.ts'

export type { DatabaseMaintenanceStatus, MaintenanceStatus } from '../datamanager/maintenance.ts'
export {
  type DatabaseStatus,
  databaseStatus,
  restoreStopped,
} from '../datamanager/stopped-database.ts'
export type { AgolaImportReport } from './agola-import/import-report.ts'

const rowTypes: Readonly<Record<DatabaseService, RowTypes>> = {
  configstore: configstoreRowTypes,
  runservice: runserviceRowTypes,
  notification: notificationRowTypes,
  gateway: gatewayRowTypes,
}

/** How often instances are asked whether they have entered maintenance. */
const askMs = 500

export type InstallationPlace = {
  /** The data directory of a server, or the directory of one local run. */
  readonly directory: string
  /** The settings of the server; without it they are the defaults: everything is in the directory. */
  readonly settingsFile?: string | undefined
}

export type Passphrase = { readonly passphrase?: string | undefined; readonly keyFile?: string | undefined }

export class StoppedInstallation implements AsyncDisposable {
  readonly log: DatabaseSettings['log']
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
    this.log = parts.settings.log
  }

  /** Those there is anything of, or all; `named` picks one (`usage` when it is none). */
  async databases(named?: string): Promise<readonly StoppedDatabase[]> {
    const { local, directory, storage } = this.#parts
    const all = (local ? (['runservice'] as const) : databaseServices).map((service) => ({
      path: local ? localFile(directory) : serviceFile(filesOf(directory), service),
      types: rowTypes[service],
      place: servicePlace({ storage }, service),
      name: service,
      clock: systemClock,
    }))
    if (named !== undefined) return [all.find(({ name }) => name === named) ?? fail(named)]
    const found: StoppedDatabase[] = []
    for (const database of all) if (existsSync(database.path) || (await findRoot(database.place))) found.push(database)
    return found
  }

  /** Who has worked on it in the last hour, and with a log outside of the directory who does so now. */
  async instances(): Promise<readonly SeenInstance[]> {
    const { local, storage, settings } = this.#parts
    if (local) return []
    const parts = { storage, base: databaseBase, clock: systemClock }
    await using backend = await openDatabaseBackend(settings, parts)
    return await listInstances({ ...parts, coordination: backend.coordination })
  }

  /** Reads a database whole and compares it with its hashes. Errors: `database_locked`, those of opening. */
  async verify(database: StoppedDatabase): Promise<VerifyReport> {
    const { storage, settings } = this.#parts
    if (settings.log === 'embedded') return await verifyStopped(database)
    const report = await verifyStorage(database.place)
    await using backend = await openDatabaseBackend(settings, { storage, base: databaseBase, clock: systemClock })
    await using log = (await backend.openLog(database.name, report.identity))! // only the embedded one is none
    const known = new Map<number, string>()
    for (const { position } of report.snapshots.filter(({ isSound }) => isSound))
      known.set(position, (await readManifest(database.place, report.identity, position)).hash)
    return { file: undefined, storage: report, log: await verifyLog(log, report.identity, known) }
  }

  /**
   * After the log of a database was lost, or went back to an older state: makes a new generation of what object storage has of
   * it. Only while nothing runs. Errors: `usage` when the log has all that was shipped, those of reaching it, of restoreDatabase
   * and of an import.
   */
  async recover(database: StoppedDatabase, signal: AbortSignal): Promise<Imported & { readonly position: number }> {
    const { settings } = this.#parts
    const { place, types, name } = database
    if (settings.log === 'bucket')
      throw new SlipwayError('usage', 'the log is in object storage: there is no other copy')
    if (!(await this.isLogLost(database)))
      throw new SlipwayError('usage', `${name}: the log ${settings.log} has all that was shipped, it is not lost`)
    await using undo = new AsyncDisposableStack()
    const path = join(temporaryDirectory(undo), 'restored.db')
    // What is shipped is a log like any other, so it is opened as the embedded one of a file that was lost.
    await using db = await openDatabase<Schema>({ path, types, clock: systemClock, storage: { place } })
    const { position, maintenance, identity } = db
    if (maintenance?.replacedBy !== undefined) {
      await completeImport(place, identity, maintenance.replacedBy, signal)
      throw new SlipwayError('usage', `${name}: an import that had been interrupted was completed; repeat this`)
    }
    await db.freeze('slipway database restore', 'the log was lost')
    const target = {
      ...{ place, types },
      ...(maintenance ? { maintenance } : {}),
      closeOld: (generation: string) => db.closeGeneration(generation),
    }
    const stream = exportDatabase(db.upkeep!, { database: name, place, signal })
    const request = { signal, now: systemClock.now(), logKind: settings.log }
    const [imported] = await importExports(stream, () => target, request)
    return { ...imported!, position } // one in, one out
  }

  /**
   * Whether the log lacks records that were shipped. One that has all of them must not be left behind: instances could still be
   * writing to it. Errors: of reaching the log.
   */
  async isLogLost({ name, place }: StoppedDatabase): Promise<boolean> {
    const { storage, settings } = this.#parts
    const root = await findRoot(place)
    if (!root) return false
    await using backend = await openDatabaseBackend(settings, { storage, base: databaseBase, clock: systemClock })
    await using log = (await backend.openLog(name, root))! // only the embedded one is none
    const [newest = 0] = await listManifests(place, root.generation)
    const shipped = await findShippedHead(place, root.generation, newest)
    return (await log.head()) < (shipped?.position ?? newest)
  }

  /**
   * Opens all its databases, as one more instance that nobody sees. Errors: `database_locked` while a process has an embedded
   * one open; `usage` for a local run.
   */
  async join(): Promise<JoinedInstallation> {
    const { local, directory, storage, objectStorage, settings } = this.#parts
    if (local) throw new SlipwayError('usage', `${directory} is a local run: it has no maintenance`)
    await using undo = new AsyncDisposableStack()
    const databases = undo.use(
      await openInstallationDatabases({
        settings,
        // A read model of its own, so that an instance that runs on this directory keeps its files.
        directory: settings.log === 'embedded' ? filesOf(directory) : temporaryDirectory(undo),
        storage,
        isStorageShared: isStorageShared({ objectStorage, dataDir: directory }),
        clock: systemClock,
        instanceId: `tool-${process.pid}-${newUuid().slice(-8)}`,
        version: '',
        isHidden: true,
      }),
    )
    const opened = new Map<string, ServiceDatabase<Schema>>()
    for (const { name } of await this.databases()) {
      const service = name as DatabaseService // of a server
      opened.set(service, undo.use(await databases.open<Schema>(service, { types: rowTypes[service] })))
    }
    const owned = undo.move()
    return Object.assign(databases, { opened, [Symbol.asyncDispose]: () => owned.disposeAsync() })
  }

  /**
   * All rows of one database or of all, as bytes; with a passphrase with their secrets under it. Errors: of openExport,
   * `key_missing`, `key_wrong`.
   */
  async *exportAll({ passphrase, keyFile }: Passphrase, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    if (this.#parts.local) {
      for (const database of await this.databases()) yield* exportStopped(database, signal)
      return
    }
    await using joined = await this.join()
    const secretsOf = (service: string) => this.#secretsOf(joined, service, { passphrase, keyFile })
    yield* joined.maintenance.exportAll({ signal, secretsOf })
  }

  /** The same of one database, which can go on where it broke off. Its stream ends with the installation. */
  async openExport(
    service: string,
    {
      resume,
      ...secret
    }: Passphrase & { readonly resume?: { readonly id: string; readonly offset: number } | undefined },
    signal: AbortSignal,
  ): Promise<OpenedExport> {
    await using undo = new AsyncDisposableStack()
    const joined = undo.use(await this.join())
    const secrets = this.#secretsOf(joined, service, secret)
    const options = { signal, ...(resume ? { resume } : {}), ...(secrets ? { secrets } : {}) }
    const { id, stream } = undo.use(await joined.maintenance.openExport(service, options))
    const owned = undo.move()
    return { id, stream, [Symbol.asyncDispose]: () => owned.disposeAsync() }
  }

  /**
   * Replaces the databases of which `stream` has exports. Those that are not in maintenance are for the time of it. A database
   * that is not there yet is made, with the store id of the export. Errors: as importExports; nothing was changed then.
   */
  async import(
    stream: AsyncIterable<Uint8Array>,
    { passphrase, keyFile, signal }: Passphrase & { readonly signal: AbortSignal },
  ): Promise<readonly Imported[]> {
    const key = passphrase === undefined ? undefined : this.#key(keyFile)
    const imported = await this.#import(stream, { key, passphrase, signal })
    // Opening them makes the files of the new generations, so that a failure shows now.
    await using _ = await this.join()
    return imported
  }

  /**
   * Replaces the database of `service` by an export of Agola. Runs that had not ended do not go on. Errors: as `import`, and
   * `key_missing`: values of secrets are sealed under the key of the installation.
   */
  async importAgola(
    stream: AsyncIterable<Uint8Array>,
    { service, keyFile, signal }: { service: AgolaService; keyFile?: string | undefined; signal: AbortSignal },
  ): Promise<{ readonly imported: readonly Imported[]; readonly report: AgolaImportReport }> {
    const { storage } = this.#parts
    const now = systemClock.now()
    const root = await findRoot(servicePlace({ storage }, service))
    const options = { service, storeId: root?.store ?? newUuid(now), key: this.#key(keyFile), now, signal }
    await using converted = await convertAgolaExport(stream, options)
    const imported = await this.import(converted.stream, { signal })
    return { imported, report: converted.report }
  }

  async #import(
    stream: AsyncIterable<Uint8Array>,
    { key, passphrase, signal }: { key: SealingKey | undefined; passphrase: string | undefined; signal: AbortSignal },
  ): Promise<readonly Imported[]> {
    const { storage } = this.#parts
    await using joined = await this.join()
    const frozen: ServiceDatabase<Schema>[] = []
    const targetOf = async (service: string): Promise<ImportTarget> => {
      const place = servicePlace({ storage }, asService(service))
      const types = rowTypes[asService(service)]
      const db = joined.opened.get(service)
      if (!db) return { place, types }
      const before = db.maintenance
      if (!before) {
        await db.freeze('slipway import', `${service} is replaced by an export`)
        frozen.push(db)
      }
      const closeOld = (generation: string) => db.closeGeneration(generation)
      return { place, types, closeOld, ...(before ? { maintenance: before } : {}) }
    }
    try {
      return await importExports(stream, targetOf, {
        signal,
        now: systemClock.now(),
        openSecrets: (header) => key && secretsImport(asService(header.database), header, { key, passphrase }),
      })
    } catch (error) {
      for (const db of frozen) if (db.maintenance?.replacedBy === undefined) await db.unfreeze()
      throw error
    }
  }

  /**
   * Moves all databases into the log of `target`, which has the same object storage: each becomes a new generation with the
   * same rows, in maintenance, with its old log closed. Then nothing but `target` can open them. Errors: `usage` for another
   * storage, the same log or an instance that has not entered maintenance in `timeoutMs`; those of `import`, and nothing was
   * changed then.
   */
  async move(
    target: StoppedInstallation,
    { by, timeoutMs, signal }: { readonly by: string; readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<readonly Imported[]> {
    const { settings, storage, objectStorage } = this.#parts
    const to = target.#parts.settings
    if (!isDeepStrictEqual(objectStorage, target.#parts.objectStorage))
      throw new SlipwayError('usage', 'the object storage is another one: move with an export and an import')
    if (isDeepStrictEqual(settings, to)) throw new SlipwayError('usage', `the log is where it is to go: ${to.log}`)
    await using joined = await this.join()
    const { installation, maintenance } = joined
    {
      // Whatever is wrong with the new place shows before anything is changed.
      const parts = { storage, base: databaseBase, clock: systemClock }
      await using backend = await openDatabaseBackend(to, parts, signal)
      await backend.bind(installationName, installation, signal)
    }
    const before = new Set([...joined.opened].flatMap(([service, db]) => (db.maintenance ? [service] : [])))
    await maintenance.enter(by, `moves to the log ${to.log}`)
    try {
      await untilEverywhere(maintenance, timeoutMs, signal)
      return await maintenance.import(maintenance.exportAll({ signal }), { signal, logKind: to.log })
    } catch (error) {
      for (const [service, db] of joined.opened)
        if (!before.has(service) && db.maintenance?.replacedBy === undefined) await db.unfreeze()
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.storage[Symbol.asyncDispose]()
  }

  #secretsOf(joined: JoinedInstallation, service: string, { passphrase, keyFile }: Passphrase) {
    const db = joined.opened.get(service)
    if (passphrase === undefined || !db) return undefined
    return secretsExport(asService(service), {
      keys: this.#keys(keyFile),
      storeId: sealedStoreId(service, db),
      passphrase,
    })
  }

  #key(keyFile: string | undefined): SealingKey {
    return loadInstallationKey(keyFile ?? this.#parts.keyFile, { create: false })
  }

  #keys(keyFile: string | undefined): readonly [SealingKey, ...SealingKey[]] {
    return [this.#key(keyFile), ...this.#parts.retiredKeyFiles.map((path) => this.#key(path))]
  }
}

export type VerifyReport = Awaited<ReturnType<typeof verifyStopped>> & {
  /** Of a log outside of the directory. */
  readonly log?: LogReport
}

export type JoinedInstallation = InstallationDatabases & {
  /** By service. */
  readonly opened: ReadonlyMap<string, ServiceDatabase<Schema>>
}

type Parts = {
  readonly directory: string
  readonly objectStorage: ObjectStorageSettings
  readonly settings: DatabaseSettings
  readonly storage: ObjectStorage
  readonly keyFile: string
  readonly retiredKeyFiles: readonly string[]
  /** One database of `slipway run`, not those of a server. */
  readonly local: boolean
}

/**
 * Errors: `usage` when `directory` has nothing of an installation and `mustExist`, `config_invalid`, those of opening object
 * storage.
 */
export async function openStoppedInstallation(
  { directory, settingsFile }: InstallationPlace,
  { mustExist }: { readonly mustExist: boolean },
): Promise<StoppedInstallation> {
  const options = { dataDir: directory }
  // The environment is the server's, not the operator's.
  const settings = readSettings({ environment: {}, options, ...(settingsFile ? { file: settingsFile } : {}) })
  const isThere = existsSync(join(directory, 'database')) || existsSync(join(directory, 'objects'))
  if (mustExist && !isThere && settingsFile === undefined)
    throw new SlipwayError(
      'usage',
      `${directory} is no directory of an installation: it has neither database nor objects`,
    )
  const storage = await openObjectStorage(settings.objectStorage)
  const local = settingsFile === undefined && isLocalRun(directory)
  return new StoppedInstallation({
    ...{ directory, storage, local, settings: settings.database, objectStorage: settings.objectStorage },
    keyFile: settings.keys.installationFile ?? join(settings.dataDir, 'keys', 'installation'),
    retiredKeyFiles: settings.keys.retiredFiles,
  })
}

const filesOf = (directory: string) => join(directory, 'database')
const localFile = (directory: string) => join(directory, 'database')

/** A local run has one database, which is the file itself. */
function isLocalRun(directory: string): boolean {
  const path = localFile(directory)
  return existsSync(path) && statSync(path).isFile()
}

async function untilEverywhere(
  maintenance: InstallationMaintenance,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const late = systemClock.timeout(timeoutMs)
  for (;;) {
    const { isEverywhere, instances } = await maintenance.status(signal)
    if (isEverywhere) return
    if (late.aborted) {
      const missing = instances.filter(({ hasEntered, isPresent }) => isPresent && !hasEntered)
      const names = missing.map(({ instanceId }) => instanceId).join(', ')
      throw new SlipwayError('usage', `instances have not entered maintenance: ${names}; stop them first`)
    }
    await systemClock.sleep(askMs, signal)
  }
}

function asService(name: string): DatabaseService {
  return databaseServices.find((service) => service === name) ?? fail(name)
}

function fail(name: string): never {
  throw unknownDatabase(name, databaseServices)
}

function temporaryDirectory(owned: AsyncDisposableStack): string {
  const directory = mkdtempSync(join(tmpdir(), 'slipway-tool-'))
  owned.defer(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
