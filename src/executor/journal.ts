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

export interface Journal {
  /** Replaces the entry; it is there when this returns. */
  save(entry: JournalEntry): void
  /** The entry, or undefined when there is none or it was cut short by a power cut. */
  find(executorTaskId: string): JournalEntry | undefined
  /** Ids of all tasks it knows. */
  ids(): readonly string[]
  /** Idempotent. */
  delete(executorTaskId: string): void
}

/**
 * The journal in `dir`, made when missing, of one executor at a time. Writes are not synced: they survive a kill, and
 * after a power cut the number goes on from the one the runservice knows, which every order carries.
 */
export function openJournal(dir: string): Journal {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  // What a kill between writing and renaming left.
  for (const name of readdirSync(dir)) if (name.endsWith('.new')) rmSync(join(dir, name), { force: true })
  return new FileJournal(dir)
}

class FileJournal implements Journal {
  readonly #dir: string

  constructor(dir: string) {
    this.#dir = dir
  }

  save(entry: JournalEntry): void {
    const path = this.#path(entry.executorTaskId)
    writeFileSync(`${path}.new`, JSON.stringify(entry), { mode: 0o600 })
    renameSync(`${path}.new`, path)
  }

  find(executorTaskId: string): JournalEntry | undefined {
    try {
      const entry: unknown = JSON.parse(readFileSync(this.#path(executorTaskId), 'utf8'))
      return isEntry(entry) ? entry : undefined
    } catch {
      return undefined
    }
  }

  ids(): readonly string[] {
    return readdirSync(this.#dir)
      .filter((name) => name.endsWith('.json'))
      .map((name) => decodeURIComponent(name.slice(0, -'.json'.length)))
  }

  delete(executorTaskId: string): void {
    rmSync(this.#path(executorTaskId), { force: true })
  }

  #path(executorTaskId: string): string {
    return join(this.#dir, `${encodeURIComponent(executorTaskId)}.json`)
  }
}

function isEntry(value: unknown): value is JournalEntry {
  return typeof value === 'object' && value !== null && 'format' in value && value.format === 1 && 'report' in value
}
