// Maintenance of the databases of an installation: begin it, see who has entered it, export, import, end it. This is what the
// gateway offers and `slipway maintenance | export | import` use; who may do it is theirs to decide.
//
// An instance has entered when it has applied the record that began it: from then on it writes nothing. Whatever serves
// requests asks `checkOpen` first, so that it refuses everything but what is offered here.

import type { Clock } from '../lib/clock.ts'
import { SlipwayError } from '../lib/errors.ts'
import type { Json } from '../lib/json.ts'
import type { Maintenance, Position, RowTypes, Schema } from './database.ts'
import { type ExportResumption, type OpenedExport, openExport } from './export/export-database.ts'
import type { OpenSecretsExport } from './export/export-secrets.ts'
import type { Imported } from './export/import-database.ts'
import { type ImportRequest, importExports, unknownDatabase } from './export/import-exports.ts'
import type { ServiceDatabase } from './installation-databases.ts'
import type { SeenInstance } from './instances.ts'
import type { StoragePlace } from './snapshot/keys.ts'
import { type StorageStatus, storageStatus } from './storage-status.ts'

/** A database of this process and what maintenance needs to know of it. */
export type MaintainedDatabase = {
  readonly service: string
  readonly types: RowTypes
  readonly place: StoragePlace
  readonly db: ServiceDatabase<Schema>
}

export type MaintenanceParts = {
  readonly clock: Clock
  /** Those that are open in this process now; asked anew each time. */
  readonly databases: () => readonly MaintainedDatabase[]
  /** All instances of the installation. */
  readonly instances: (signal?: AbortSignal) => Promise<readonly SeenInstance[]>
}

export type DatabaseMaintenanceStatus = {
  readonly service: string
  readonly generation: string
  readonly position: Position
  /** Set while it is in maintenance. */
  readonly maintenance: Maintenance | undefined
}

export type InstanceMaintenanceStatus = SeenInstance & {
  /** Every database of it is in maintenance. */
  readonly hasEntered: boolean
}

export type MaintenanceStatus = {
  readonly databases: readonly DatabaseMaintenanceStatus[]
  readonly instances: readonly InstanceMaintenanceStatus[]
  /** All databases are in maintenance, and every instance that is there has entered it. */
  readonly isEverywhere: boolean
}

export type ExportRequest = {
  readonly signal: AbortSignal
  readonly resume?: ExportResumption
  readonly secrets?: OpenSecretsExport
}

export type ExportAllRequest = {
  readonly signal: AbortSignal
  /** The secrets of a database; undefined leaves them as they are. */
  readonly secretsOf?: (service: string) => OpenSecretsExport | undefined
}

export class InstallationMaintenance {
  readonly #parts: MaintenanceParts

  constructor(parts: MaintenanceParts) {
    this.#parts = parts
  }

  /** Why this instance is in maintenance, if it is. */
  get current(): Maintenance | undefined {
    return this.#parts.databases().find(({ db }) => db.maintenance !== undefined)?.db.maintenance
  }

  /** Throws `maintenance`, with who began it and why: before anything is served but what this class offers. */
  checkOpen(): void {
    const current = this.current
    if (current) throw new SlipwayError('maintenance', `in maintenance by ${current.by}: ${current.why}`)
  }

  /**
   * Freezes all databases of this process, one after the other; what is frozen already stays as it is. Instances that have
   * them open enter by themselves: `status` says when all have.
   */
  async enter(by: string, why: string): Promise<readonly DatabaseMaintenanceStatus[]> {
    for (const { db } of this.#parts.databases()) await db.freeze(by, why)
    return this.#databases()
  }

  /** Ends it. `import_refused` for a database that an import has replaced here and that was not opened anew yet. */
  async leave(): Promise<readonly DatabaseMaintenanceStatus[]> {
    for (const { db } of this.#parts.databases()) if (db.maintenance) await db.unfreeze()
    return this.#databases()
  }

  /** Errors: of coordination and object storage. */
  async status(signal?: AbortSignal): Promise<MaintenanceStatus> {
    return maintenanceStatus(this.#databases(), await this.#parts.instances(signal))
  }

  /** What object storage holds of each database of this process, by service. Errors: of the storage. */
  async storage(): Promise<ReadonlyMap<string, StorageStatus>> {
    const found = this.#parts
      .databases()
      .map(async ({ service, place }) => [service, await storageStatus(place, this.#parts.clock)] as const)
    return new Map(await Promise.all(found))
  }

  /** As openExport, of the database of `service`; `usage` when this process has none. Works at any time. */
  async openExport(service: string, { signal, resume, secrets }: ExportRequest): Promise<OpenedExport> {
    const { db, place } = this.#find(service)
    const options = { database: service, place, signal, resume, ...(secrets ? { secrets } : {}) }
    return await openExport(db.upkeep, options)
  }

  /** The exports of all databases of this process, one after the other; such a stream is imported as one. */
  async *exportAll({ signal, secretsOf }: ExportAllRequest): AsyncGenerator<Uint8Array> {
    for (const { service } of this.#parts.databases()) {
      const secrets = secretsOf?.(service)
      await using opened = await this.openExport(service, { signal, ...(secrets ? { secrets } : {}) })
      yield* opened.stream
    }
  }

  /**
   * Replaces the databases of which `stream` has exports, or throws and has changed nothing: as importExports. Only in
   * maintenance, in which the new generations begin, too. The databases of this process then are ones that were replaced
   * (`maintenance.replacedBy`): whoever opened them opens them anew.
   */
  import(stream: AsyncIterable<Uint8Array>, request: ImportRequest): Promise<readonly Imported[]> {
    const targetOf = (database: string) => {
      const { db, place, types } = this.#find(database)
      const { maintenance } = db
      if (!maintenance) throw new SlipwayError('import_refused', `import: ${database} is not in maintenance`)
      if (maintenance.replacedBy !== undefined)
        throw new SlipwayError('import_refused', `import: ${database} was replaced just now and is being opened anew`)
      return { place, types, maintenance, closeOld: (generation: string) => db.closeGeneration(generation) }
    }
    return importExports(stream, targetOf, { ...request, now: this.#parts.clock.now() })
  }

  #databases(): DatabaseMaintenanceStatus[] {
    return this.#parts.databases().map(({ service, db }) => ({
      service,
      generation: db.identity.generation,
      position: db.position,
      maintenance: db.maintenance,
    }))
  }

  #find(service: string): MaintainedDatabase {
    const found = this.#parts.databases().find((database) => database.service === service)
    if (found) return found
    throw unknownDatabase(
      service,
      this.#parts.databases().map((database) => database.service),
    )
  }
}

/** What `databases` and what the instances say, put together. */
export function maintenanceStatus(
  databases: readonly DatabaseMaintenanceStatus[],
  seen: readonly SeenInstance[],
): MaintenanceStatus {
  const instances = seen.map((instance) => ({ ...instance, hasEntered: hasEntered(instance) }))
  const isEverywhere =
    databases.length > 0 &&
    databases.every(({ maintenance }) => maintenance !== undefined) &&
    instances.every((instance) => instance.hasEntered || !instance.isPresent || isEmpty(instance))
  return { databases, instances, isEverywhere }
}

const isEmpty = ({ databases }: SeenInstance) => Object.keys(databases).length === 0

function hasEntered(instance: SeenInstance): boolean {
  return !isEmpty(instance) && Object.values(instance.databases).every(({ maintenance }) => maintenance !== 'no')
}

/** For answers and `--output json`. */
export function encodeMaintenanceStatus(status: MaintenanceStatus): Json {
  return JSON.parse(JSON.stringify(status)) as Json
}
