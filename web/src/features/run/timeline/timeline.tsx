// When what ran: a bar for each task, before it what it waited for an executor; opened, a bar for each step. The tasks that decided
// how long the run took are outlined.

import { useQuery } from '@tanstack/react-query'
import { type CSSProperties, useMemo, useState } from 'react'
import type { Run, Step, TaskSummary } from '../../../api/types.ts'
import { Icon } from '../../../ui/icon.tsx'
import { Empty } from '../../../ui/load-state.tsx'
import { useNow } from '../../../ui/now.ts'
import { StateMark } from '../../../ui/state-mark.tsx'
import { Duration } from '../../../ui/time.tsx'
import { durationText } from '../../../ui/time-text.ts'
import { type OwnerRef, TaskLink } from '../../runs/run-link.tsx'
import { isLive, stateOfTask } from '../../runs/run-state.ts'
import { taskQuery } from '../../task/queries.ts'
import { criticalPath, readyAt } from './critical-path.ts'
import { tickStepMs, ticksOf } from './ticks.ts'

type Scale = { readonly start: number; readonly length: number; readonly now: number }

const percent = (ms: number, { start, length }: Scale) =>
  `${Math.max(0, Math.min(100, ((ms - start) / length) * 100))}%`

export function Timeline({ run, owner }: { readonly run: Run; readonly owner: OwnerRef }) {
  const now = useNow(isLive(run))
  const critical = useMemo(() => criticalPath(run.tasks), [run.tasks])
  const byId = useMemo(() => new Map(run.tasks.map((task) => [task.id, task])), [run.tasks])
  if (run.startedAt === undefined)
    return <Empty title="Nothing has begun">The run waits: {run.reason?.message ?? 'it is queued'}.</Empty>
  const start = Date.parse(run.startedAt)
  const end = run.endedAt === undefined ? now : Date.parse(run.endedAt)
  const scale: Scale = { start, length: Math.max(end - start, 1), now }
  const begun = run.tasks
    .filter(({ startedAt }) => startedAt !== undefined)
    .sort((a, b) => Date.parse(a.startedAt!) - Date.parse(b.startedAt!))
  return (
    <div
      className="timeline"
      style={{ '--tick': `${(tickStepMs(scale.length) / scale.length) * 100}%` } as CSSProperties}
    >
      <div className="legend">
        <span>
          <i data-kind="wait" /> waits for an executor
        </span>
        <span>
          <i /> runs
        </span>
        <span>
          <i data-kind="critical" /> decided the duration
        </span>
      </div>
      <div className="timeline-row axis" aria-hidden="true">
        <span />
        <div className="ticks">
          {ticksOf(scale.length).map(({ ms, text }) => (
            <span key={ms} style={{ left: percent(start + ms, scale) }}>
              {text}
            </span>
          ))}
        </div>
        <span className="number">{durationText(scale.length)}</span>
      </div>
      {begun.map((task) => (
        <Row
          key={task.id}
          run={run}
          owner={owner}
          task={task}
          scale={scale}
          readyAt={readyAt(task, byId, start)}
          isCritical={critical.has(task.id)}
        />
      ))}
      {begun.length < run.tasks.length ? (
        <p className="legend">
          {run.tasks.length - begun.length === 1 ? '1 task' : `${run.tasks.length - begun.length} tasks`} did not begin.
        </p>
      ) : null}
    </div>
  )
}

type RowProps = {
  readonly run: Run
  readonly owner: OwnerRef
  readonly task: TaskSummary
  readonly scale: Scale
  readonly readyAt: number
  readonly isCritical: boolean
}

function Row({ run, owner, task, scale, readyAt: ready, isCritical }: RowProps) {
  const [isOpen, setOpen] = useState(false)
  const state = stateOfTask(task)
  const startedAt = Date.parse(task.startedAt!)
  const endedAt = task.endedAt === undefined ? scale.now : Date.parse(task.endedAt)
  return (
    <>
      <div className="timeline-row" data-state={state} {...(isCritical ? { 'data-critical': '' } : {})}>
        <div className="timeline-name">
          <button
            type="button"
            aria-expanded={isOpen}
            aria-label={`Steps of ${task.name}`}
            onClick={() => setOpen(!isOpen)}
          >
            <Icon name={isOpen ? 'down' : 'right'} />
          </button>
          <StateMark state={state} />
          <TaskLink owner={owner} number={run.number} taskId={task.id} className="clip">
            {task.name}
          </TaskLink>
          {isCritical ? <span className="visually-hidden">decided the duration</span> : null}
        </div>
        <div className="track">
          {startedAt > ready ? (
            <span
              className="wait"
              title={`waited ${durationText(startedAt - ready)}`}
              style={{ left: percent(ready, scale), width: `${((startedAt - ready) / scale.length) * 100}%` }}
            />
          ) : null}
          <Bar from={startedAt} to={endedAt} scale={scale} />
        </div>
        <div className="number faint">
          <Duration of={task} />
        </div>
      </div>
      {isOpen ? <Steps runId={run.id} taskId={task.id} scale={scale} isRunning={task.status === 'running'} /> : null}
    </>
  )
}

function Bar({ from, to, scale }: { readonly from: number; readonly to: number; readonly scale: Scale }) {
  return (
    <span
      className="bar"
      style={{ left: percent(from, scale), width: `${(Math.max(0, to - from) / scale.length) * 100}%` }}
    />
  )
}

function Steps({
  runId,
  taskId,
  scale,
  isRunning,
}: {
  readonly runId: string
  readonly taskId: string
  readonly scale: Scale
  readonly isRunning: boolean
}) {
  const { data } = useQuery({ ...taskQuery(runId, taskId), ...(isRunning ? { staleTime: 0 } : {}) })
  if (data === undefined) return null
  const steps: readonly Step[] = [data.setupStep, ...data.steps]
  return steps.map((step, index) =>
    step.startedAt === undefined ? null : (
      // biome-ignore lint/suspicious/noArrayIndexKey: steps keep their place
      <div key={index} className="timeline-row" data-kind="step" data-state={step.phase}>
        <div className="clip">{step.name}</div>
        <div className="track">
          <Bar
            from={Date.parse(step.startedAt)}
            to={step.endedAt === undefined ? scale.now : Date.parse(step.endedAt)}
            scale={scale}
          />
        </div>
        <div className="number faint">
          <Duration of={step} />
        </div>
      </div>
    ),
  )
}
