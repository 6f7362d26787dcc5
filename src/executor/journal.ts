// What an executor remembers of its tasks on its own disk, so that its successor goes on where it was: never secrets, never
// output (that is the pod's spool). One file, to which each entry is appended as a line of JSON: the last whole line of a task
// counts, and one that says `isForgotten` ends it. Making and removing a file costs far more than adding to one, and is waited
// for by every other task.
//
//   <dir>/entries

import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isErrno } from '../lib/errno.ts'
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
  const path = join(dir, 'entries')
  // What a kill between writing and renaming left.
  rmSync(`${path}.new`, { force: true })
  return new FileJournal(path)
}

/** A file that grew to so much begins anew with the newest entry of each task, unless these are most of it. */
const fileBytesMax = 256 * 1024

class FileJournal implements Journal {
  readonly #path: string
  readonly #entries = new Map<string, JournalEntry>()
  #fileBytes: number
  #fileBytesMax = fileBytesMax
  /** Whether the file may end within a line, which must not become the beginning of the next one. */
  #isTorn: boolean

  constructor(path: string) {
    this.#path = path
    const text = readIfThere(path)
    this.#fileBytes = text.length
    this.#isTorn = text.length > 0 && !text.endsWith('\n')
    for (const line of text.split('\n').map(parseLine)) {
      if (line === undefined) continue
      if ('isForgotten' in line) this.#entries.delete(line.executorTaskId)
      else this.#entries.set(line.executorTaskId, line)
    }
  }

  save(entry: JournalEntry): void {
    this.#append(entry)
    this.#entries.set(entry.executorTaskId, entry)
  }

  find(executorTaskId: string): JournalEntry | undefined {
    return this.#entries.get(executorTaskId)
  }

  ids(): readonly string[] {
    return [...this.#entries.keys()]
  }

  delete(executorTaskId: string): void {
    if (!this.#entries.has(executorTaskId)) return
    this.#append({ format: 1, executorTaskId, isForgotten: true })
    this.#entries.delete(executorTaskId)
  }

  #append(line: Line): void {
    const bytes = encodeLine(line)
    if (this.#isTorn || this.#fileBytes + bytes.length > this.#fileBytesMax) this.#beginAnew()
    // When it cannot be written whole.
    this.#isTorn = true
    appendFileSync(this.#path, bytes, { mode: 0o600 })
    this.#isTorn = false
    this.#fileBytes += bytes.length
  }

  #beginAnew(): void {
    const bytes = Buffer.concat([...this.#entries.values()].map(encodeLine))
    writeFileSync(`${this.#path}.new`, bytes, { mode: 0o600 })
    renameSync(`${this.#path}.new`, this.#path)
    this.#fileBytes = bytes.length
    this.#fileBytesMax = Math.max(fileBytesMax, 2 * bytes.length)
    this.#isTorn = false
  }
}

type Line = JournalEntry | { readonly format: 1; readonly executorTaskId: string; readonly isForgotten: true }

const encodeLine = (line: Line) => Buffer.from(`${JSON.stringify(line)}\n`)

/** Undefined for a line that was cut short. */
function parseLine(text: string): Line | undefined {
  try {
    const line: unknown = JSON.parse(text)
    return isLine(line) ? line : undefined
  } catch {
    return undefined
  }
}

function isLine(value: unknown): value is Line {
  return (
    typeof value === 'object' &&
    value !== null &&
    'format' in value &&
    value.format === 1 &&
    ('report' in value || 'isForgotten' in value)
  )
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return ''
    throw error
  }
}
