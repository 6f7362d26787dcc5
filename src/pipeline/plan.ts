// What an event would start, and why not the rest. The same decisions as run creation, without ids and variables.

import type { Config, ConfigRun, ConfigTask } from './config/config.ts'
import type { GitEvent } from './event.ts'
import { taskLevels } from './expand.ts'
import type { SkippedWhen } from './run-config.ts'
import { findSkipMarker } from './skip-message.ts'
import { matchWhen } from './when.ts'

export type NotCreated =
  /** The message asks for no runs: `[ci skip]`. */
  { readonly kind: 'skipped_message'; readonly marker: string } | ({ readonly kind: 'skipped_when' } & SkippedWhen)

export type NotExecuted =
  | ({ readonly kind: 'skipped_when' } & SkippedWhen)
  /** `task` is skipped, and this one does not depend on it with `on_skipped`. */
  | { readonly kind: 'skipped_dependency'; readonly task: string; readonly outcome: 'skipped' }

export type PlannedTask = {
  readonly task: ConfigTask
  readonly level: number
  /** Present when it is certain that the task is skipped. */
  readonly skip?: NotExecuted
}

export type PlannedRun =
  /** `rule`: which rule of its `when` decided; undefined without one. */
  | {
      readonly kind: 'created'
      readonly run: ConfigRun
      readonly rule?: string
      readonly tasks: readonly PlannedTask[]
    }
  | { readonly kind: 'not_created'; readonly run: ConfigRun; readonly reason: NotCreated }

/** Every run of the definition in its order: what the event makes of it. `config` must be valid. */
export function planRuns(config: Config, event: GitEvent): readonly PlannedRun[] {
  const marker = findSkipMarker(event.message)
  return config.runs.map((run): PlannedRun => {
    if (marker !== undefined) return { kind: 'not_created', run, reason: { kind: 'skipped_message', marker } }
    const match = matchWhen(run.when, event)
    if (!match.matches) return { kind: 'not_created', run, reason: { kind: 'skipped_when', ...match.skipped } }
    const rule = match.rule === undefined ? {} : { rule: match.rule }
    return { kind: 'created', run, ...rule, tasks: planTasks(run, event) }
  })
}

function planTasks(run: ConfigRun, event: GitEvent): readonly PlannedTask[] {
  const levels = taskLevels(run.tasks)
  const skips = new Map<string, NotExecuted>()
  const levelOf = (task: ConfigTask) => levels.get(task.name) ?? 0
  // Parents first: what they are decides about their children.
  for (const task of run.tasks.toSorted((a, b) => levelOf(a) - levelOf(b))) {
    const match = matchWhen(task.when, event)
    const skippedParent = task.depends.find(
      (depend) => skips.has(depend.task) && !depend.conditions.includes('on_skipped'),
    )
    if (!match.matches) skips.set(task.name, { kind: 'skipped_when', ...match.skipped })
    else if (skippedParent !== undefined)
      skips.set(task.name, { kind: 'skipped_dependency', task: skippedParent.task, outcome: 'skipped' })
  }
  return run.tasks.map((task) => {
    const skip = skips.get(task.name)
    return { task, level: levelOf(task), ...(skip === undefined ? {} : { skip }) }
  })
}
