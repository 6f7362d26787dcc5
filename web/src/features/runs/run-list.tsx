// A list of any length: rows are drawn where one looks, pages are fetched when one comes near their end.

import './runs.css'
import { useInfiniteQuery } from '@tanstack/react-query'
import { useWindowVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useRef } from 'react'
import type { RunFilter } from '../../api/apply-run-change.ts'
import type { RunOwner } from '../../api/types.ts'
import { Empty, Loading, Problem, problemText, Stale } from '../../ui/load-state.tsx'
import { runsQuery } from './queries.ts'
import type { OwnerRef } from './run-link.tsx'
import { RunRow } from './run-row.tsx'

const rowHeightPx = 60
/** So many rows before the end of what is there the next page is fetched. */
const aheadRows = 8

type Props = {
  readonly owner: RunOwner
  readonly ownerRef: OwnerRef
  readonly filter: RunFilter
}

export function RunList({ owner, ownerRef, filter }: Props) {
  const query = useInfiniteQuery(runsQuery(owner, filter))
  const runs = query.data?.pages.flatMap(({ items }) => items) ?? []
  const listRef = useRef<HTMLDivElement>(null)
  const rows = useWindowVirtualizer({
    count: runs.length,
    estimateSize: () => rowHeightPx,
    overscan: 10,
    getItemKey: (index) => runs[index]?.id ?? index,
    scrollMargin: listRef.current?.offsetTop ?? 0,
  })
  const shown = rows.getVirtualItems()
  const isNearEnd = (shown.at(-1)?.index ?? 0) >= runs.length - aheadRows
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query
  useEffect(() => {
    if (isNearEnd && hasNextPage && !isFetchingNextPage) void fetchNextPage()
  }, [isNearEnd, hasNextPage, isFetchingNextPage, fetchNextPage])

  if (query.data === undefined)
    return query.error === null ? (
      <Loading what="runs" lines={6} />
    ) : (
      <Problem error={query.error} title="Cannot show the runs" retry={() => void query.refetch()} />
    )
  if (runs.length === 0 && !hasNextPage) return <NoRuns owner={owner} filter={filter} />
  return (
    <>
      {query.error === null ? null : <Stale>What you see may be old: {problemText(query.error)}.</Stale>}
      <div className="run-list" ref={listRef} style={{ height: rows.getTotalSize() }}>
        {shown.map((item) => {
          const run = runs[item.index]
          return run === undefined ? null : (
            <div
              key={item.key}
              data-index={item.index}
              ref={rows.measureElement}
              style={{
                position: 'absolute',
                left: 0,
                right: 0,
                transform: `translateY(${item.start - rows.options.scrollMargin}px)`,
              }}
            >
              <RunRow run={run} owner={ownerRef} />
            </div>
          )
        })}
      </div>
      {isFetchingNextPage ? <Loading what="older runs" lines={2} /> : null}
    </>
  )
}

/** Whether there is none at all, or none of those one asks for. */
export function NoRuns({ owner, filter }: Pick<Props, 'owner' | 'filter'>) {
  if (Object.values(filter).some((value) => value !== undefined))
    return <Empty title="No run is like that">Other filters may find some.</Empty>
  return (
    <Empty title="No runs yet">
      {owner.type === 'project'
        ? 'A push to the repository starts what its definition in .slipway/ says, and so does “Start a run”.'
        : 'From a checkout “slipway directrun start” starts one.'}
    </Empty>
  )
}
