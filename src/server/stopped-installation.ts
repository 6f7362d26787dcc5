// The databases of an installation that is stopped, found from its directory.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { StoppedDatabase } from '../datamanager/stopped-database.ts'
import { systemClock } from '../lib/clock.ts'
import { SlipwayError } from '../lib/errors.ts'
import { openPosixObjectStorage } from '../objectstorage/posix.ts'
import { runserviceRowTypes } from '../runservice/row-types.ts'

export {
  type DatabaseStatus,
  databaseStatus,
  exportStopped,
  importStopped,
  restoreStopped,
  verifyStopped,
} from '../datamanager/stopped-database.ts'

/** Name of the database of runs, in exports and keys. */
const runserviceDatabase = 'runservice'

/**
 * The database of runs in `directory`, which holds `database` and `objects`. Neither has to be there when it is to be
 * restored or imported into. Errors: `usage` when there is nothing at all and `mustExist`; those of opening object storage.
 */
export async function openStoppedInstallation(
  directory: string,
  options: { readonly mustExist: boolean },
): Promise<StoppedDatabase & AsyncDisposable> {
  const path = join(directory, 'database')
  const objects = join(directory, 'objects')
  if (options.mustExist && !existsSync(path) && !existsSync(objects))
    throw new SlipwayError(
      'usage',
      `${directory} is no directory of an installation: it has neither database nor objects`,
    )
  const ost = await openPosixObjectStorage({ root: objects })
  return {
    path,
    types: runserviceRowTypes,
    place: { ost, base: `database/${runserviceDatabase}` },
    name: runserviceDatabase,
    clock: systemClock,
    [Symbol.asyncDispose]: () => ost[Symbol.asyncDispose](),
  }
}
