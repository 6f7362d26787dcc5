// Looks at repositories that nobody calls for: when they are made, what they find, and what two of them at once do.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { aProject, aUser } from '../../configstore/configstore-fixture.ts'
import type { Project } from '../../configstore/types.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { silentLogger } from '../../lib/log.ts'
import { until } from '../../lib/until-fixture.ts'
import { openTestGateway, type TestGateway } from '../gateway-fixture.ts'
import { FakeRepository, fakeSources } from '../repository-fixture.ts'
import { withDefinition } from './deliveries-fixture.ts'
import { forgetProjects } from './forget-projects.ts'
import { Inbox } from './inbox.ts'
import { lookAt } from './look.ts'
import { type PollerComponents, Polling, pollOnce } from './poller.ts'

const signal = new AbortController().signal
const minute = 60_000
let gateway: TestGateway
let counter = 0
const repositories = new Map<string, FakeRepository>()

beforeAll(async () => {
  gateway = await openTestGateway()
  await aUser(gateway.configstore, 'ann')
})
afterAll(async () => await gateway?.[Symbol.asyncDispose]())

async function polled(pollIntervalMs = minute): Promise<{ project: Project; repository: FakeRepository }> {
  const url = `https://git.example/polled${++counter}.git`
  const repository = new FakeRepository()
  repositories.set(url, repository)
  const source = { kind: 'git', url, auth: 'none', pollIntervalMs } as const
  return { project: await aProject(gateway.configstore, `user/ann/polled${counter}`, { source }), repository }
}

function poller(): () => Promise<void> {
  const { configstore, database, clock } = gateway
  const components: PollerComponents = {
    configstore,
    database,
    clock,
    inbox: new Inbox({ database, clock }),
    sources: fakeSources(repositories),
    tryLock: async () => undefined,
    logger: silentLogger,
  }
  const polling = new Polling()
  return async () => await (await pollOnce(components, polling, signal)).ended
}

/** Kept for the project, the oldest first, as `push refs/heads/main`. */
function told(project: Project): readonly string[] {
  const rows = gateway.database.view((tx) => tx.list('delivery', { index: 'byProject', prefix: [project.id] }))
  return rows
    .map(({ body }) => (body.outcome === undefined ? `${body.event} ${body.ref}` : body.outcome.message))
    .toSorted()
}

test('the first look only remembers, later ones tell what moved and what is new', async () => {
  const { project, repository } = await polled()
  repository.push('refs/heads/main', 'old')
  const poll = poller()
  await poll()
  expect(told(project)).toEqual([])
  repository.push('refs/heads/main', 'new')
  repository.push('refs/heads/topic', 'new')
  repository.push('refs/tags/v1', 'new')
  repository.push('refs/pull/1/head', 'nobody says whose')
  gateway.clock.pass(minute)
  await poll()
  expect(told(project)).toEqual(['push refs/heads/main', 'push refs/heads/topic', 'tag refs/tags/v1'])
})

test('nobody is asked before the interval has passed, and nothing is written when nothing moved', async () => {
  const { project, repository } = await polled(5 * minute)
  repository.push('refs/heads/main', 'old')
  const poll = poller()
  await poll()
  repository.push('refs/heads/main', 'new')
  gateway.clock.pass(4 * minute)
  await poll()
  expect(told(project)).toEqual([])
  gateway.clock.pass(minute)
  await poll()
  expect(told(project)).toHaveLength(1)
  const { position } = gateway.database
  gateway.clock.pass(5 * minute)
  await poll()
  expect(gateway.database.position).toBe(position)
})

test('another instance that takes over knows what was seen', async () => {
  const { project, repository } = await polled()
  repository.push('refs/heads/main', 'old')
  await poller()()
  repository.push('refs/heads/main', 'new')
  await poller()()
  await poller()()
  expect(told(project)).toHaveLength(1)
})

test('a branch that went and came again at the same commit is told', async () => {
  const { project, repository } = await polled()
  const sha = repository.push('refs/heads/topic', 'work')
  const poll = poller()
  const round = async () => {
    gateway.clock.pass(minute)
    await poll()
  }
  await round()
  repository.point('refs/heads/topic')
  await round()
  repository.point('refs/heads/topic', sha)
  await round()
  expect(told(project)).toEqual(['push refs/heads/topic'])
})

test('trouble is told once, and looked past more and more seldom', async () => {
  const { project, repository } = await polled()
  const poll = poller()
  let asked = 0
  repository.listRefs = async () => {
    asked++
    throw new SlipwayError('git_failed', 'git ls-remote: not found')
  }
  for (let i = 0; i < 10; i++) {
    await poll()
    gateway.clock.pass(minute)
  }
  expect(told(project)).toEqual(['the repository cannot be looked at: git ls-remote: not found'])
  expect(asked).toBeLessThan(6)
})

test('a server that hangs keeps only its own waiting, also those that come due later', async () => {
  const { configstore, database, clock } = gateway
  const never = Promise.withResolvers<never>()
  const looked: string[] = []
  const hanging: string[] = []
  const open = async (url: string) => {
    const source = { kind: 'git', url, auth: 'none', pollIntervalMs: minute } as const
    const repository = new FakeRepository()
    repositories.set(url, repository)
    const { id } = await aProject(configstore, `user/ann/polled${++counter}`, { source })
    return { id, repository }
  }
  for (let i = 0; i < 10; i++) {
    const { id, repository } = await open(`https://hanging.example/${i}.git`)
    repository.listRefs = () => {
      hanging.push(id)
      return never.promise
    }
  }
  const well = await open('https://well.example/a.git')
  well.repository.listRefs = async () => {
    looked.push(well.id)
    return []
  }
  const components: PollerComponents = {
    configstore,
    database,
    clock,
    inbox: new Inbox({ database, clock }),
    sources: fakeSources(repositories),
    tryLock: async () => undefined,
    logger: silentLogger,
  }
  const polling = new Polling()
  const over = new AbortController()
  const rounds: Promise<void>[] = []
  for (let round = 1; round <= 3; round++) {
    rounds.push((await pollOnce(components, polling, over.signal)).ended)
    await until(() => looked.length === round && !polling.looking.has(well.id))
    clock.pass(minute)
  }
  expect(hanging).toHaveLength(4)
  over.abort()
  never.reject(new SlipwayError('git_failed', 'gone'))
  await Promise.all(rounds)
  expect(hanging).toHaveLength(4)
})

test('another URL is another repository: what is there starts nothing', async () => {
  const { project, repository } = await polled()
  repository.push('refs/heads/main', 'old')
  const { database, clock } = gateway
  const look = (cloneUrl: string, source: FakeRepository) =>
    lookAt(project, { source, cloneUrl, skipSshHostKeyCheck: false }, { database, clock }, signal)
  expect(await look('https://a.example', repository)).toEqual({ isFirst: true, changed: 1 })
  const moved = new FakeRepository()
  moved.push('refs/heads/main', 'elsewhere', withDefinition())
  expect(await look('https://b.example', moved)).toEqual({ isFirst: true, changed: 1 })
  expect(told(project)).toEqual([])
  moved.push('refs/heads/main', 'elsewhere 2')
  expect(await look('https://b.example', moved)).toEqual({ isFirst: false, changed: 1 })
})

test('a look that was overtaken by another one does not tell what is old as new', async () => {
  const { project, repository } = await polled()
  const { database, clock } = gateway
  const look = () =>
    lookAt(project, { source: repository, cloneUrl: 'x', skipSshHostKeyCheck: false }, { database, clock }, signal)
  repository.push('refs/heads/main', 'first')
  await look()
  const second = repository.push('refs/heads/main', 'second')
  const listRefs = repository.listRefs.bind(repository)
  let isSlow = true
  repository.listRefs = async () => {
    const refs = await listRefs()
    if (!isSlow) return refs
    isSlow = false
    // While its answer is on the way somebody pushes, and another look sees that.
    repository.push('refs/heads/main', 'third')
    await look()
    return refs
  }
  await look()
  const rows = database.view((tx) => tx.list('delivery', { index: 'byProject', prefix: [project.id] }))
  expect(rows).toHaveLength(1)
  expect(rows[0]!.body.commitSha).not.toBe(second)
})

test('what was seen of a project goes when the project is gone', async () => {
  const [{ project, repository }, other] = [await polled(), await polled()]
  repository.push('refs/heads/main', 'x')
  other.repository.push('refs/heads/main', 'x')
  await poller()()
  const { database, configstore } = gateway
  const seen = ({ id }: Project) =>
    database.view((tx) => [
      tx.get('lookedat', id) !== undefined,
      tx.count('seenref', { index: 'byProject', prefix: [id] }),
    ])
  await configstore.deleteProject({ project: project.id })
  await forgetProjects({ configstore, database })
  expect([seen(project), seen(other.project)]).toEqual([
    [false, 0],
    [true, 1],
  ])
})

test('a thousand branches are remembered by transactions of a bounded size', async () => {
  const { project, repository } = await polled()
  for (let i = 0; i < 1_100; i++) repository.push(`refs/heads/b${i}`, 'x')
  const poll = poller()
  await poll()
  expect(gateway.database.view((tx) => tx.count('seenref', { index: 'byProject', prefix: [project.id] }))).toBe(1_100)
  for (let i = 0; i < 1_099; i++) repository.point(`refs/heads/b${i}`)
  gateway.clock.pass(minute)
  await poll()
  expect(gateway.database.view((tx) => tx.count('seenref', { index: 'byProject', prefix: [project.id] }))).toBe(1)
  expect(told(project)).toEqual([])
})
