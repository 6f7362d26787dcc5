// Which repositories are asked for again, and when.

import { expect, test } from 'vitest'
import type { Project } from '../../configstore/types.ts'
import { FakeProviderHost } from '../../gitsource/fake-provider-fixture.ts'
import { systemClock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { RecentRepositories } from './recent-repositories.ts'

const signal = new AbortController().signal
const ref = 'refs/heads/main'

/** `asked`: how often the provider was asked for the repository. */
function aScene() {
  const host = new FakeProviderHost()
  host.addUser('ann')
  const { repository } = host.addRepository('acme/web', 'ann')
  const provider = host.openProvider({}, { kind: 'token', accessToken: host.giveTokens('ann').accessToken! })
  let now = 1_000_000
  const scene = {
    asked: 0,
    host,
    id: repository.id,
    project: { id: 'p', version: 1 } as Project,
    later: (ms: number) => {
      now += ms
    },
    repositories: new RecentRepositories({
      clock: { ...systemClock, now: () => now },
      providers: {
        openProviderOfProject: async () => {
          scene.asked++
          return { provider, repository: await provider.getRepository({ id: repository.id }, signal) }
        },
      },
    }),
  }
  return scene
}

test('of many pushes in a short time the first asks for the repository, and a later one again', async () => {
  const scene = aScene()
  const sha = scene.host.commit(scene.id, ref, 'first', { 'a.txt': 'a' })
  for (let push = 0; push < 5; push++) {
    const { source } = await scene.repositories.open(scene.project, signal)
    expect(await source.findRef(ref, signal)).toEqual({ name: ref, commitSha: sha })
    expect((await source.getCommit(sha, ref, signal)).message).toBe('first')
  }
  expect(scene.asked).toBe(1)
  scene.later(10_000)
  scene.host.rename(scene.id, 'acme/site')
  expect((await scene.repositories.open(scene.project, signal)).repository.path).toBe('acme/site')
  expect(scene.asked).toBe(2)
})

test.each([
  ['when the project was changed', { version: 2 }],
  ['for another project', { id: 'q' }],
])('%s the provider is asked', async (_, changes) => {
  const scene = aScene()
  await scene.repositories.open(scene.project, signal)
  await scene.repositories.open({ ...scene.project, ...changes } as Project, signal)
  expect(scene.asked).toBe(2)
})

test('a repository that is called otherwise by now is asked for, and so is what nobody has told of', async () => {
  const scene = aScene()
  const pathOf = async (...asked: Parameters<RecentRepositories['open']>[2][]) =>
    (await scene.repositories.open(scene.project, signal, ...asked)).repository.path
  expect([await pathOf(), await pathOf({ unlessCalled: 'Acme/Web' }), scene.asked]).toEqual(['acme/web', 'acme/web', 1])
  scene.host.rename(scene.id, 'acme/site')
  expect([await pathOf(), scene.asked]).toEqual(['acme/web', 1])
  expect([await pathOf({ unlessCalled: 'acme/site' }), scene.asked]).toEqual(['acme/site', 2])
  expect([await pathOf({ unlessCalled: 'acme/site' }), scene.asked]).toEqual(['acme/site', 2])
  scene.host.rename(scene.id, 'acme/page')
  expect([await pathOf('always'), scene.asked]).toEqual(['acme/page', 3])
})

test('when the clock was set back the provider is asked', async () => {
  const scene = aScene()
  await scene.repositories.open(scene.project, signal)
  scene.later(-1)
  await scene.repositories.open(scene.project, signal)
  expect(scene.asked).toBe(2)
})

test('what is not found with what was known is looked for once more with what is known then', async () => {
  const scene = aScene()
  await scene.repositories.open(scene.project, signal)
  const { source } = await scene.repositories.open(scene.project, signal)
  const sha = 'a'.repeat(40)
  await expect(source.getCommit(sha, ref, signal)).rejects.toMatchObject({ code: 'commit_not_found' })
  expect(scene.asked).toBe(2)
  // What was asked a moment ago is true.
  await expect(source.getCommit(sha, ref, signal)).rejects.toMatchObject({ code: 'commit_not_found' })
  expect(await source.findRef('refs/heads/none', signal)).toBeUndefined()
  expect(scene.asked).toBe(2)
})

test('a ref that is missing is looked for once more', async () => {
  const scene = aScene()
  await scene.repositories.open(scene.project, signal)
  const { source } = await scene.repositories.open(scene.project, signal)
  expect(await source.findRef('refs/heads/none', signal)).toBeUndefined()
  expect(scene.asked).toBe(2)
})

test('that a repository is gone is found by asking for it, and is not remembered', async () => {
  const scene = aScene()
  await scene.repositories.open(scene.project, signal)
  const { source } = await scene.repositories.open(scene.project, signal)
  scene.host.repositories.delete(scene.id)
  await expect(source.listRefs(signal)).rejects.toMatchObject({ code: 'remote_repository_not_found' })
  expect(scene.asked).toBe(2)
  await expect(scene.repositories.open(scene.project, signal)).rejects.toMatchObject({
    code: 'remote_repository_not_found',
  })
  expect(scene.asked).toBe(3)
})

test('a provider that does not answer is not asked more than before', async () => {
  const scene = aScene()
  await scene.repositories.open(scene.project, signal)
  const { source } = await scene.repositories.open(scene.project, signal)
  scene.host.before = () => {
    throw new SlipwayError('provider_unavailable', 'away')
  }
  await expect(source.listRefs(signal)).rejects.toMatchObject({ code: 'provider_unavailable' })
  expect(scene.asked).toBe(1)
})

test('what is done at the provider is done with what was known, and once more when something is not found', async () => {
  const scene = aScene()
  await scene.repositories.open(scene.project, signal)
  const paths: string[] = []
  const use = (act: (path: string) => void) =>
    scene.repositories.use(
      scene.project,
      async ({ repository: { path } }) => {
        paths.push(path)
        act(path)
      },
      signal,
    )
  await use(() => {})
  expect([paths, scene.asked]).toEqual([['acme/web'], 1])
  scene.host.rename(scene.id, 'acme/site')
  await use((path) => {
    if (path === 'acme/web') throw new SlipwayError('remote_repository_not_found', 'gone')
  })
  expect([paths, scene.asked]).toEqual([['acme/web', 'acme/web', 'acme/site'], 2])
  const refused = use(() => {
    throw new SlipwayError('provider_refused', 'no')
  })
  await expect(refused).rejects.toMatchObject({ code: 'provider_refused' })
  expect(scene.asked).toBe(2)
})
