// What an executor remembers of a task on its own disk, so that its successor goes on where it was: never secrets, never
// output (that is the pod's spool). One file per executor task, to which each entry is appended as a line of JSON: the last
// whole line counts. Making a file costs far more than adding to one.
//
//   <dir>/<executor task id>.json

import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TaskReport } from '../runservice/executor-api.ts'

export type JournalEntry = {
  readonly format: 1
  readonly executorTaskId: string
  /** Driver that has the pod, once it was chosen. */
  readonly driver?: string
  /** When steps could be started: the task's timeout counts from here. */
  readonly podStartedAt?: number
  /** Masked lines of the log of a setup that succeeded: it is stored while steps are executed. */
  readonly setupLines?: readonly string[]
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

/** A file that grows beyond it begins anew with the newest entry: entries of tasks with many steps are large. */
const fileBytesMax = 256 * 1024

class FileJournal implements Journal {
  readonly #dir: string
  /** Bytes in the files that this process began. */
  readonly #sizes = new Map<string, number>()

  constructor(dir: string) {
    this.#dir = dir
  }

  save(entry: JournalEntry): void {
    const { executorTaskId } = entry
    const path = this.#path(executorTaskId)
    const line = Buffer.from(`${JSON.stringify(entry)}\n`)
    const size = this.#sizes.get(executorTaskId)
    // A line that could not be written whole must not be the beginning of the next one.
    this.#sizes.delete(executorTaskId)
    if (size !== undefined && size + line.length <= fileBytesMax) {
      appendFileSync(path, line)
      this.#sizes.set(executorTaskId, size + line.length)
      return
    }
    writeFileSync(`${path}.new`, line, { mode: 0o600 })
    renameSync(`${path}.new`, path)
    this.#sizes.set(executorTaskId, line.length)
  }

  find(executorTaskId: string): JournalEntry | undefined {
    for (const line of this.#linesOf(executorTaskId).reverse()) {
      const entry = parseEntry(line)
      if (entry !== undefined) return entry
    }
    return undefined
  }

  ids(): readonly string[] {
    return readdirSync(this.#dir)
      .filter((name) => name.endsWith('.json'))
      .map((name) => decodeURIComponent(name.slice(0, -'.json'.length)))
  }

  delete(executorTaskId: string): void {
    rmSync(this.#path(executorTaskId), { force: true })
    this.#sizes.delete(executorTaskId)
  }

  #linesOf(executorTaskId: string): string[] {
    try {
      return readFileSync(this.#path(executorTaskId), 'utf8').split('\n')
    } catch {
      return []
    }
  }

  #path(executorTaskId: string): string {
    return join(this.#dir, `${encodeURIComponent(executorTaskId)}.json`)
  }
}

/** Undefined for a line that was cut short. */
function parseEntry(line: string): JournalEntry | undefined {
  try {
    const entry: unknown = JSON.parse(line)
    return isEntry(entry) ? entry : undefined
  } catch {
    return undefined
  }
}

function isEntry(value: unknown): value is JournalEntry {
  return typeof value === 'object' && value !== null && 'format' in value && value.format === 1 && 'report' in value
}
