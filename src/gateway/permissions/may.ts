// What a caller may do, told along with what it is about, so that nothing is offered that would be refused.

import type { HandlerContext } from '../routes/handler.ts'
import { decide } from './permission.ts'
import { permissions } from './table.ts'

type Subject = Pick<HandlerContext, 'caller' | 'access'>

const may = (operation: keyof typeof permissions, { caller, access }: Subject) =>
  decide(permissions[operation], caller, access) === 'allowed'

/** With a run; `access` is that of its owner. */
export function mayWithRun(subject: Subject): { readonly act: boolean; readonly approve: boolean } {
  return { act: may('stopRun', subject), approve: may('approveTask', subject) }
}

export function mayWithProject(subject: Subject): { readonly change: boolean; readonly run: boolean } {
  return { change: may('updateProject', subject), run: may('createProjectRuns', subject) }
}
