// Direct runs: of what a user has pushed to the git server.

import { defineRoute } from '../route.ts'
import { NewDirectRun, NewRuns } from '../schemas/runs.ts'

export const directRunRoutes = {
  createDirectRuns: defineRoute({
    method: 'POST',
    path: '/user/direct-runs',
    tag: 'runs',
    summary:
      "Creates the runs of a commit in one of the caller's repositories on the git server, as runs of the caller.",
    auth: 'required',
    body: NewDirectRun,
    responses: { 201: NewRuns },
    repeatable: true,
    errors: ['config_invalid', 'commit_not_found', 'limit_exceeded', 'service_unavailable'],
  }),
} as const
