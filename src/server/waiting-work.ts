// Work that the databases say is to be done and that has waited for longer than a minute: what was deleted and is not yet removed
// elsewhere, what was pushed, what is to be told. Read from the file of this machine, also while an instance has it open.

import type { CascadeTask } from '../configstore/types.ts'
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

/** By kind, the oldest first; a database that has nothing of the kind has none. Errors: `database_corrupt`. */
export function waitingWork(
  { name, path }: Pick<StoppedDatabase, 'name' | 'path'>,
  now: number,
): readonly WaitingWork[] {
  const found = new Map<string, WaitingWork>()
  for (const { kind, since, lastError } of readWaiting(name, path)) {
    if (since > now - youngMs) continue
    const before = found.get(kind)
    const count = (before?.count ?? 0) + 1
    const isOldest = before === undefined || since < before.oldestAt
    const why = lastError === undefined ? {} : { lastError }
    found.set(kind, isOldest ? { kind, count, oldestAt: since, ...why } : { ...before, count })
  }
  return [...found.values()].sort((a, b) => a.oldestAt - b.oldestAt)
}

/** Members are those of the rows' types; rows of another version may lack them. */
function* readWaiting(name: string, path: string): Generator<Waiting, void, undefined> {
  switch (name) {
    case 'configstore':
      for (const body of readFileRows(path, 'task', 'work')) {
        const { work, createdAt, lastError } = JSON.parse(body) as CascadeTask
        yield { kind: work.kind, since: createdAt, lastError }
      }
      return
    case 'gateway':
      for (const body of readFileRows(path, 'delivery', 'queued')) {
        const { receivedAt, queued } = JSON.parse(body) as Delivery
        yield { kind: 'delivery', since: receivedAt, lastError: queued?.lastError }
      }
      return
    case 'notification':
      for (const body of readFileRows(path, 'notification', 'queued')) {
        const { createdAt, attempts } = JSON.parse(body) as NotificationRow
        const last = attempts.at(-1)
        yield { kind: 'notification', since: createdAt, lastError: last?.message }
      }
  }
}
