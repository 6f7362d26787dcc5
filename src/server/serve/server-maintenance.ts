// Maintenance of a running server: what the datamanager does, with the secrets of exports under a passphrase.

import type { Schema } from '../../datamanager/database.ts'
import type { DatabaseSettings } from '../../datamanager/database-config.ts'
import { unknownDatabase } from '../../datamanager/export/import-exports.ts'
import {
  type DatabaseService,
  databaseServices,
  type InstallationDatabases,
  type ServiceDatabase,
} from '../../datamanager/installation-databases.ts'
import type { Maintenance } from '../../gateway/maintenance.ts'
import type { Clock } from '../../lib/clock.ts'
import { type InstallationKeys, sealedStoreId, secretsExport, secretsImport } from '../sealed-export.ts'
import { waitingWorkOf } from '../waiting-work.ts'

export type ServerMaintenanceParts = {
  readonly databases: Pick<InstallationDatabases, 'maintenance'>
  readonly keys: InstallationKeys
  /** The databases of this process, asked when they are needed. */
  readonly opened: ReadonlyMap<DatabaseService, ServiceDatabase<Schema>>
  /** Where the log of the databases is. */
  readonly log: DatabaseSettings['log']
  readonly clock: Clock
}

export function serverMaintenance({ databases, keys, opened, log, clock }: ServerMaintenanceParts): Maintenance {
  const { maintenance } = databases
  return {
    checkOpen: () => maintenance.checkOpen(),
    status: (signal) => maintenance.status(signal),
    databasesStatus: async (signal) => {
      const [status, storage] = await Promise.all([maintenance.status(signal), maintenance.storage()])
      const now = clock.now()
      const described = status.databases.map(({ service, generation, position }) => {
        const { shipped, snapshots = [], snapshotAgeMs } = storage.get(service) ?? {}
        const database = opened.get(asService(service))
        const waiting = database === undefined ? [] : waitingWorkOf(service, database, now)
        return { service, generation, position, shipped, snapshots, snapshotAgeMs, waiting }
      })
      return { log, databases: described, instances: status.instances }
    },
    enter: (by, why) => maintenance.enter(by, why),
    leave: () => maintenance.leave(),
    exportAll: ({ signal, passphrase }) =>
      maintenance.exportAll({
        signal,
        secretsOf: (name) => {
          const service = asService(name)
          const database = opened.get(service)
          if (passphrase === undefined || database === undefined) return undefined
          return secretsExport(service, { keys, storeId: sealedStoreId(service, database), passphrase })
        },
      }),
    import: (stream, { signal, passphrase }) =>
      maintenance.import(stream, {
        signal,
        openSecrets: (header) => secretsImport(asService(header.database), header, { key: keys[0], passphrase }),
      }),
  }
}

function asService(name: string): DatabaseService {
  const service = databaseServices.find((candidate) => candidate === name)
  if (service === undefined) throw unknownDatabase(name, databaseServices)
  return service
}
