// A run that was restarted is one of several attempts: which, and the way to the others.

import { useQuery } from '@tanstack/react-query'
import type { Run } from '../../../api/types.ts'
import { Icon } from '../../../ui/icon.tsx'
import { StateMark } from '../../../ui/state-mark.tsx'
import { type OwnerRef, RunLink } from '../../runs/run-link.tsx'
import { stateOfRun } from '../../runs/run-state.ts'
import { relatedQuery } from './queries.ts'

export function Attempts({ run, owner }: { readonly run: Run; readonly owner: OwnerRef }) {
  const { data } = useQuery(relatedQuery(run.id))
  const attempts = data?.attempts ?? []
  if (attempts.length < 2) return run.restartOf === undefined ? null : <span className="tag">a restart</span>
  const at = attempts.findIndex(({ id }) => id === run.id)
  const [previous, next] = [attempts[at - 1], attempts[at + 1]]
  return (
    <nav className="row attempts" aria-label="Attempts">
      {previous === undefined ? null : (
        <RunLink owner={owner} number={previous.number} className="row">
          <Icon name="left" />
          <StateMark state={stateOfRun(previous)} />
          <span className="visually-hidden">Previous attempt</span> #{previous.number}
        </RunLink>
      )}
      <span className="tag">
        attempt {at + 1} of {attempts.length}
      </span>
      {next === undefined ? null : (
        <RunLink owner={owner} number={next.number} className="row">
          <span className="visually-hidden">Next attempt</span>#{next.number}
          <StateMark state={stateOfRun(next)} />
          <Icon name="right" />
        </RunLink>
      )}
    </nav>
  )
}
