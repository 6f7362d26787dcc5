// The least a log of changes can have written: every row that is there in the end, once.

import { DatabaseSync } from 'node:sqlite'

/** Bytes of the bodies of all rows in the database at `path`. */
export function rowBytes(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return Number(database.prepare('SELECT sum(length(CAST(body AS BLOB))) AS bytes FROM stored_row').get()?.bytes)
  } finally {
    database.close()
  }
}
