import './runs.css'
import type { RunSummary } from '../../api/types.ts'
import { Icon } from '../../ui/icon.tsx'
import { StateMark } from '../../ui/state-mark.tsx'
import { Ago } from '../../ui/time.tsx'
import { RunLink } from './run-link.tsx'
import { originOf, stateOfRun, stateWords } from './run-state.ts'

/** How a project stands, in one line; `run` is the newest of its main branch. */
export function NewestRun({
  run,
  projectPath,
}: {
  readonly run: RunSummary | undefined
  readonly projectPath: string
}) {
  if (run === undefined) return <div className="newest-run faint">No runs yet</div>
  const state = stateOfRun(run)
  const origin = originOf(run)
  return (
    <div className="newest-run">
      <StateMark state={state} />
      <RunLink owner={{ type: 'project', ref: projectPath }} number={run.number}>
        #{run.number} {stateWords[state].toLowerCase()}
      </RunLink>
      {origin.kind === 'direct' ? null : (
        <span className="faint clip">
          <Icon name="branch" /> {origin.name}
        </span>
      )}
      <span className="faint nowrap">
        <Ago time={run.endedAt ?? run.enqueuedAt} />
      </span>
    </div>
  )
}
