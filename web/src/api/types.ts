// What the API answers, by the names pages use.

import type { EventOf, ResponseOf } from '../../../src/contract/route.ts'
import type { ApiRoutes } from '../../../src/contract/routes.ts'

export type RunList = ResponseOf<ApiRoutes['listProjectRuns']>
export type RunSummary = RunList['items'][number]
export type Run = ResponseOf<ApiRoutes['getRun']>
export type TaskSummary = Run['tasks'][number]
export type Task = ResponseOf<ApiRoutes['getTask']>
export type Step = Task['setupStep']
export type Reason = NonNullable<Run['reason']>
export type RunChangeEvent = EventOf<ApiRoutes['watchAllRuns']>
export type TaskChange = Extract<RunChangeEvent, { event: 'task' }>['data']
export type Identity = ResponseOf<ApiRoutes['getIdentity']>
export type Project = ResponseOf<ApiRoutes['getProject']>
export type ProjectGroup = ResponseOf<ApiRoutes['getProjectGroup']>
export type Invitation = ResponseOf<ApiRoutes['createInvitation']>
export type Organization = ResponseOf<ApiRoutes['getOrganization']>
export type UserOrganization = ResponseOf<ApiRoutes['listCurrentUserOrganizations']>['items'][number]
export type Secret = ResponseOf<ApiRoutes['createProjectSecret']>
export type Variable = ResponseOf<ApiRoutes['createProjectVariable']>
export type Executor = ResponseOf<ApiRoutes['drainExecutor']>
export type RunOwner = RunSummary['owner']
