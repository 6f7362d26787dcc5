// Lines of a log as the server tells them.

import type { ResponseOf } from '../../../../src/contract/route.ts'
import type { ApiRoutes } from '../../../../src/contract/routes.ts'

export type LogPage = ResponseOf<ApiRoutes['readLogLines']>

/** One for each line. */
export function timesOf(times: LogPage['times']): readonly number[] {
  return times.flatMap(({ lines, at }) => new Array<number>(lines).fill(Date.parse(at)))
}
