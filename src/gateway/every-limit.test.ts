// What every operation refuses because there is too much of something already, or because it was asked too often. What takes
// thousands is put there beside the API.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aGroup, aUser } from '../configstore/configstore-fixture.ts'
import type { RouteId } from '../contract/routes.ts'
import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { Inbox } from './deliveries/inbox.ts'
import { type Changes, codeOf, openRefusals, password, type Refusals, routeOf, thatSay } from './refusals-fixture.ts'

const definition = {
  runs: [
    { name: 'build', tasks: [{ name: 'a', runtime: { containers: [{ image: 'alpine' }] }, steps: [{ run: 'x' }] }] },
  ],
}
/** Of two bytes each: within the schema, which counts characters. */
const tooLarge = 'é'.repeat(limits.secretBytes.value)
const commitSha = 'c'.repeat(40)

describe('too much of something', () => {
  let refusals: Refusals
  const ask: Refusals['ask'] = (...asked) => refusals.ask(...asked)

  beforeAll(async () => {
    refusals = await openRefusals({
      directRuns: {
        gitserver: {
          readFiles: async () => [{ path: '.slipway/config.json', text: JSON.stringify(definition) }],
        },
        repositoryUrl: () => 'https://ci.example/repos/x.git',
      },
    })
  })
  afterAll(async () => await refusals?.[Symbol.asyncDispose]())

  /** Makes what there may be just so much of. */
  const fill: Partial<Record<RouteId, () => Promise<unknown>>> = {
    createToken: async () => {
      const { configstore } = refusals.gateway
      await aUser(configstore, 'carl')
      for (let made = 0; made < limits.tokensPerUser.value; made++)
        await configstore.createToken({ user: 'carl', name: `t${made}`, scope: 'read' })
    },
    createProjectGroup: async () => {
      const { configstore } = refusals.gateway
      // The root group counts.
      for (let depth = 1, path = 'user/ann'; depth < limits.projectGroupDepth.value; depth++) {
        path = `${path}/g`
        await aGroup(configstore, path)
      }
    },
    createProjectSecret: () => fillHeld('secret', 'project'),
    createProjectGroupSecret: () => fillHeld('secret', 'projectgroup'),
    createProjectVariable: () => fillHeld('variable', 'project'),
    createProjectGroupVariable: () => fillHeld('variable', 'projectgroup'),
    createReceiver: async () => {
      for (let made = 0; made < limits.receiversPerProject.value; made++)
        expect((await ask('createReceiver', { body: slack(`r${made}`) })).status).toBe(201)
    },
    createExecutorToken: async () => {
      const { database } = refusals.gateway.installation
      for (let from = 0; from < limits.executorTokens.value; from += 1000)
        await database.do((tx) => {
          for (let index = from; index < from + 1000; index++) {
            const [id, name] = [`t${index}`, `n${index}`]
            tx.put('executortoken', id, { id, name, executorId: 'x', hash: `${index}`, createdAt: 0 })
          }
        })
    },
    rotateKey: async () => {
      for (let made = 1; made < limits.dataKeys.value; made++) expect((await ask('rotateKey')).status).toBe(201)
    },
  }

  /** One is made as usual, and the others after it. */
  async function fillHeld(type: 'secret' | 'variable', of: 'project' | 'projectgroup'): Promise<void> {
    const { known, gateway } = refusals
    const { configstore, database } = gateway.world
    const parent = { type: of, ref: (of === 'project' ? known.projectRef : known.projectGroupRef)! }
    const made =
      type === 'secret'
        ? await configstore.createSecret({ parent, name: 'first', data: { key: 'the value' } })
        : await configstore.createVariable({ parent, name: 'first', values: [{ value: 'x' }] })
    await database.do((tx) => {
      const first = tx.get(type, made.id)!
      for (let more = 1; more < limits.heldPerParent.value; more++) {
        const id = `${made.id}-${more}`
        tx.put(type, id, { ...first, id, name: `n${more}` } as never) // Of the same type as the first.
      }
    })
  }

  const requests: Partial<Record<RouteId, Changes>> = {
    createToken: { params: { userRef: 'carl' }, body: { name: 'new' } },
    createProjectGroup: {
      body: { name: 'g', parentRef: `user/ann${'/g'.repeat(limits.projectGroupDepth.value - 1)}` },
    },
    createProjectSecret: { body: { name: 'new', data: { key: 'the value' } } },
    createProjectGroupSecret: { body: { name: 'new', data: { key: 'the value' } } },
    createProjectVariable: { body: { name: 'new', values: [{ value: 'x' }] } },
    createProjectGroupVariable: { body: { name: 'new', values: [{ value: 'x' }] } },
    createReceiver: { body: slack('new') },
    createExecutorToken: { body: { name: 'new' } },
    createProjectRuns: {
      body: {
        branch: 'main',
        commitSha,
        definition: { fileName: 'config.json', content: JSON.stringify(definition) },
        variables: { LARGE: tooLarge },
      },
    },
    createDirectRuns: { body: { repositoryId: 'web', commitSha, message: 'x', secrets: { LARGE: tooLarge } } },
  }

  // What a provider says too much of is in every-outage.test.ts.
  const ofProviders: readonly RouteId[] = thatSay('provider_refused').filter((id) => id !== 'createProjectRuns')

  test.each(thatSay('limit_exceeded').filter((id) => !ofProviders.includes(id)))('%s', async (id) => {
    await fill[id]?.()
    expect(codeOf(await ask(id, requests[id]))).toBe('limit_exceeded')
  })
})

function slack(name: string): object {
  return { name, kind: 'slack', url: 'https://chat.example', changes: ['broken'] }
}

describe('too often', () => {
  let refusals: Refusals
  const ask: Refusals['ask'] = (...asked) => refusals.ask(...asked)
  let hasTooManyPasswords = false
  beforeAll(async () => {
    refusals = await openRefusals({
      configstore: (real) => ({
        ...real,
        createUser: async (...asked) => {
          if (hasTooManyPasswords) throw new SlipwayError('rate_limited', 'too many passwords')
          return await real.createUser(...asked)
        },
      }),
    })
    await refusals.gateway.configstore.createRemoteSource({
      name: 'forge',
      type: 'gitea',
      authType: 'password',
      apiUrl: 'https://f.example',
    })
  })
  afterAll(async () => await refusals?.[Symbol.asyncDispose]())

  const streams = thatSay('rate_limited').filter((id) => routeOf(id).stream?.kind === 'events')

  test('no password is tried any more, wherever it is one', async () => {
    const atForge = { body: { remoteSourceRef: 'forge', username: 'x', password } }
    const guarded: Partial<Record<RouteId, Changes>> = {
      login: {},
      loginAtRemoteSource: atForge,
      register: {},
      setUp: {},
      setPassword: { params: { userRef: 'root' } },
      linkAccount: atForge,
    }
    for (let tried = 0; tried < limits.loginAttempts.value; tried++)
      expect(codeOf(await ask('login', { body: { username: `nobody-${tried}`, password } }))).toBe('login_failed')
    for (const [id, changes] of Object.entries(guarded)) {
      const { headers, ...answer } = await ask(id as RouteId, changes)
      expect(codeOf({ headers, ...answer }), id).toBe('rate_limited')
      expect(Number(headers.get('retry-after')), id).toBeGreaterThan(0)
    }
  })

  test('no user with a password is made while too many passwords wait', async () => {
    hasTooManyPasswords = true
    expect(codeOf(await ask('createUser', { body: { name: 'crowded', password } }))).toBe('rate_limited')
    hasTooManyPasswords = false
  })

  test('no login at a provider is begun any more', async () => {
    const { cookie, csrfToken } = refusals.session
    const body = { remoteSourceRef: 'github' }
    await refusals.gateway.configstore.createRemoteSource({
      name: 'github',
      type: 'github',
      authType: 'oauth2',
      apiUrl: 'https://github.example',
      oauth2ClientId: 'id',
      oauth2ClientSecret: 'secret',
    })
    for (let begun = 0; begun < limits.oauth2Begins.value; begun++)
      expect((await ask('beginOAuth2Login', { body })).status).toBe(200)
    expect(codeOf(await ask('beginOAuth2Login', { body }))).toBe('rate_limited')
    const headers = { cookie, 'x-csrf-token': csrfToken }
    expect(codeOf(await ask('beginOAuth2Link', { body, headers, token: undefined }))).toBe('rate_limited')
  })

  test('no delivery is done again while too many wait', async () => {
    const { gateway, known } = refusals
    const projectId = known.projectRef!
    const work = { kind: 'look' } as const
    const { id } = await new Inbox(gateway).accept({ projectId, source: 'hook', event: 'push', work })
    // Later than anybody looks: none of them is done meanwhile.
    const queued = { dueAt: gateway.clock.now() + limits.deliveryRetentionMs.value, attempts: 0 }
    for (let made = 0; made < limits.deliveriesQueued.value; made += 2000)
      await gateway.database.do((tx) => {
        const { outcome: _, ...first } = tx.get('delivery', id)!
        for (let index = made; index < made + 2000; index++) tx.put('delivery', `${id}-${index}`, { ...first, queued })
      })
    expect(codeOf(await ask('redeliver', { params: { deliveryId: id } }))).toBe('rate_limited')
  })

  describe('with as many streams as one may have', () => {
    const closing = new AbortController()
    /** Those that nobody holds are closed when memory is short. */
    const held: Response[] = []
    beforeAll(async () => {
      const { gateway, token } = refusals
      const headers = { authorization: `Bearer ${token}` }
      for (let open = 0; open < limits.streamsPerCaller.value; open += 50)
        await Promise.all(
          Array.from({ length: 50 }, async () => {
            const stream = await fetch(`${gateway.url}/api/v1/run-changes`, { headers, signal: closing.signal })
            expect(stream.status).toBe(200)
            held.push(stream)
          }),
        )
    })
    afterAll(() => {
      expect(held).toHaveLength(limits.streamsPerCaller.value)
      closing.abort()
    })

    test.each(streams)('%s', async (id) => {
      expect(codeOf(await ask(id))).toBe('rate_limited')
    })
  })
})
