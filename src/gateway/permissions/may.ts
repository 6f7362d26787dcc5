// What a caller may do, told along with what it is about, so that nothing is offered that would be refused.

import type { HandlerContext } from '../routes/handler.ts'
import { decide, type SubjectAccess } from './permission.ts'
import { permissions } from './table.ts'

type Subject = Pick<HandlerContext, 'caller'> & { readonly access: SubjectAccess | undefined }

const may = (operation: keyof typeof permissions, { caller, access }: Subject) =>
  decide(permissions[operation], caller, access) === 'allowed'

/** With a run; `access` is that of its owner. */
export function mayWithRun(subject: Subject): { readonly act: boolean; readonly approve: boolean } {
  return { act: may('stopRun', subject), approve: may('approveTask', subject) }
}

export function mayWithGroup(subject: Subject): { readonly change: boolean; readonly create: boolean } {
  return { change: may('updateProjectGroup', subject), create: may('createProject', subject) }
}

/** `create`: projects and groups directly in it. */
export function mayWithOrganization(subject: Subject): { readonly change: boolean; readonly create: boolean } {
  return { change: may('updateOrganization', subject), create: may('createProject', subject) }
}

export function mayWithProject(subject: Subject): { readonly change: boolean; readonly run: boolean } {
  return { change: may('updateProject', subject), run: may('createProjectRuns', subject) }
}
