// Work that the databases say is to be done and that has waited for longer than a minute: what was deleted and is not yet removed
// elsewhere, what was pushed, what is to be told. Read from the file of this machine, also while an instance has it open, or from a
// database that is open in this process.

import type { CascadeTask } from '../configstore/types.ts'
import type { Database, Schema, ViewTransaction } from '../datamanager/database.ts'
import { readFileRows } from '../datamanager/snapshot/restore.ts'
import type { StoppedDatabase } from '../datamanager/stopped-database.ts'
import type { Delivery } from '../gateway/deliveries/delivery.ts'
import type { NotificationRow } from '../notification/row-types.ts'

export type WaitingWork = {
  /** `delete_runs`, `clean_remote`, `delivery`, `notification`. */
  readonly kind: string
  /** Older than a minute. */
  readonly count: number
  /** Milliseconds since 1970. */
  readonly oldestAt: number
  /** Of the oldest one. */
  readonly lastError?: string
}

type Waiting = { readonly kind: string; readonly since: number; readonly lastError?: string | undefined }

/** What is younger is under way. */
const youngMs = 60_000
/** Of what is open here more is not looked at: it is looked at beside other work. */
const lookedAtMax = 1000

/** By kind, the oldest first; a database that has nothing of the kind has none. Errors: `database_corrupt`. */
export function waitingWork({ name, path }: Pick<StoppedDatabase, 'name' | 'path'>, now: number): WaitingWork[] {
  const source = sources[name]
  if (source === undefined) return []
  const rows = readFileRows(path, source.type, source.member)
  return counted(
    Array.from(rows, (body) => source.waiting(JSON.parse(body))),
    now,
  )
}

/** As `waitingWork`, of a database that is open; of the first thousand that are due. */
export function waitingWorkOf(name: string, database: Pick<Database<Schema>, 'view'>, now: number): WaitingWork[] {
  const source = sources[name]
  if (source === undefined) return []
  const list = (tx: ViewTransaction<Schema>) => tx.list(source.type, { index: 'byDue', limit: lookedAtMax })
  return counted(
    database.view(list).map(({ body }) => source.waiting(body)),
    now,
  )
}

function counted(all: readonly Waiting[], now: number): WaitingWork[] {
  const found = new Map<string, WaitingWork>()
  for (const { kind, since, lastError } of all) {
    if (since > now - youngMs) continue
    const before = found.get(kind)
    const count = (before?.count ?? 0) + 1
    const isOldest = before === undefined || since < before.oldestAt
    const why = lastError === undefined ? {} : { lastError }
    found.set(kind, isOldest ? { kind, count, oldestAt: since, ...why } : { ...before, count })
  }
  return [...found.values()].sort((a, b) => a.oldestAt - b.oldestAt)
}

type Source = {
  readonly type: string
  /** Rows that wait have it. */
  readonly member: string
  /** Members are those of the rows' types; rows of another version may lack them. */
  readonly waiting: (body: unknown) => Waiting
}

/** By the name of the database. */
const sources: Readonly<Record<string, Source>> = {
  configstore: {
    type: 'task',
    member: 'work',
    waiting: (body) => {
      const { work, createdAt, lastError } = body as CascadeTask
      return { kind: work.kind, since: createdAt, lastError }
    },
  },
  gateway: {
    type: 'delivery',
    member: 'queued',
    waiting: (body) => {
      const { receivedAt, queued } = body as Delivery
      return { kind: 'delivery', since: receivedAt, lastError: queued?.lastError }
    },
  },
  notification: {
    type: 'notification',
    member: 'queued',
    waiting: (body) => {
      const { createdAt, attempts } = body as NotificationRow
      return { kind: 'notification', since: createdAt, lastError: attempts.at(-1)?.message }
    },
  },
}
