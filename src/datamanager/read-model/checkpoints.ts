// Carries pages from the WAL into the file in a thread of its own. SQLite would do so in the commit after which the WAL is
// long: some thousand pages and an fsync, for which the whole process waits. The thread leaves what was written meanwhile;
// carrying that takes a moment, after which the WAL begins anew.

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { checkpointPages } from './sqlite.ts'

/** Commits between two looks at how much was changed. */
const commitsPerLook = 16
/** When the thread is late, a commit has to do it after all: three times as many pages, about 48 MiB. */
const latePages = 3 * checkpointPages

const workerFile = new URL(
  import.meta.url.endsWith('.ts') ? './checkpoint-worker.ts' : './checkpoint-worker.js',
  import.meta.url,
)

export class Checkpoints implements AsyncDisposable {
  readonly #connection: DatabaseSync
  readonly #path: string
  #countChanges: StatementSync | undefined
  #worker: Worker | undefined
  #isRunning = false
  #isClosed = false
  #commits = 0
  /** Rows that had been changed when the thread was told to begin last. */
  #changed = 0

  /** `connection` is the one that writes; it is not closed here. */
  constructor(connection: DatabaseSync, path: string) {
    this.#connection = connection
    this.#path = path
    connection.exec(`PRAGMA wal_autocheckpoint = ${latePages}`)
  }

  /** To be called after each commit. The thread is made when it is needed first, so that a small database has none. */
  committed(): void {
    if (++this.#commits % commitsPerLook !== 0 || this.#isRunning || this.#isClosed) return
    // About as many pages: rows and index entries are all over the file.
    this.#countChanges ??= this.#connection.prepare('SELECT total_changes() AS n')
    const changed = Number(this.#countChanges.get()?.n)
    if (changed - this.#changed < checkpointPages) return
    this.#changed = changed
    this.#isRunning = true
    this.#worker ??= this.#open()
    this.#worker.postMessage('checkpoint')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    await this.#worker?.terminate()
  }

  #open(): Worker {
    const worker = new Worker(workerFile, { workerData: this.#path, name: 'checkpoint' })
    worker.unref()
    worker.on('message', () => this.#finish())
    // Without it commits do it again, after as many pages as SQLite takes.
    worker.on(
      'error',
      () => this.#connection.isOpen && this.#connection.exec(`PRAGMA wal_autocheckpoint = ${checkpointPages}`),
    )
    worker.on('exit', () => {
      this.#isClosed = true
    })
    return worker
  }

  #finish(): void {
    this.#isRunning = false
    if (this.#isClosed || !this.#connection.isOpen || this.#connection.isTransaction) return
    this.#connection.exec('PRAGMA wal_checkpoint(PASSIVE)')
  }
}
