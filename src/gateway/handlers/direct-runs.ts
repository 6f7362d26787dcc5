// Direct runs.

import type { Runservice } from '../../runservice/api.ts'
import type { HandlersOf } from '../routes/handler.ts'
import { type DirectRuns, planDirectRuns } from '../runs/direct-runs.ts'
import { runRowView } from '../views/runs.ts'
import { userOf } from './common.ts'

export type DirectRunHandlersComponents = {
  readonly runservice: Pick<Runservice, 'createRuns' | 'position'>
  readonly directRuns: DirectRuns
}

export function directRunHandlers({
  runservice,
  directRuns,
}: DirectRunHandlersComponents): HandlersOf<'createDirectRuns'> {
  return {
    createDirectRuns: async ({ body }, context) => {
      const { requests, notCreated } = await planDirectRuns(userOf(context), body, directRuns, context.signal)
      const { transactionId } = context.call
      const created = await runservice.createRuns(requests, transactionId === undefined ? {} : { transactionId })
      context.wrote('runservice', await runservice.position())
      return { runs: created.map((run) => runRowView(run)), notCreated: [...notCreated] }
    },
  }
}
