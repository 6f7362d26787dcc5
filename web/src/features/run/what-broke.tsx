// The first thing one wants of a run that failed: which step of which task, why, and the end of its log.

import { useQuery } from '@tanstack/react-query'
import type { Run, TaskSummary } from '../../api/types.ts'
import { Icon } from '../../ui/icon.tsx'
import { StateMark } from '../../ui/state-mark.tsx'
import { useLogEnd } from '../logs/log-end.ts'
import { type OwnerRef, TaskLink } from '../runs/run-link.tsx'
import { interestingStep, stepsOf, taskQuery } from '../task/queries.ts'

/** More are in the list of tasks. */
const shownMax = 5

export function WhatBroke({ run, owner }: { readonly run: Run; readonly owner: OwnerRef }) {
  const failed = run.tasks.filter(({ status }) => status === 'failed')
  if (failed.length === 0) return null
  return (
    <section className="panel broken">
      <div className="panel-head">
        <h2>What broke</h2>
        {failed.length > shownMax ? (
          <span className="faint">
            the first {shownMax} of {failed.length}
          </span>
        ) : null}
      </div>
      {failed.slice(0, shownMax).map((task) => (
        <BrokenTask key={task.id} run={run} owner={owner} task={task} />
      ))}
    </section>
  )
}

function BrokenTask({ run, owner, task }: { readonly run: Run; readonly owner: OwnerRef; readonly task: TaskSummary }) {
  const { data } = useQuery(taskQuery(run.id, task.id))
  const log = data === undefined ? undefined : interestingStep(data)
  const step = data === undefined ? undefined : stepsOf(data).find((one) => one.log === log)?.step
  const end = useLogEnd({
    runId: run.id,
    taskId: task.id,
    log,
    isWanted: step?.startedAt !== undefined && !run.logsDeleted,
  })
  return (
    <div className="broken-task" data-state="failed">
      <div className="what">
        <StateMark state="failed" />
        <div className="row">
          <TaskLink owner={owner} number={run.number} taskId={task.id} {...(log === undefined ? {} : { step: log })}>
            <strong>{task.name}</strong>
            {step === undefined ? null : ` › ${step.name}`}
          </TaskLink>
          <span className="state" data-state="failed">
            {step?.reason?.message ??
              task.reason?.message ??
              (step?.exitStatus === undefined ? 'failed' : `exit status ${step.exitStatus}`)}
          </span>
          {task.reason?.class === 'ours' ? (
            <span className="tag">trouble of the machinery: a restart may help</span>
          ) : null}
        </div>
      </div>
      {end === undefined || end === '' ? null : (
        <pre className="excerpt" role="group" tabIndex={0} aria-label={`End of the log of ${task.name}`}>
          {end}
        </pre>
      )}
      {log === undefined ? null : (
        <div>
          <TaskLink owner={owner} number={run.number} taskId={task.id} step={log} className="link onward">
            Whole log <Icon name="arrow" />
          </TaskLink>
        </div>
      )}
    </div>
  )
}
