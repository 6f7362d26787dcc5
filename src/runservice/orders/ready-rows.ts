// Ready tasks as the placement asks for them, read from rows by index: heads of classes, never the whole queue.

import type { ReadTransaction } from '../../datamanager/database.ts'
import type { RunserviceSchema } from '../row-types.ts'
import type { ReadyTask, ReadyTasks } from '../scheduler/place.ts'
import type { Requirement } from '../scheduler/requirement.ts'

/** Sorts after every project id in an index. */
const last = '\u{10ffff}'
const pageSize = 16

export function readyRows(tx: ReadTransaction<RunserviceSchema>): ReadyTasks {
  return {
    *classes(): Iterable<Requirement> {
      let after: readonly string[] | undefined
      for (;;) {
        const [row] = tx.list('ready', { index: 'byClass', limit: 1, ...(after === undefined ? {} : { after }) })
        if (row === undefined) return
        yield row.body.requirement
        after = [row.body.requirement.key, last]
      }
    },
    *projects(classKey: string): Iterable<string> {
      let after: readonly string[] | undefined
      for (;;) {
        const [row] = tx.list('ready', {
          index: 'byClass',
          prefix: [classKey],
          limit: 1,
          ...(after === undefined ? {} : { after }),
        })
        if (row === undefined) return
        yield row.body.project
        // Priorities are numbers, which sort before every text.
        after = [classKey, row.body.project, last]
      }
    },
    *tasks(classKey: string, project: string): Iterable<ReadyTask> {
      let after: readonly (string | number)[] | undefined
      for (;;) {
        const rows = tx.list('ready', {
          index: 'byClass',
          prefix: [classKey, project],
          limit: pageSize,
          ...(after === undefined ? {} : { after }),
        })
        for (const { body } of rows) {
          yield body
          after = [
            classKey,
            project,
            -body.priority,
            body.readySince,
            body.runId,
            body.taskId,
            `${body.runId}/${body.taskId}`,
          ]
        }
        if (rows.length < pageSize) return
      }
    },
  }
}
