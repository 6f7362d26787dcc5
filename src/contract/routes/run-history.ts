// Where a run stands among others, and its definition.

import { defineRoute } from '../route.ts'
import { ofProjectSource } from '../route-errors.ts'
import { Id, object } from '../schemas/common.ts'
import { DefinitionText, ExpandedConfig, RelatedRuns } from '../schemas/run-history.ts'

const tag = 'runs'
const runParams = object({ runId: Id })

export const runHistoryRoutes = {
  getRelatedRuns: defineRoute({
    method: 'GET',
    path: '/runs/:runId/related',
    tag,
    summary: 'Attempts of a run, and the last run of its branch, tag or pull request before it that succeeded.',
    auth: 'optional',
    params: runParams,
    responses: { 200: RelatedRuns },
    never: ['token_scope'],
    errors: ['run_not_found'],
  }),
  getRunConfig: defineRoute({
    method: 'GET',
    path: '/runs/:runId/config',
    tag,
    summary: 'The definition of a run as it was expanded: what its tasks are made of.',
    auth: 'optional',
    params: runParams,
    responses: { 200: ExpandedConfig },
    never: ['token_scope'],
    errors: ['run_not_found'],
  }),
  getRunDefinition: defineRoute({
    method: 'GET',
    path: '/runs/:runId/definition',
    tag,
    summary: 'The text of the definition at the commit of a run, read from the repository.',
    auth: 'required',
    params: runParams,
    responses: { 200: DefinitionText },
    errors: ['run_not_found', ...ofProjectSource],
  }),
} as const
