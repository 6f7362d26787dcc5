// Each branch, tag and pull request with its newest run and how the ones before it ended.

import './runs.css'
import { useInfiniteQuery } from '@tanstack/react-query'
import type { RunFilter } from '../../api/apply-run-change.ts'
import type { RunOwner } from '../../api/types.ts'
import { Button } from '../../ui/button.tsx'
import { Loaded } from '../../ui/load-state.tsx'
import { StateMark } from '../../ui/state-mark.tsx'
import { groupRuns } from './group-runs.ts'
import { runsQuery } from './queries.ts'
import { type OwnerRef, RunLink } from './run-link.tsx'
import { NoRuns } from './run-list.tsx'
import { RunRow } from './run-row.tsx'
import { stateOfRun, stateWords } from './run-state.ts'

const marksMax = 10

type Props = { readonly owner: RunOwner; readonly ownerRef: OwnerRef; readonly filter: RunFilter }

export function RunGroups({ owner, ownerRef, filter }: Props) {
  const query = useInfiniteQuery(runsQuery(owner, filter))
  return (
    <Loaded query={query} what="the branches" lines={6}>
      {({ pages }) => {
        const groups = groupRuns(pages.flatMap(({ items }) => items))
        return (
          <>
            {groups.length === 0 && !query.hasNextPage ? <NoRuns owner={owner} filter={filter} /> : null}
            {groups.map(({ key, runs }) => (
              <div key={key} className="run-group">
                <RunRow run={runs[0]!} owner={ownerRef} />
                {runs.length === 1 ? null : (
                  <ul className="run-group-before" aria-label="Runs before">
                    {runs.slice(1, marksMax + 1).map((run) => (
                      <li key={run.id} title={`#${run.number} ${stateWords[stateOfRun(run)].toLowerCase()}`}>
                        <RunLink owner={ownerRef} number={run.number}>
                          <StateMark state={stateOfRun(run)} />
                          <span className="visually-hidden">#{run.number}</span>
                        </RunLink>
                      </li>
                    ))}
                  </ul>
                )}
              </div>
            ))}
            {query.hasNextPage ? (
              <div className="panel-body">
                <Button isBusy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                  Look at older runs
                </Button>
              </div>
            ) : null}
          </>
        )
      }}
    </Loaded>
  )
}
