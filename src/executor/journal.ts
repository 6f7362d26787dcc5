// What an executor remembers of a task on its own disk, so that its successor goes on where it was: never secrets, never
// output (that is the pod's spool). One JSON file per executor task, replaced whole by rename.
//
//   <dir>/<executor task id>.json

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TaskReport } from '../runservice/executor-api.ts'

export type JournalEntry = {
  readonly format: 1
  readonly executorTaskId: string
  /** Driver that has the pod, once it was chosen. */
  readonly driver?: string
  /** When steps could be started: the task's timeout counts from here. */
  readonly podStartedAt?: number
  /** The last status, counted up before it is sent. */
  readonly report: TaskReport
}

/**
 * Writes are not synced: they survive a kill, and after a power cut the number goes on from the one the runservice knows,
 * which every order carries.
 */
export class Journal {
  readonly #dir: string

  constructor(dir: string) {
    this.#dir = dir
    mkdirSync(dir, { recursive: true, mode: 0o700 })
  }

  save(entry: JournalEntry): void {
    const path = this.#path(entry.executorTaskId)
    writeFileSync(`${path}.new`, JSON.stringify(entry), { mode: 0o600 })
    renameSync(`${path}.new`, path)
  }

  /** The entry, or undefined when there is none or it was cut short by a power cut. */
  find(executorTaskId: string): JournalEntry | undefined {
    try {
      const entry: unknown = JSON.parse(readFileSync(this.#path(executorTaskId), 'utf8'))
      return isEntry(entry) ? entry : undefined
    } catch {
      return undefined
    }
  }

  /** Ids of all tasks it knows. */
  ids(): readonly string[] {
    return readdirSync(this.#dir)
      .filter((name) => name.endsWith('.json'))
      .map((name) => decodeURIComponent(name.slice(0, -'.json'.length)))
  }

  delete(executorTaskId: string): void {
    rmSync(this.#path(executorTaskId), { force: true })
    rmSync(`${this.#path(executorTaskId)}.new`, { force: true })
  }

  #path(executorTaskId: string): string {
    return join(this.#dir, `${encodeURIComponent(executorTaskId)}.json`)
  }
}

function isEntry(value: unknown): value is JournalEntry {
  return typeof value === 'object' && value !== null && 'format' in value && value.format === 1 && 'report' in value
}
