import { expect, test } from 'vitest'
import type { CascadeTask, CascadeWork, Project } from '../../configstore/types.ts'
import { FakeProviderHost } from '../../gitsource/fake-provider-fixture.ts'
import type { Provider } from '../../gitsource/provider.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import type { DeleteRunsRequest } from '../../runservice/api.ts'
import { followDeletions } from './follow-deletions.ts'

const now = 1_760_000_000_000
const source = {
  kind: 'remotesource',
  remoteSourceId: 'r',
  linkedAccountId: 'l',
  repositoryId: 'repo',
  repositoryPath: 'acme/web',
} as const

type Circumstances = {
  readonly ageMs?: number
  readonly calls?: number
  /** That of the account; without one the account is gone. */
  readonly provider?: Provider
  /** What the project is now; without it, it is gone. */
  readonly project?: Pick<Project, 'source'>
}

/** Gives out one task, and tells what became of it. */
async function afterOne(
  work: CascadeWork,
  { ageMs = 0, calls = 1, provider, project }: Circumstances = {},
): Promise<{ outcome: string; warnings: string[]; deletions: DeleteRunsRequest[] }> {
  const task: CascadeTask = { id: 't', createdAt: now - ageMs, attempts: 0, dueAt: now, work }
  const ended = Promise.withResolvers<string>()
  const warnings: string[] = []
  const deletions: DeleteRunsRequest[] = []
  const logger: Logger = {
    ...({ debug: () => {}, info: () => {}, error: () => {} } as unknown as Logger),
    warn: (message: string) => void warnings.push(message),
  }
  let given = false
  const waiting = (signal: AbortSignal | undefined) =>
    new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason), { once: true }))
  const following = followDeletions('h', {
    configstore: {
      claimTasks: async ({ kinds }, context) => {
        if (given || kinds[0] !== work.kind) return await waiting(context?.signal)
        given = true
        return { tasks: [task] }
      },
      getProject: async () => {
        if (project === undefined) throw new SlipwayError('project_not_found', 'gone')
        return project as Project
      },
      renewTask: async () => ({ position: 1 }),
      completeTask: async () => {
        ended.resolve('done')
        return { position: 1 }
      },
      failTask: async ({ error }) => {
        ended.resolve(error)
        return { position: 1 }
      },
    },
    providers: {
      openAccountProvider: async () => {
        if (provider === undefined) throw new SlipwayError('linked_account_not_found', 'gone')
        return provider
      },
    },
    runservice: {
      deleteRunsOf: async (request) => {
        deletions.push(request)
        return { deleted: 1, isDone: deletions.length === calls }
      },
    },
    clock: {
      now: () => now,
      sleep: (_, signal) => waiting(signal),
      timeout: () => new AbortController().signal,
    },
    logger,
  })
  const outcome = await ended.promise
  await following[Symbol.asyncDispose]()
  return { outcome, warnings, deletions }
}

test('runs are deleted until none is left', async () => {
  const owner = { type: 'project', id: 'p1' } as const
  const { outcome, deletions } = await afterOne({ kind: 'delete_runs', owner }, { calls: 3 })
  expect(outcome).toBe('done')
  expect(deletions).toEqual([{ owner }, { owner }, { owner }])
})

/** A repository with a hook and a key of the project, and a hook of somebody else. */
async function aProvider() {
  const host = new FakeProviderHost({ now: () => now })
  host.addUser('ann')
  const found = host.addRepository('acme/web', 'ann', { id: 'repo' })
  const { accessToken } = host.giveTokens('ann')
  const provider = host.openProvider({}, { kind: 'token', accessToken })
  const hook = { url: 'https://ci.example/webhooks/p1', secret: 's' }
  const remoteHookId = await provider.ensureHook(found.repository, hook, new AbortController().signal)
  const key = { title: 'slipway p1', publicKey: 'k' }
  const remoteDeployKeyId = await provider.ensureDeployKey(found.repository, key, new AbortController().signal)
  found.hooks.set('other', { url: 'https://other.example', secret: 's' })
  found.keys.set('other', { title: 'other', publicKey: 'k' })
  return { host, found, provider, remoteHookId, remoteDeployKeyId }
}

const work = { kind: 'clean_remote', projectId: 'p1', source } as const
const given = 'what a project had at its provider stays there: remove it by hand'

test.each([
  ['their ids are known', ['remoteHookId', 'remoteDeployKeyId']],
  ['only the address is known, for a crash came before the ids', []],
] as const)('webhook and deploy key of a deleted project go from the provider when %s', async (_, ids) => {
  const { provider, found, ...known } = await aProvider()
  const remote = Object.fromEntries(ids.map((name) => [name, known[name]]))
  const address = { remoteHookUrl: 'https://ci.example/webhooks/p1' }
  expect(await afterOne({ ...work, ...remote, ...address }, { provider })).toMatchObject({
    outcome: 'done',
    warnings: [],
  })
  expect([[...found.hooks.keys()], [...found.keys.keys()]]).toEqual([['other'], ['other']])
})

test('a provider that does not answer is asked again later, for a week', async () => {
  const { provider, host, found } = await aProvider()
  host.before = () => {
    throw new SlipwayError('provider_unavailable', 'away')
  }
  const there = { ...work, remoteHookId: '7' }
  const early = await afterOne(there, { provider, ageMs: limits.remoteCleaningMs.value - 1 })
  expect(early).toMatchObject({ outcome: 'away', warnings: ['task failed'] })
  const late = await afterOne(there, { provider, ageMs: limits.remoteCleaningMs.value })
  expect(late).toMatchObject({ outcome: 'done', warnings: [given] })
  expect(found.hooks.size).toBe(2)
})

test('nobody is asked again who is gone: a repository, or the account', async () => {
  const { provider, host } = await aProvider()
  host.repositories.clear()
  const there = { ...work, remoteHookId: '7' }
  expect(await afterOne(there, { provider })).toMatchObject({ outcome: 'done', warnings: [given] })
  expect(await afterOne(there)).toMatchObject({ outcome: 'done', warnings: [given] })
})

test('nothing is done where nothing was set up, or where the project is there again', async () => {
  const { provider, host, found } = await aProvider()
  const asked = host.asked.length
  expect(await afterOne(work, { provider })).toMatchObject({ outcome: 'done', warnings: [] })
  const again = { ...work, remoteHookId: '7' }
  expect(await afterOne(again, { provider, project: { source } })).toMatchObject({ outcome: 'done', warnings: [] })
  expect([host.asked.length, found.hooks.size]).toEqual([asked, 2])
})
