// The thread that carries pages from the WAL into the file: it does so for each message, and answers it.

import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { invariant } from '../../lib/errors.ts'

invariant(parentPort, 'this file is the main file of a worker thread')
const port = parentPort
const db = new DatabaseSync(String(workerData))

port.on('message', () => {
  try {
    db.exec('PRAGMA wal_checkpoint(PASSIVE)')
  } catch {
    // Whoever writes does it then, when the WAL has grown.
  }
  port.postMessage('done')
})
