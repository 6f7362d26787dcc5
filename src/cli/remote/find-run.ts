// A run as a person names it: its id, `org/acme/web#12`, or `@ann#3` for the third run of a user.

import type { ApiClient } from '../../contract/client.ts'
import type { ResponseOf } from '../../contract/route.ts'
import type { ApiRoutes } from '../../contract/routes.ts'
import { SlipwayError } from '../../lib/errors.ts'

export type Run = ResponseOf<ApiRoutes['getRun']>
export type RunTask = Run['tasks'][number]

export const runHelp = 'A run is its id, PROJECT#NUMBER (org/acme/web#12), or @USER#NUMBER.'

export async function findRun(client: ApiClient, text: string): Promise<Run> {
  if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(text)) return await client.call('getRun', { params: { runId: text } })
  const [, owner, number] = /^(.+)#(\d+)$/.exec(text) ?? []
  if (owner === undefined) throw new SlipwayError('usage', `${JSON.stringify(text)} names no run. ${runHelp}`)
  const runNumber = Number(number)
  return owner.startsWith('@')
    ? await client.call('getUserRun', { params: { userRef: owner.slice(1), runNumber } })
    : await client.call('getProjectRun', { params: { projectRef: owner, runNumber } })
}

/** By name or id. Errors: `usage` with the names there are. */
export function findTask(run: Run, text: string): RunTask {
  const found = run.tasks.find(({ id, name }) => name === text || id === text)
  if (found !== undefined) return found
  const names = run.tasks.map(({ name }) => name).join(', ')
  throw new SlipwayError('usage', `the run has no task ${text}: it has ${names === '' ? 'none' : names}`)
}
