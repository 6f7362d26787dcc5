import './run.css'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { memo } from 'react'
import type { Run, TaskSummary } from '../../api/types.ts'
import { titleMark, usePageTitle, useStateIcon } from '../../app/page-head.ts'
import { addressOfPath, pathOfAddress } from '../../app/project-address.ts'
import { Button } from '../../ui/button.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Loaded, Stale } from '../../ui/load-state.tsx'
import { Page, Panel, PathCrumbs } from '../../ui/page.tsx'
import { StateText } from '../../ui/state-mark.tsx'
import { Ago, Duration } from '../../ui/time.tsx'
import { Commit, Origin } from '../runs/origin.tsx'
import { type RunAddress, useRun } from '../runs/queries.ts'
import { type OwnerRef, RunLink } from '../runs/run-link.tsx'
import {
  commitOf,
  countStates,
  isLive,
  isStillRunning,
  type ShownState,
  stateOfRun,
  stateOfTask,
  stateWords,
} from '../runs/run-state.ts'
import { Graph } from './graph/graph.tsx'
import { Attempts } from './history/attempts.tsx'
import { Comparison } from './history/comparison.tsx'
import { ConfigView } from './history/config-view.tsx'
import { RunActions, useApproval } from './run-actions.tsx'
import { SetupErrors } from './setup-errors.tsx'
import { TaskList } from './task-list.tsx'
import { Timeline } from './timeline/timeline.tsx'
import { WhatBroke } from './what-broke.tsx'

export function ProjectRunPage() {
  const { project, number } = useParams({ from: '/projects/$project/runs/$number' })
  return <RunPage address={{ type: 'project', ref: pathOfAddress(project), number }} />
}

export function UserRunPage() {
  const { user, number } = useParams({ from: '/inside/users/$user/runs/$number' })
  return <RunPage address={{ type: 'user', ref: user, number }} />
}

function RunPage({ address }: { readonly address: RunAddress }) {
  const { query, connection } = useRun(address)
  const run = query.data
  const state = run === undefined ? undefined : stateOfRun(run)
  usePageTitle(
    state === undefined ? undefined : titleMark(state),
    `#${address.number} ${run?.name ?? ''}`,
    address.ref.split('/').at(-1),
  )
  useStateIcon(state)
  return (
    <Page
      above={<OwnerCrumbs owner={address} />}
      title={
        <>
          <span className="faint">#{address.number}</span> {run?.name}
        </>
      }
      below={run === undefined ? null : <RunFacts run={run} owner={address} />}
      actions={run === undefined ? null : <RunActions run={run} owner={address} />}
    >
      {connection === 'lost' ? (
        <Stale>The connection is lost. What you see is from before; it goes on by itself.</Stale>
      ) : null}
      <Loaded query={query} what="this run" lines={8}>
        {(data) => <RunBody run={data} owner={address} />}
      </Loaded>
    </Page>
  )
}

export function OwnerCrumbs({
  owner,
  run,
}: {
  readonly owner: OwnerRef
  readonly run?: { readonly number: string; readonly name: string | undefined }
}) {
  const runCrumb =
    run === undefined ? null : (
      <li>
        <RunLink owner={owner} number={Number(run.number)}>
          #{run.number} {run.name}
        </RunLink>
      </li>
    )
  if (owner.type === 'user')
    return (
      <nav aria-label="Where this is">
        <ol className="crumbs">
          <li>
            <Link to="/users/$user/runs" params={{ user: owner.ref }}>
              Direct runs of {owner.ref}
            </Link>
          </li>
          {runCrumb}
        </ol>
      </nav>
    )
  return (
    <PathCrumbs path={owner.ref}>
      <li>
        <Link to="/projects/$project" params={{ project: addressOfPath(owner.ref) }}>
          {owner.ref.split('/').at(-1)}
        </Link>
      </li>
      {runCrumb}
    </PathCrumbs>
  )
}

const RunFacts = memo(function RunFacts({ run, owner }: { readonly run: Run; readonly owner: OwnerRef }) {
  const { subject } = commitOf(run)
  return (
    <div className="run-head">
      <div className="run-facts">
        <StateText state={stateOfRun(run)} {...(isStillRunning(run) ? { detail: 'some tasks still run' } : {})} />
        <span className="row">
          <Icon name="clock" /> {run.startedAt === undefined ? 'not begun' : <Duration of={run} />}
        </span>
        <span>
          <Ago time={run.endedAt ?? run.startedAt ?? run.enqueuedAt} />
        </span>
        <Origin run={run} isLinked />
        <Commit run={run} />
        <Attempts run={run} owner={owner} />
      </div>
      {subject === '' ? null : <p className="soft">{subject}</p>}
      <Rail run={run} />
    </div>
  )
})

/** Of so many a phone is too narrow for gaps between them, and for their graph. */
const manyTasks = 60

/** All tasks in one line, the whole run at a glance. */
function Rail({ run }: { readonly run: Run }) {
  if (run.tasks.length === 0) return null
  const sorted = [...run.tasks].sort((a, b) => a.level - b.level)
  const counts = [...countStates(run)].map(
    ([state, count]: [ShownState, number]) => `${count} ${stateWords[state].toLowerCase()}`,
  )
  return (
    <div
      className="rail"
      role="img"
      aria-label={`Tasks: ${counts.join(', ')}`}
      {...(sorted.length >= manyTasks ? { 'data-many': '' } : {})}
    >
      {sorted.map((task) => (
        <span key={task.id} data-state={stateOfTask(task)} title={`${task.name}: ${stateWords[stateOfTask(task)]}`} />
      ))}
    </div>
  )
}

const views = ['graph', 'timeline', 'tasks', 'changes', 'definition'] as const
const viewWords = {
  graph: 'Graph',
  timeline: 'Timeline',
  tasks: 'Tasks',
  changes: 'Changes',
  definition: 'Definition',
} as const

const RunBody = memo(function RunBody({ run, owner }: { readonly run: Run; readonly owner: OwnerRef }) {
  const isNarrow = run.tasks.length >= manyTasks && matchMedia('(max-width: 46rem)').matches
  const { view = isNarrow ? 'tasks' : 'graph' } = useSearch({ strict: false }) as {
    readonly view?: (typeof views)[number]
  }
  const navigate = useNavigate()
  const { ask, dialog } = useApproval()
  const onApprove = run.may.approve
    ? (task: TaskSummary) => ask({ runId: run.id, taskId: task.id, name: task.name })
    : undefined
  const approvals = run.tasks.filter((task) => stateOfTask(task) === 'approval')
  if (run.setupErrors.length > 0) return <SetupErrors run={run} />
  return (
    <>
      {run.phase === 'queued' && run.reason !== undefined ? <Stale>It {run.reason.message}.</Stale> : null}
      {run.phase === 'cancelled' && run.reason !== undefined ? <Stale>Cancelled: {run.reason.message}.</Stale> : null}
      {approvals.length === 0 || !isLive(run) ? null : (
        <Panel title="Waiting for approval" isPadded={false}>
          <ul className="rows">
            {approvals.map((task) => (
              <li key={task.id} className="row">
                <span className="grow">{task.name}</span>
                {onApprove === undefined ? null : (
                  <Button kind="primary" onClick={() => onApprove(task)}>
                    Approve
                  </Button>
                )}
              </li>
            ))}
          </ul>
        </Panel>
      )}
      {dialog}
      <WhatBroke run={run} owner={owner} />
      <Panel
        title={`${run.tasks.length} ${run.tasks.length === 1 ? 'task' : 'tasks'}`}
        isPadded={false}
        actions={
          <div className="segments" role="group" aria-label="View">
            {views.map((choice) => (
              <Button
                key={choice}
                size="small"
                aria-pressed={choice === view}
                onClick={() => void navigate({ to: '.', search: { view: choice } as never, replace: true })}
              >
                {viewWords[choice]}
              </Button>
            ))}
          </div>
        }
      >
        {view === 'graph' ? (
          <Graph run={run} owner={owner} />
        ) : view === 'timeline' ? (
          <Timeline run={run} owner={owner} />
        ) : view === 'changes' ? (
          <Comparison run={run} owner={owner} />
        ) : view === 'definition' ? (
          <ConfigView run={run} />
        ) : (
          <TaskList run={run} owner={owner} onApprove={onApprove} />
        )}
      </Panel>
    </>
  )
})
