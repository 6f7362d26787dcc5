// What is removed when it is old: logs by the end of their run, workspace archives by their last use. Rows say what is there;
// an object goes after its row, so that a crash leaves an object nobody names, never a row without its object.

import type { Database, FamilyRow, ReadTransaction } from '../../datamanager/database.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import { archivesFolder, findArchive } from '../archives/archives.ts'
import type { LogStore } from '../logs/log-store.ts'
import { type RunserviceSchema, runTaskRowId } from '../row-types.ts'
import { loadTasks } from '../stimulus.ts'
import { isFinishedRun, type Run } from '../types.ts'

type Components = { readonly database: Database<RunserviceSchema>; readonly ost: ObjectStorage }

const pageSize = 100

/** Deletes the logs of all runs that ended before `before`. A log that another run kept and still shows stays. */
export async function cleanLogs(
  { database, logs }: { readonly database: Database<RunserviceSchema>; readonly logs: LogStore },
  before: number,
  signal?: AbortSignal,
): Promise<void> {
  for (;;) {
    // Cleaned runs leave the index, so the next page begins where this one ended.
    const page = database.view((tx) => tx.removableEntries(before, pageSize))
    for (const { id } of page) {
      signal?.throwIfAborted()
      await deleteLogs({ database, logs }, { runId: id, isKeeper: hasLogs }, signal)
      await database.do((tx) => {
        const current = tx.get('run', id)
        if (current !== undefined) tx.put('run', id, { ...current, logsDeleted: true })
      })
    }
    if (page.length < pageSize) return
  }
}

/** Deletes the logs of a run, but of tasks that a keeper among related runs has in common with it: their ids are returned. */
export async function deleteLogs(
  { database, logs }: { readonly database: Database<RunserviceSchema>; readonly logs: LogStore },
  { runId, isKeeper }: { readonly runId: string; readonly isKeeper: (run: FamilyRow) => boolean },
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<string>> {
  const tasks = await database.read((tx) => loadTasks(tx, runId), signal)
  const keepers = database.view((tx) => relatedRuns(tx, runId).filter(isKeeper))
  const kept = new Set<string>()
  for (const task of tasks) {
    const isOf = (id: string) =>
      database.read((tx) => tx.get('runtask', runTaskRowId(id, task.id)) !== undefined, signal)
    let isShared = false
    for (const { id } of keepers) isShared ||= await isOf(id)
    if (isShared) {
      kept.add(task.id)
      continue
    }
    for (const log of ['setup' as const, ...task.steps.keys()]) await logs.delete({ runTaskId: task.id, log })
  }
  return kept
}

/** Deletes archives that were used last before `before`, unless a run that has not ended could still restore them. */
export async function cleanArchives(
  { database, ost }: Components,
  before: number,
  signal?: AbortSignal,
): Promise<void> {
  let after: readonly (string | number)[] | undefined
  for (;;) {
    const page = database
      .view((tx) => tx.list('archive', { index: 'byUse', limit: pageSize, ...(after === undefined ? {} : { after }) }))
      .filter(({ body }) => body.lastUsedAt < before)
    for (const { id, body } of page) {
      signal?.throwIfAborted()
      after = [body.lastUsedAt, id]
      const { result: isDeleted } = await database.do((tx) => {
        // It may have been used, or a run that uses it been restarted, since the page was read.
        if (tx.get('archive', id)?.lastUsedAt !== body.lastUsedAt) return false
        if (runsOfTask(tx, body.runTaskId).some((run) => !isFinishedRun(run.phase))) return false
        tx.delete('archive', id)
        return true
      })
      if (isDeleted) await ost.delete(body.object)
    }
    if (page.length < pageSize) return
  }
}

/** Deletes archives that no row names and that were written before `before`: uploads that a crash broke off. */
export async function cleanOrphanedArchives(
  { database, ost }: Components,
  before: number,
  signal?: AbortSignal,
): Promise<void> {
  for await (const { key, modifiedAt } of ost.list({
    prefix: archivesFolder,
    ...(signal === undefined ? {} : { signal }),
  })) {
    if (modifiedAt >= before) continue
    if (database.view((tx) => findArchive(tx, key)) === undefined) await ost.delete(key)
  }
}

/** Forgets the turns of projects served last before `before`: such a project comes first, as one that never was served. */
export async function cleanTurns(database: Database<RunserviceSchema>, before: number): Promise<void> {
  for (let isMore = true; isMore; ) {
    const { result } = await database.do((tx) => {
      const oldest = tx.list('served', { index: 'byTurn', limit: pageSize }).filter(({ body }) => body.at < before)
      for (const { id } of oldest) tx.delete('served', id)
      return oldest.length
    })
    isMore = result === pageSize
  }
}

/** Runs that may have tasks in common with this one: what it repeats, and what repeats the same. */
function relatedRuns(tx: Pick<ReadTransaction<RunserviceSchema>, 'entry' | 'repeatingEntries'>, runId: string) {
  let first = runId
  for (let before = tx.entry(first)?.repeats; before !== undefined; before = tx.entry(first)?.repeats) first = before
  const related = [tx.entry(first)].filter((entry) => entry !== undefined)
  const ids = [first]
  for (let id = ids.shift(); id !== undefined; id = ids.shift()) {
    const repeating = tx.repeatingEntries(id)
    related.push(...repeating)
    ids.push(...repeating.map((entry) => entry.id))
  }
  return related.filter(({ id }) => id !== runId)
}

/** Or will have them. */
const hasLogs = ({ endedAt, removableSince }: FamilyRow) => endedAt === undefined || removableSince !== undefined

/** Runs that have this task; of those that have ended perhaps not all. */
function runsOfTask(tx: Pick<ReadTransaction<RunserviceSchema>, 'get' | 'list'>, taskId: string): readonly Run[] {
  return tx.list('runtask', { index: 'byTask', prefix: [taskId] }).flatMap(({ body }) => {
    const run = tx.get('run', body.runId)
    return run === undefined ? [] : [run]
  })
}
