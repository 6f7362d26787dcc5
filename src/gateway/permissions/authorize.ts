// The one place where permissions are enforced: finds what an operation is about, decides by the table, and answers for what the
// caller may not know of exactly as for what does not exist.

import type { Configstore } from '../../configstore/api.ts'
import type { Access, AccessType } from '../../configstore/types.ts'
import { type ErrorCode, isSlipwayError, SlipwayError, unreachable } from '../../lib/errors.ts'
import type { RunView } from '../../runservice/api.ts'
import type { Caller } from '../auth/caller.ts'
import { runOwnerOf } from '../runs/run-owner.ts'
import { type Decision, decide, type Permission } from './permission.ts'

export type AuthorizeComponents = {
  readonly configstore: Pick<Configstore, 'resolveAccess'>
  readonly runservice: { loadRun(runId: string, signal?: AbortSignal): Promise<RunView | undefined> }
}

/** What names the subject in a request. */
export type SubjectInput = {
  readonly params: Readonly<Record<string, unknown>>
  readonly body: unknown
}

export type Authorized = {
  readonly access: Access | undefined
  readonly destination: Access | undefined
  readonly run: RunView | undefined
}

/** Errors: `unauthenticated`, `forbidden`, `token_scope`, and what is said of things that do not exist. */
export async function authorize(
  permission: Permission,
  input: SubjectInput,
  caller: Caller,
  components: AuthorizeComponents,
): Promise<Authorized> {
  // Nobody learns from a 404 what is there before saying who asks.
  if (caller.kind === 'anonymous') enforce(decide(permission, caller, undefined), undefined)
  const subject = await findSubject(permission, input, caller, components)
  enforce(decide(permission, caller, subject?.access), subject)
  const to = permission.andDestination ? parentRefOf(input.body) : undefined
  if (to === undefined) return { access: subject?.access, run: subject?.run, destination: undefined }
  const destination = await resolve(components, 'projectgroup', to, caller, 'parent_group_not_found')
  enforce(decide({ ...permission, on: 'parentgroup' }, caller, destination.access), destination)
  return { access: subject?.access, run: subject?.run, destination: destination.access }
}

type Subject = { readonly access: Access; readonly run?: RunView; readonly notFound: () => SlipwayError }

function enforce(decision: Decision, subject: Subject | undefined): void {
  switch (decision) {
    case 'allowed':
      return
    case 'unauthenticated':
      throw new SlipwayError('unauthenticated', 'log in, or send a token')
    case 'hidden':
      throw subject?.notFound() ?? new SlipwayError('forbidden', 'you may not do this')
    case 'forbidden':
      throw new SlipwayError('forbidden', 'you may not do this')
    case 'token_scope':
      throw new SlipwayError('token_scope', 'the scope or the projects of this token do not allow it')
    default:
      unreachable(decision)
  }
}

async function findSubject(
  permission: Permission,
  { params, body }: SubjectInput,
  caller: Caller,
  components: AuthorizeComponents,
): Promise<Subject | undefined> {
  switch (permission.on) {
    case 'installation':
    case 'caller':
      return undefined
    case 'user': {
      const found = await resolve(components, 'user', String(params.userRef), caller, 'user_not_found')
      // Whoever is logged in may know the names of users; what they have is another matter.
      return { ...found, access: { ...found.access, globalVisibility: 'public' } }
    }
    case 'organization':
      return await resolve(components, 'organization', String(params.orgRef), caller, 'organization_not_found')
    case 'projectgroup':
      return await resolve(
        components,
        'projectgroup',
        String(params.projectGroupRef),
        caller,
        'project_group_not_found',
      )
    case 'parentgroup': {
      const own = caller.kind === 'user' ? `user/${caller.user.name}` : undefined
      const ref = parentRefOf(body) ?? own
      if (ref === undefined) throw new SlipwayError('request_invalid', 'body: parentRef is missing')
      return await resolve(components, 'projectgroup', ref, caller, 'parent_group_not_found')
    }
    case 'project':
      return await resolve(components, 'project', String(params.projectRef), caller, 'project_not_found')
    case 'run':
      return await resolveRun(components, String(params.runId), caller)
    default:
      return unreachable(permission.on)
  }
}

const words: Readonly<Record<AccessType, string>> = {
  user: 'user',
  organization: 'organization',
  projectgroup: 'project group',
  project: 'project',
}

async function resolve(
  { configstore }: AuthorizeComponents,
  type: AccessType,
  ref: string,
  caller: Caller,
  code: ErrorCode,
): Promise<Subject> {
  const notFound = () => new SlipwayError(code, `there is no ${words[type]} ${ref}`)
  try {
    const access = await configstore.resolveAccess({ type, ref, ...userOf(caller) })
    return { access, notFound }
  } catch (error) {
    // A path may end at an organization or a user that is not there: which one is nobody's business.
    if (isSlipwayError(error) && error.kind === 'notfound') throw notFound()
    throw error
  }
}

/** A run of a project is as visible as the project; one of a user is private. */
async function resolveRun(components: AuthorizeComponents, runId: string, caller: Caller): Promise<Subject> {
  const notFound = () => new SlipwayError('run_not_found', `there is no run ${runId}`)
  const run = await components.runservice.loadRun(runId)
  const owner = run && runOwnerOf(run.run.group)
  if (run === undefined || owner === undefined) throw notFound()
  try {
    const access = await components.configstore.resolveAccess({ type: owner.type, ref: owner.id, ...userOf(caller) })
    return { access: owner.type === 'user' ? { ...access, globalVisibility: 'private' } : access, run, notFound }
  } catch (error) {
    if (isSlipwayError(error) && error.kind === 'notfound') throw notFound()
    throw error
  }
}

function userOf(caller: Caller): { readonly userId?: string } {
  return caller.kind === 'user' ? { userId: caller.user.id } : {}
}

function parentRefOf(body: unknown): string | undefined {
  const ref = typeof body === 'object' && body !== null && 'parentRef' in body ? body.parentRef : undefined
  return typeof ref === 'string' ? ref : undefined
}
