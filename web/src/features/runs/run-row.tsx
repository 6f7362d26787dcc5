import { memo } from 'react'
import type { RunSummary } from '../../api/types.ts'
import { StateMark } from '../../ui/state-mark.tsx'
import { Ago, Duration } from '../../ui/time.tsx'
import { Commit, Origin } from './origin.tsx'
import { type OwnerRef, RunLink } from './run-link.tsx'
import { commitOf, isStillRunning, stateOfRun, stateWords } from './run-state.ts'

type Props = {
  readonly run: RunSummary
  readonly owner: OwnerRef /** In front of the name, in lists of several projects. */
  readonly project?: string
  /** One has started it oneself. */
  readonly isOwn?: boolean
}

export const RunRow = memo(function RunRow({ run, owner, project, isOwn = false }: Props) {
  const state = stateOfRun(run)
  const { subject } = commitOf(run)
  return (
    <div className="run-row" data-state={state}>
      <StateMark state={state} />
      <div>
        <div className="name">
          <span className="faint">#{run.number}</span>
          <RunLink owner={owner} number={run.number} className="clip">
            {project === undefined ? run.name : `${project} · ${run.name}`}
          </RunLink>
          {isOwn ? <span className="tag">by you</span> : null}
          {isStillRunning(run) ? <span className="tag">still running</span> : null}
        </div>
        <div className="sub">
          {run.reason === undefined || state === 'success' ? (
            <span className="clip">{subject === '' ? stateWords[state] : subject}</span>
          ) : (
            <span className="clip reason">{run.reason.message}</span>
          )}
        </div>
      </div>
      <div className="origin row clip">
        <Origin run={run} />
        <span className="faint">
          <Commit run={run} />
        </span>
      </div>
      <div className="number took">
        <Duration of={run} />
      </div>
      <div className="number when faint">
        <Ago time={run.endedAt ?? run.startedAt ?? run.enqueuedAt} />
      </div>
    </div>
  )
})
