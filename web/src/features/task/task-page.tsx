import '../logs/logs.css'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useLocation, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import type { Run, Task } from '../../api/types.ts'
import { titleMark, usePageTitle, useStateIcon } from '../../app/page-head.ts'
import { pathOfAddress } from '../../app/project-address.ts'
import { Button } from '../../ui/button.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Loaded } from '../../ui/load-state.tsx'
import { Page } from '../../ui/page.tsx'
import { StateMark, StateText } from '../../ui/state-mark.tsx'
import { Ago, Duration } from '../../ui/time.tsx'
import { LogViewer } from '../logs/log-viewer.tsx'
import { useApproval } from '../run/run-actions.tsx'
import { OwnerCrumbs } from '../run/run-page.tsx'
import { type RunAddress, useRun } from '../runs/queries.ts'
import { stateOfTask } from '../runs/run-state.ts'
import { interestingStep, stepsOf, taskQuery } from './queries.ts'

export function ProjectTaskPage() {
  const { project, number, task } = useParams({ from: '/projects/$project/runs/$number/tasks/$task' })
  return <TaskPage address={{ type: 'project', ref: pathOfAddress(project), number }} taskId={task} />
}

export function UserTaskPage() {
  const { user, number, task } = useParams({ from: '/inside/users/$user/runs/$number/tasks/$task' })
  return <TaskPage address={{ type: 'user', ref: user, number }} taskId={task} />
}

function TaskPage({ address, taskId }: { readonly address: RunAddress; readonly taskId: string }) {
  const { query } = useRun(address)
  const run = query.data
  const task = run?.tasks.find(({ id }) => id === taskId)
  const state = task === undefined ? undefined : stateOfTask(task)
  const { ask, dialog } = useApproval()
  usePageTitle(state === undefined ? undefined : titleMark(state), task?.name, `#${address.number} ${run?.name ?? ''}`)
  useStateIcon(state)
  return (
    <Page
      isWide
      above={<OwnerCrumbs owner={address} run={{ number: address.number, name: run?.name }} />}
      title={task?.name ?? 'Task'}
      below={
        task === undefined || state === undefined ? null : (
          <div className="row soft">
            <StateText state={state} />
            <Duration of={task} />
            {task.startedAt === undefined ? null : <Ago time={task.endedAt ?? task.startedAt} />}
            {task.reason === undefined ? null : <span data-state={state}>{task.reason.message}</span>}
          </div>
        )
      }
      actions={
        run?.may.approve === true && task !== undefined && state === 'approval' ? (
          <Button kind="primary" onClick={() => ask({ runId: run.id, taskId: task.id, name: task.name })}>
            Approve
          </Button>
        ) : null
      }
    >
      {dialog}
      <Loaded query={query} what="this task" lines={8}>
        {(data) => <TaskBody run={data} taskId={taskId} toldAt={query.dataUpdatedAt} />}
      </Loaded>
    </Page>
  )
}

type BodyProps = {
  readonly run: Run
  readonly taskId: string /** When the run was told anew. */
  readonly toldAt: number
}

function TaskBody({ run, taskId, toldAt }: BodyProps) {
  const queryClient = useQueryClient()
  const query = taskQuery(run.id, taskId)
  const task = useQuery(query)
  // Each change of a step is a change of the run, whose stream is open already.
  const seenAt = useRef(toldAt)
  useEffect(() => {
    if (seenAt.current === toldAt) return
    seenAt.current = toldAt
    void queryClient.invalidateQueries({ queryKey: ['task', run.id, taskId] })
  }, [toldAt, run.id, taskId, queryClient])
  return (
    <Loaded query={task} what="the steps" lines={8}>
      {(data) => <Steps run={run} task={data} />}
    </Loaded>
  )
}

function Steps({ run, task }: { readonly run: Run; readonly task: Task }) {
  const { step: chosen } = useSearch({ strict: false }) as { readonly step?: string }
  const { hash } = useLocation()
  const navigate = useNavigate()
  const steps = stepsOf(task)
  const log = steps.some((one) => one.log === chosen) ? chosen! : interestingStep(task)
  const shown = steps.find((one) => one.log === log)!.step
  const hasBegun = shown.phase !== 'notstarted' && shown.phase !== 'cancelled'
  const searchOf = (to: string) => ({ step: to }) as never
  return (
    <div className="task-layout">
      <div className="stack">
        <nav className="steps" aria-label="Steps">
          {steps.map(({ log: name, step }) => (
            <Link
              key={name}
              to="."
              search={searchOf(name)}
              replace
              className="step"
              data-state={step.phase}
              {...(name === log ? { 'aria-current': 'step' as const } : {})}
            >
              <StateMark state={step.phase} />
              <span className="clip">{step.name}</span>
              <span className="faint">
                <Duration of={step} />
              </span>
              {step.reason === undefined && (step.exitStatus ?? 0) === 0 ? null : (
                <span className="reason">{step.reason?.message ?? `exit status ${step.exitStatus}`}</span>
              )}
            </Link>
          ))}
        </nav>
        <Facts task={task} />
      </div>
      <div className="stack">
        {shown.command === undefined ? null : (
          <details>
            <summary className="soft">
              Command {shown.shell === undefined || shown.shell === '' ? '' : <code>({shown.shell})</code>}
            </summary>
            <pre className="command" tabIndex={0}>
              {shown.command}
            </pre>
          </details>
        )}
        {run.logsDeleted ? (
          <div className="panel log-note">The logs of this run were removed: they are kept for a time only.</div>
        ) : hasBegun ? (
          <LogViewer
            key={`${task.id} ${log}`}
            runId={run.id}
            taskId={task.id}
            log={log}
            label={`Log of ${shown.name}`}
            startedAt={shown.startedAt}
            lines={hash}
            onLines={(to = '') =>
              void navigate({
                to: '.',
                search: searchOf(log),
                hash: to,
                replace: true,
                resetScroll: false,
                hashScrollIntoView: false,
              })
            }
            addressOfLines={(to) => `?step=${log}#${to}`}
            // Who owns the project may do both.
            mayRemove={run.may.approve && task.status !== 'running'}
          />
        ) : (
          <div className="panel log-note">
            {task.status === 'notstarted'
              ? (task.reason?.message ?? 'The task has not begun.')
              : 'This step was not executed.'}
          </div>
        )}
      </div>
    </div>
  )
}

function Facts({ task }: { readonly task: Task }) {
  return (
    <div className="stack tight soft">
      {task.containers.map(({ image }, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: containers keep their place
        <span key={index} className="clip" title={image}>
          {index === 0 ? 'Image' : 'Service'} <code>{image}</code>
        </span>
      ))}
      {task.executorId === undefined ? null : (
        <span className="clip">
          Executor <code>{task.executorId}</code>
        </span>
      )}
      {task.timedOut ? <span>It reached its time limit.</span> : null}
      {(task.printedSecrets ?? []).length === 0 ? null : (
        <div className="note" data-kind="problem">
          <Icon name="lock" />
          <span>
            It printed secrets, which are masked here:{' '}
            {task.printedSecrets!.map(({ secret, log, line }) => `${secret} (${log}, line ${line + 1})`).join(', ')}.
            Whoever may change the project should replace them.
          </span>
          <span />
        </div>
      )}
    </div>
  )
}
