// What every operation answers when what it needs does not do its part: providers, repositories, services of the installation, and an
// installation in maintenance.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Route } from '../contract/route.ts'
import { ofProjectSource } from '../contract/route-errors.ts'
import { type RouteId, routes } from '../contract/routes.ts'
import { type ErrorCode, SlipwayError } from '../lib/errors.ts'
import { type Changes, codeOf, openRefusals, type Refusals, routeOf, thatSay } from './refusals-fixture.ts'

const password = 'password there'
const forge = { remoteSourceRef: 'forge' }
const atForge = { ...forge, username: 'ann-at-forge', password }
const annsProject = { projectRef: 'user/ann/remote' }
const operations = Object.keys(routes) as RouteId[]

describe('a provider or a repository that is in trouble', () => {
  let refusals: Refusals
  let token: string
  /** What reading the repository of a project fails with. */
  let trouble: SlipwayError | undefined

  beforeAll(async () => {
    refusals = await openRefusals({
      sources: {
        open: async () => {
          if (trouble !== undefined) throw trouble
          return undefined
        },
      },
    })
    const { gateway, ask } = refusals
    const { configstore, host } = gateway
    await configstore.createRemoteSource({
      name: 'forge',
      type: 'gitea',
      authType: 'password',
      apiUrl: 'https://f.example',
    })
    host.addUser('ann-at-forge', password)
    host.addRepository('acme/web', 'ann-at-forge')
    token = await gateway.tokenOf('ann')
    expect((await ask('linkAccount', { token, body: atForge })).status).toBe(200)
    const source = { kind: 'remotesource', ...forge, repositoryPath: 'acme/web' }
    expect((await ask('createProject', { token, body: { name: 'remote', source } })).status).toBe(201)
  })
  afterAll(async () => await refusals?.[Symbol.asyncDispose]())

  const ofProject: readonly RouteId[] = ['createProjectRuns', 'getRunDefinition']

  async function askInTrouble(id: RouteId, code: ErrorCode): Promise<unknown> {
    const { gateway, ask } = refusals
    const failure = new SlipwayError(code, 'trouble there')
    if (ofProject.includes(id)) {
      trouble = failure
      return codeOf(await ask(id, id === 'createProjectRuns' ? { body: { branch: 'main' } } : {}))
    }
    gateway.host.before = () => {
      throw failure
    }
    return codeOf(await ask(id, { token, ...remoteRequests[id] }))
  }

  const remoteRequests: Partial<Record<RouteId, Changes>> = {
    loginAtRemoteSource: { token: undefined, body: atForge },
    linkAccount: { body: atForge },
    createProject: { body: { name: 'new', source: { kind: 'remotesource', ...forge, repositoryPath: 'acme/web' } } },
    listRemoteRepositories: { params: forge },
    reconfigureProject: { params: annsProject },
    setProjectAccount: { params: annsProject },
    setProjectRepository: { params: annsProject, body: { ...forge, repositoryPath: 'acme/web' } },
    createWebhookSecret: { params: annsProject },
  }

  // An account whose token was refused is of no use for a while, and one that is gone for ever: those come last.
  const codes = [
    ...['provider_refused', 'provider_unavailable', 'remote_repository_not_found', 'limit_exceeded'],
    ...['git_failed', 'commit_not_found', 'provider_unauthorized', 'linked_account_not_found'],
  ] as readonly ErrorCode[]

  test('all that can be in trouble is asked for', () => {
    expect(codes).toEqual(expect.arrayContaining([...ofProjectSource]))
  })

  describe.each(codes)('%s', (code) => {
    const asked = thatSay(code).filter((id) => ofProject.includes(id) || id in remoteRequests)
    test.each(asked)('%s', async (id) => {
      const { host } = refusals.gateway
      try {
        expect(await askInTrouble(id, code)).toBe(code)
      } finally {
        host.before = () => {}
        trouble = undefined
      }
    })
  })
})

describe('without a notification service and a git server', () => {
  let refusals: Refusals
  beforeAll(async () => {
    refusals = await openRefusals({ notification: false })
  })
  afterAll(async () => await refusals?.[Symbol.asyncDispose]())

  const commit = { repositoryId: 'web', commitSha: '0'.repeat(40), message: 'x' }

  test.each(thatSay('service_unavailable'))('%s', async (id) => {
    const answer = await refusals.ask(id, id === 'createDirectRuns' ? { body: commit } : {})
    expect([answer.status, codeOf(answer)]).toEqual([503, 'service_unavailable'])
  })

  test('a stream of notifications tells so, and ends', async () => {
    const { status, body } = await refusals.ask('watchNotifications')
    expect(status).toBe(200)
    expect(body).toMatch(/event: failure\ndata: .*"code":"service_unavailable"/)
  })
})

describe('a configstore that does not answer', () => {
  let refusals: Refusals
  let isAway = false
  beforeAll(async () => {
    refusals = await openRefusals({
      configstore: (real) =>
        new Proxy(real, {
          get: (target, name) => {
            if (!isAway || typeof name === 'symbol') return Reflect.get(target, name)
            return async () => {
              throw new SlipwayError('service_unavailable', 'the configstore does not answer')
            }
          },
        }),
    })
    isAway = true
  })
  afterAll(async () => await refusals?.[Symbol.asyncDispose]())

  test.each(operations.filter((id) => routeOf(id).auth !== 'none'))('%s', async (id) => {
    const answer = await refusals.ask(id)
    expect([answer.status, codeOf(answer)]).toEqual([503, 'service_unavailable'])
  })
})

describe('a runservice that does not answer', () => {
  let refusals: Refusals
  let isAway = false
  beforeAll(async () => {
    refusals = await openRefusals({
      runservice: (real) => {
        const refuse = async () => {
          throw new SlipwayError('service_unavailable', 'the runservice does not answer')
        }
        const away = { loadRun: refuse, listExecutors: refuse, listQueue: refuse, findRuns: refuse, position: refuse }
        return new Proxy(real, {
          get: (target, name) => {
            const member = Reflect.get(isAway && name in away ? away : target, name) as unknown
            return typeof member === 'function' ? member.bind(target) : member
          },
        })
      },
    })
    isAway = true
  })
  afterAll(async () => await refusals?.[Symbol.asyncDispose]())

  const needRuns: readonly RouteId[] = [
    ...operations.filter((id) => routeOf(id).path.startsWith('/runs/:runId')),
    ...(['listProjectRuns', 'getProjectRun', 'listUserRuns', 'getUserRun', 'getBadge'] as const),
    ...(['listExecutors', 'listQueue'] as const),
  ]

  test.each(needRuns)('%s', async (id) => {
    const answer = await refusals.ask(id)
    expect([answer.status, codeOf(answer)]).toEqual([503, 'service_unavailable'])
  })
})

describe('in maintenance', () => {
  let refusals: Refusals
  beforeAll(async () => {
    refusals = await openRefusals()
    await refusals.gateway.maintenance.enter('root', 'upgrade')
  })
  afterAll(async () => await refusals?.[Symbol.asyncDispose]())

  const isServed = ({ tag }: Route) => tag === 'maintenance' || tag === 'server'
  test.each(operations.filter((id) => !isServed(routeOf(id)) && id !== 'getIdentity'))('%s', async (id) => {
    expect(codeOf(await refusals.ask(id))).toBe('maintenance')
  })
})
