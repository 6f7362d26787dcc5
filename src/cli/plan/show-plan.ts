// `slipway plan` once its options are parsed.

import type { NotExecuted, PlannedRun } from '../../pipeline/plan.ts'
import { planRuns } from '../../pipeline/plan.ts'
import { readDefinition, requireConfig } from '../definition.ts'
import { type EventOptions, refOf } from '../event-options.ts'
import type { Io } from '../io.ts'
import { type Paint, paintFor } from '../run/paint.ts'
import { findRepository, headCommit, headMessage } from '../working-tree/repository.ts'

export type PlanOptions = EventOptions & {
  readonly file?: string
  readonly message?: string
  readonly output: 'plain' | 'json'
}

/** Throws `config_invalid`, `config_not_found`, `not_a_repository` and `usage`. */
export async function showPlan(options: PlanOptions, io: Io): Promise<void> {
  const repository = await findRepository(io.cwd)
  const config = requireConfig(readDefinition(repository, options.file))
  const ref = refOf(options, repository.branch)
  const message = options.message ?? (ref.refType === 'tag' ? `Tag ${ref.tag}` : await headMessage(repository))
  const planned = planRuns(config, { ...ref, commitSha: (await headCommit(repository)) ?? '', message })
  if (options.output === 'json') {
    io.stdout.write(`${JSON.stringify({ ref: ref.ref, runs: planned.map(toJson) }, undefined, 2)}\n`)
    return
  }
  const paint = paintFor(io.stdout.isTTY === true, io.environment)
  io.stdout.write(`${ref.ref}\n${planned.flatMap((run) => linesOf(run, paint)).join('\n')}\n`)
}

function linesOf(planned: PlannedRun, paint: Paint): readonly string[] {
  if (planned.kind === 'not_created') {
    const { reason } = planned
    const why =
      reason.kind === 'skipped_message'
        ? `the message has ${reason.marker}`
        : `when ${reason.rule} does not match ${reason.ref}`
    return [paint.dim(`  ${planned.run.name}: not run, ${why}`)]
  }
  const rule = planned.rule === undefined ? '' : paint.dim(` (${planned.rule})`)
  return [
    `  ${paint.bold(planned.run.name)}${rule}`,
    ...planned.tasks.map(({ task, skip }) => {
      const after =
        task.depends.length === 0 ? '' : paint.dim(` after ${task.depends.map((depend) => depend.task).join(', ')}`)
      const approval = task.approval ? paint.yellow(' needs approval') : ''
      return skip === undefined
        ? `    ${task.name}${after}${approval}`
        : paint.dim(`    ${task.name}: skipped, ${whySkipped(skip)}`)
    }),
  ]
}

function whySkipped(skip: NotExecuted): string {
  return skip.kind === 'skipped_when' ? `when ${skip.rule} does not match ${skip.ref}` : `${skip.task} is skipped`
}

function toJson(planned: PlannedRun) {
  if (planned.kind === 'not_created') return { name: planned.run.name, created: false, reason: planned.reason }
  return {
    name: planned.run.name,
    created: true,
    ...(planned.rule === undefined ? {} : { rule: planned.rule }),
    tasks: planned.tasks.map(({ task, level, skip }) => ({
      name: task.name,
      level,
      depends: task.depends,
      needsApproval: task.approval,
      ...(skip === undefined ? {} : { skipped: skip }),
    })),
  }
}
