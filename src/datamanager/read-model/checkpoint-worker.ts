// The thread that carries pages from the WAL into the file: it does so for each message, and answers it.

import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { invariant } from '../../lib/errors.ts'

invariant(parentPort, 'this file is the main file of a worker thread')
const port = parentPort
const db = new DatabaseSync(String(workerData))

/** A pass that leaves so few frames of the WAL is the last: the one who writes carries them, and waits for little but the sync. */
const fewFrames = 64
const passesMax = 8

port.on('message', () => {
  try {
    carryAll()
  } catch {
    // Whoever writes does it then, when the WAL has grown.
  }
  port.postMessage('done')
})

/** Each pass carries what was written during the one before, so they become shorter. */
function carryAll(): void {
  const pass = db.prepare('PRAGMA wal_checkpoint(PASSIVE)')
  let end = 0
  for (let passes = 0; passes < passesMax; passes++) {
    const frames = Number(pass.get()?.log)
    if (passes > 0 && frames - end < fewFrames) return
    end = frames
  }
}
