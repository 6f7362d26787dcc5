// A run config task as rows. Rows are small, but a definition may hold a script of a megabyte: such a task is split.

import type { RunConfigTask } from '../../pipeline/run-config.ts'
import type { RunConfigTaskRow } from '../types.ts'

/** UTF-16 units of JSON in a row: three bytes each at most, so that a row stays below its limit whatever the text. */
const partLength = 16 * 1024

export type NamedConfigTaskRow = { readonly id: string; readonly body: RunConfigTaskRow }

/** The rows of one task; `index` is its place in the definition. */
export function toConfigTaskRows(
  runConfigId: string,
  index: number,
  task: RunConfigTask,
): readonly NamedConfigTaskRow[] {
  const text = JSON.stringify(task)
  if (text.length <= partLength) return [{ id: `${runConfigId}/${task.id}`, body: { runConfigId, index, task } }]
  return Array.from({ length: Math.ceil(text.length / partLength) }, (_, part) => ({
    id: `${runConfigId}/${task.id}/${String(part).padStart(4, '0')}`,
    body: { runConfigId, index, taskId: task.id, part, text: text.slice(part * partLength, (part + 1) * partLength) },
  }))
}

/** The tasks of a run config in the order of the definition, from its rows in any order. */
export function fromConfigTaskRows(rows: readonly RunConfigTaskRow[]): readonly RunConfigTask[] {
  const tasks: RunConfigTask[] = []
  const parts = new Map<number, string[]>()
  for (const row of rows) {
    if ('task' in row) {
      tasks[row.index] = row.task
      continue
    }
    const texts = parts.get(row.index) ?? []
    texts[row.part] = row.text
    parts.set(row.index, texts)
  }
  for (const [index, texts] of parts) tasks[index] = JSON.parse(texts.join(''))
  return tasks
}
