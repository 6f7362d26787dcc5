// Maintenance of a running server: what the datamanager does, with the secrets of exports under a passphrase.

import type { Schema } from '../../datamanager/database.ts'
import { unknownDatabase } from '../../datamanager/export/import-exports.ts'
import {
  type DatabaseService,
  databaseServices,
  type InstallationDatabases,
  type ServiceDatabase,
} from '../../datamanager/installation-databases.ts'
import type { Maintenance } from '../../gateway/maintenance.ts'
import { type InstallationKeys, sealedStoreId, secretsExport, secretsImport } from '../sealed-export.ts'

/** `opened`: the databases of this process, asked when they are needed. */
export function serverMaintenance(
  { maintenance }: Pick<InstallationDatabases, 'maintenance'>,
  keys: InstallationKeys,
  opened: ReadonlyMap<DatabaseService, ServiceDatabase<Schema>>,
): Maintenance {
  return {
    checkOpen: () => maintenance.checkOpen(),
    status: (signal) => maintenance.status(signal),
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
