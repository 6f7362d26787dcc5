// An installation in which something of each kind is there, and short ways to ask each operation for what it must refuse.

import { anOrganization, aProject, aUser } from '../configstore/configstore-fixture.ts'
import { addressOf } from '../contract/client.ts'
import type { Route } from '../contract/route.ts'
import { errorsOfRoute } from '../contract/route-errors.ts'
import { type RouteId, routes } from '../contract/routes.ts'
import type { ErrorCode } from '../lib/errors.ts'
import { aRequest } from '../runservice/service-fixture.ts'
import { type Answer, openTestGateway, type TestGateway, type TestGatewayOptions } from './gateway-fixture.ts'
import { harmlessBody, harmlessParams } from './harmless-requests-fixture.ts'

export const password = 'correct horse battery'

export type Changes = {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** Of the administrator root when not given. */
  readonly token?: string | undefined
}

export type Refusals = AsyncDisposable & {
  readonly gateway: TestGateway
  /** Of the administrator root; ann owns what there is. */
  readonly token: string
  readonly known: Readonly<Record<string, string>>
  /** More of each kind: bob's. */
  readonly others: Readonly<Record<string, string>>
  /** Of a session of root, with what a page sends besides. */
  readonly session: { readonly cookie: string; readonly csrfToken: string }
  /** A harmless request of that operation, for what is known, but for `changes`. */
  readonly ask: (id: RouteId, changes?: Changes) => Promise<Answer>
}

/** Disposing stops it and removes everything. */
export async function openRefusals(options: TestGatewayOptions = {}): Promise<Refusals> {
  await using undo = new AsyncDisposableStack()
  const gateway = undo.use(await openTestGateway({ notification: true, ...options }))
  await gateway.world.configstore.createUser({ name: 'root', isAdmin: true, password })
  const token = await gateway.tokenOf('root')
  const known = await make(gateway, 'ann', 'acme')
  const others = { ...(await make(gateway, 'bob', 'other')), notificationId: 'other' }
  const { headers, body } = await gateway.ask('POST /login', { body: { username: 'root', password } })
  const cookie = headers.getSetCookie()[0]!.split(';')[0]!
  const { csrfToken } = body as { readonly csrfToken: string }
  const owned = undo.move()
  return {
    gateway,
    token,
    known,
    others,
    session: { cookie, csrfToken },
    ask: async (id, changes = {}) => {
      const route: Route = routes[id]
      const params = { ...harmlessParams(id, known), ...changes.params }
      const address = addressOf(route, { params }).replace('/api/v1', '')
      const given = changes.body ?? harmlessBody(id, route)
      const shown = 'token' in changes ? changes.token : token
      return await gateway.ask(`${route.method} ${address}${changes.query ?? ''}`, {
        ...(shown === undefined ? {} : { token: shown }),
        ...(given === undefined ? {} : { body: given }),
        headers: {
          ...(route.body === 'bytes' ? { 'content-type': 'application/octet-stream' } : {}),
          ...(route.versioned && route.method !== 'POST' ? { 'if-match': '"999999"' } : {}),
          ...changes.headers,
        },
      })
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** An organization with something of each kind. */
async function make(
  { world: { configstore }, installation }: TestGateway,
  userName: string,
  name: string,
): Promise<Readonly<Record<string, string>>> {
  await anOrganization(configstore, name, await aUser(configstore, userName))
  await configstore.createProjectGroup({ parent: `org/${name}`, name: 'team', visibility: 'public' })
  const project = await aProject(configstore, `org/${name}/web`)
  const specs = { a: { approval: 'needed' }, b: {} } as const
  const request = aRequest(specs, { ids: name, group: `/project/${project.id}/branch/main` })
  const [run] = await installation.runservice.createRuns([request])
  return {
    userRef: userName,
    orgRef: name,
    projectGroupRef: `org/${name}/team`,
    projectRef: project.id,
    runId: run!.id,
    taskId: `${name}a-id`,
  }
}

export const codeOf = ({ body }: Answer) => (body as { readonly code?: string } | undefined)?.code

/** The operations that say of themselves that they answer this. */
export function thatSay(code: ErrorCode): readonly RouteId[] {
  return (Object.keys(routes) as RouteId[]).filter((id) => errorsOfRoute(routes[id]).includes(code))
}

export const routeOf = (id: RouteId): Route => routes[id]

/** Parameters of the path. */
export function namesOf(id: RouteId): object {
  return routeOf(id).params?.properties ?? {}
}
