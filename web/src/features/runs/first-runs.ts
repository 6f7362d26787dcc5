// The newest runs of an owner, for pages that show several owners: the same entry of the cache that the owner's own page has.

import { type InfiniteData, queryOptions } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import { runsKey } from '../../api/live.ts'
import type { RunList, RunOwner } from '../../api/types.ts'
import { runsPageSize } from './queries.ts'

export function firstRunsQuery(owner: RunOwner) {
  return queryOptions({
    queryKey: runsKey(owner, {}),
    queryFn: async ({ signal }): Promise<InfiniteData<RunList>> => {
      const page = await call('listProjectRuns', {
        params: { projectRef: owner.id },
        query: { limit: runsPageSize },
        signal,
      })
      return { pages: [page], pageParams: [undefined] }
    },
    staleTime: 60_000,
  })
}
