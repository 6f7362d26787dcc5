import { queryOptions } from '@tanstack/react-query'
import type { ResponseOf } from '../../../../../src/contract/route.ts'
import type { ApiRoutes } from '../../../../../src/contract/routes.ts'
import { call } from '../../../api/client.ts'

export type RelatedRuns = ResponseOf<ApiRoutes['getRelatedRuns']>

/** Attempts come: it is looked at again with each visit. */
export function relatedQuery(runId: string) {
  return queryOptions({
    queryKey: ['related-runs', runId],
    queryFn: ({ signal }) => call('getRelatedRuns', { params: { runId }, signal }),
  })
}

/** Never changes. */
export function configQuery(runId: string) {
  return queryOptions({
    queryKey: ['run-config', runId],
    queryFn: ({ signal }) => call('getRunConfig', { params: { runId }, signal }),
    staleTime: Number.POSITIVE_INFINITY,
  })
}

/** Of a commit, so it never changes; the repository may not be reachable. */
export function definitionQuery(runId: string) {
  return queryOptions({
    queryKey: ['run-definition', runId],
    queryFn: ({ signal }) => call('getRunDefinition', { params: { runId }, signal }),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  })
}
