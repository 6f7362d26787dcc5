// A run config task as rows. Rows are small, but a definition may hold a script of a megabyte: such a task is split.

import { invariant } from '../lib/errors.ts'
import type { RunConfigTask } from '../pipeline/run-config.ts'
import type { RunConfigTaskRow } from './types.ts'

/** UTF-16 units of JSON in a row: three bytes each at most, so that a row stays below its limit whatever the text. */
const partLength = 16 * 1024

export type NamedConfigTaskRow = { readonly id: string; readonly body: RunConfigTaskRow }

export function toConfigTaskRows(runConfigId: string, task: RunConfigTask): readonly NamedConfigTaskRow[] {
  const text = JSON.stringify(task)
  if (text.length <= partLength) return [{ id: `${runConfigId}/${task.id}`, body: { runConfigId, task } }]
  return Array.from({ length: Math.ceil(text.length / partLength) }, (_, part) => ({
    id: `${runConfigId}/${task.id}/${String(part).padStart(4, '0')}`,
    body: { runConfigId, taskId: task.id, part, text: text.slice(part * partLength, (part + 1) * partLength) },
  }))
}

/** The tasks of a run config from its rows, in any order. */
export function fromConfigTaskRows(rows: readonly RunConfigTaskRow[]): ReadonlyMap<string, RunConfigTask> {
  const tasks = new Map<string, RunConfigTask>()
  const parts = new Map<string, string[]>()
  for (const row of rows) {
    if ('task' in row) {
      tasks.set(row.task.id, row.task)
      continue
    }
    const texts = parts.get(row.taskId) ?? []
    texts[row.part] = row.text
    parts.set(row.taskId, texts)
  }
  for (const [taskId, texts] of parts) {
    const task: RunConfigTask = JSON.parse(texts.join(''))
    invariant(task.id === taskId, `the rows of task ${taskId} are of another`)
    tasks.set(taskId, task)
  }
  return tasks
}
