// Removes all that is left of a project or user that was deleted: runs, with what they stored, and caches. Objects go before the
// rows that tell of them, and the rows of a run before the run itself, so whoever goes on after a crash finds what is left.

import type { Database, FamilyQuery, FamilyRow, ReadTransaction } from '../../datamanager/database.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import { escapeSegment, type RunOwner } from '../../pipeline/group.ts'
import type { DeletedRuns, DeleteRunsRequest } from '../api.ts'
import { archiveRowId } from '../archives/archives.ts'
import type { Caches } from '../archives/caches.ts'
import type { LogStore } from '../logs/log-store.ts'
import { deleteOrder } from '../orders/orders.ts'
import type { RunserviceSchema } from '../row-types.ts'
import { statesOf } from '../runs/run-entries.ts'
import { loadTasks, type Settle, type Tx } from '../stimulus.ts'
import { isFinishedRun, type RunTask } from '../types.ts'
import { removedOwnerId } from './removed-owners.ts'
import { deleteLogs } from './retention.ts'

export type DeleteRunsComponents = {
  readonly database: Database<RunserviceSchema>
  readonly ost: ObjectStorage
  readonly logs: LogStore
  readonly caches: Caches
  readonly settle: Settle
}

/** A call keeps nobody waiting for long, and nothing else the database busy. */
const runsPerCallMax = 100
/** Rows of a run that go in one transaction. */
const rowsPerStep = 1000

/** See `Runservice.deleteRunsOf`. */
export async function deleteRunsOf(
  components: DeleteRunsComponents,
  { owner, limit = runsPerCallMax }: DeleteRunsRequest,
  signal?: AbortSignal,
): Promise<DeletedRuns> {
  const { database, caches, settle } = components
  const group = `/${owner.type}/${escapeSegment(owner.id)}`
  // From here on no run of it is made, so what is found below is all there will ever be.
  await settle((tx, { now }) => {
    const id = removedOwnerId(group)
    if (tx.get('removedowner', id) === undefined) tx.put('removedowner', id, { removedAt: now })
    return { affected: [], result: undefined }
  })
  const count = Math.max(1, Math.min(limit, runsPerCallMax))
  const runs = database.view((tx) => nextRuns(tx, group, count))
  for (const run of runs) {
    signal?.throwIfAborted()
    await deleteRun(components, { ...run, group }, signal)
  }
  if (runs.length === count) return { deleted: runs.length, isDone: false }
  await caches.deleteAllOf(owner.id, signal)
  await forgetNumbers(database, owner)
  return { deleted: runs.length, isDone: true }
}

/** Those that have not ended come first, the newest of them before the others: none starts because another one is gone. */
function nextRuns(tx: Pick<ReadTransaction<RunserviceSchema>, 'entries'>, group: string, limit: number) {
  const query: FamilyQuery = { path: group, isSubtree: true, descending: true, limit }
  const states = statesOf(['running', 'queued'], undefined)
  const unfinished = tx.entries({ ...query, ...(states === undefined ? {} : { states }) })
  const known = new Set(unfinished.map(({ id }) => id))
  return [...unfinished, ...tx.entries(query).filter(({ id }) => !known.has(id))].slice(0, limit)
}

type OwnedRun = Pick<FamilyRow, 'id'> & {
  /** Of all runs that are deleted. */
  readonly group: string
}

async function deleteRun(components: DeleteRunsComponents, { id, group }: OwnedRun, signal?: AbortSignal) {
  const { database, logs, settle } = components
  await settle((tx, { now }) => {
    takeAway(tx, id, now)
    return { affected: [], result: undefined }
  })
  const isOther = ({ path }: FamilyRow) => path !== group && !path.startsWith(`${group}/`)
  const kept = await deleteLogs({ database, logs }, { runId: id, isKeeper: isOther }, signal)
  const tasks = (await database.read((tx) => loadTasks(tx, id), signal)).filter((task) => !kept.has(task.id))
  await deleteArchives(components, tasks, signal)
  for (let isMore = true; isMore; ) {
    signal?.throwIfAborted()
    const { result } = await database.do((tx) => deleteRows(tx, id))
    isMore = result
  }
}

/** Ends a run without a word: its orders are gone, which its executors hear, and nothing of it is handed out any more. */
function takeAway(tx: Tx, runId: string, now: number): void {
  const run = tx.get('run', runId)
  if (run === undefined || isFinishedRun(run.phase)) return
  for (const { body } of tx.list('executortask', { index: 'byRun', prefix: [runId] })) deleteOrder(tx, body)
  for (const { id } of tx.list('ready', { index: 'byRun', prefix: [runId] })) tx.delete('ready', id)
  const end =
    run.phase === 'queued' ? ({ phase: 'cancelled' } as const) : ({ phase: 'finished', result: 'stopped' } as const)
  tx.put('run', runId, { ...run, ...end, stop: true, endedAt: now })
}

async function deleteArchives(
  { database, ost }: DeleteRunsComponents,
  tasks: readonly RunTask[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const places = tasks.flatMap(({ id, steps }) => steps.map((_, step) => archiveRowId({ runTaskId: id, step })))
  for (const id of places) {
    const archive = database.view((tx) => tx.get('archive', id))
    if (archive === undefined) continue
    signal?.throwIfAborted()
    await ost.delete(archive.object)
    await database.do((tx) => tx.delete('archive', id))
  }
}

/** At most so many; whether there are more. The run itself is the last one. */
function deleteRows(tx: Tx, runId: string): boolean {
  const run = tx.get('run', runId)
  if (run === undefined) return false
  let left = rowsPerStep
  const deleteListed = (type: 'runtask' | 'runconfigtask' | 'runsecret', index: string, prefix: string) => {
    if (left === 0) return
    const rows = tx.list(type, { index, prefix: [prefix], limit: left })
    for (const { id } of rows) tx.delete(type, id)
    left -= rows.length
  }
  deleteListed('runsecret', 'byConfig', run.runConfigId)
  deleteListed('runconfigtask', 'byConfig', run.runConfigId)
  deleteListed('runtask', 'byRun', runId)
  if (left === 0) return true
  tx.delete('runconfig', run.runConfigId)
  tx.delete('run', runId)
  return false
}

async function forgetNumbers(database: Database<RunserviceSchema>, { id }: RunOwner): Promise<void> {
  const element = escapeSegment(id)
  await database.do((tx) => {
    tx.delete('counter', element)
    tx.delete('served', element)
  })
}
