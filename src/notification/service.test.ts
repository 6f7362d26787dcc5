// From run events to what receivers and providers get.

import { expect, test } from 'vitest'
import { HandClock } from '../configstore/configstore-fixture.ts'
import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { until } from '../lib/until-fixture.ts'
import { HttpReceiver, openNotificationWorld, sha } from './notification-fixture.ts'
import type { Message } from './run-message.ts'
import { signature } from './send/webhook.ts'

const context = 'slipway/org/acme/web/build/push'

test('each state of a run becomes one commit status, with words and a link to the run', async () => {
  await using world = await openNotificationWorld()
  const { runs, provider } = world
  runs.register()
  const id = runs.add({ tasks: { build: 'notstarted', test: 'notstarted', lint: 'notstarted' } })
  await until(() => provider.shown()[context] === 'queued: queued')
  runs.start(id)
  await until(() => provider.shown()[context] === 'running: running')
  runs.end(id, 'failed', { build: 'success', test: 'failed', lint: 'failed' })
  await until(() => provider.shown()[context] === 'failed: 2 of 3 tasks failed: test, lint')
  expect(provider.statuses.at(-1)).toMatchObject({
    commitSha: sha('a'),
    targetUrl: 'https://ci.example.org/projects/p1/runs/1',
  })
  await until(async () => (await world.list('waiting')).length === 0)
  expect(provider.statuses.map(({ state }) => state).filter((state, index, all) => state !== all[index - 1])).toEqual([
    'queued',
    'running',
    'failed',
  ])
})

test('push, tag and pull request of one commit, and projects of one name, do not overwrite each other', async () => {
  await using world = await openNotificationWorld()
  const { runs, projects, provider } = world
  projects.add('p2', 'org/acme/other/web')
  runs.register()
  runs.add()
  runs.add({ refType: 'pull_request' })
  runs.add({ refType: 'tag' })
  runs.add({ projectId: 'p2' })
  runs.add({ name: 'lint' })
  await until(() => Object.keys(provider.shown()).length === 5)
  expect(Object.keys(provider.shown()).toSorted()).toEqual([
    'slipway/org/acme/other/web/build/push',
    'slipway/org/acme/web/build/pr',
    'slipway/org/acme/web/build/push',
    'slipway/org/acme/web/build/tag',
    'slipway/org/acme/web/lint/push',
  ])
})

test('a task that waits for approval is told, though it is no event', async () => {
  await using world = await openNotificationWorld()
  const { runs, provider } = world
  runs.register()
  const id = runs.add({ tasks: { deploy: 'notstarted' } })
  runs.start(id)
  runs.change(id, {}, { isEvent: false, tasks: { deploy: { waitingApproval: true } } })
  await until(() => provider.shown()[context] === 'running: waits for approval: deploy')
  runs.change(id, {}, { isEvent: false, tasks: { deploy: { approved: true, status: 'running' } } })
  await until(() => provider.shown()[context] === 'running: running')
})

test('while a provider is slow only the newest state waits, and it comes last', async () => {
  await using world = await openNotificationWorld()
  const { runs, provider } = world
  runs.register()
  const gate = Promise.withResolvers<void>()
  provider.before = () => gate.promise
  const id = runs.add()
  await until(async () => (await world.list()).length === 1)
  runs.start(id)
  await until(async () => (await world.list('waiting')).some(({ status }) => status?.state === 'running'))
  runs.end(id, 'success', { test: 'success' })
  await until(async () => (await world.list('waiting')).some(({ status }) => status?.state === 'success'))
  gate.resolve()
  await until(() => provider.shown()[context]?.startsWith('success') ?? false)
  expect(provider.statuses.map(({ state }) => state)).toEqual(['queued', 'success'])
  expect((await world.list('superseded')).map(({ status }) => status?.state)).toEqual(['running'])
})

test('a project that is renamed while a run goes on leaves no status that never ends', async () => {
  await using world = await openNotificationWorld()
  const { runs, projects, provider } = world
  runs.register()
  const id = runs.add()
  await until(() => provider.shown()[context] === 'queued: queued')
  projects.add('p1', 'org/acme/site')
  runs.end(id, 'success', { test: 'success' })
  await until(() => provider.shown()[context]?.startsWith('success') ?? false)
  expect(Object.keys(provider.shown())).toEqual([context])
  runs.add({ commitSha: sha('b') })
  await until(() => Object.keys(provider.shown(sha('b')))[0] === 'slipway/org/acme/site/build/push')
})

test('an older run of a context says nothing any more', async () => {
  await using world = await openNotificationWorld()
  const { runs, provider } = world
  runs.register()
  const first = runs.add()
  const second = runs.add()
  runs.end(second, 'success', { test: 'success' })
  runs.end(first, 'failed', { test: 'failed' })
  await until(() => world.database.view((tx) => tx.get('consumer', 'runevents'))?.passed === runs.events.length)
  await until(async () => (await world.list('waiting')).length === 0)
  expect(provider.shown()[context]).toMatch(/^success/)
})

test.each([
  ['provider_unauthorized', 'link it again'],
  ['remote_repository_not_found', 'no such repository'],
  ['provider_refused', 'at most 1000 statuses'],
  ['linked_account_not_found', 'no such account'],
] as const)('a commit status that ends with %s is told in words and not tried for ever', async (code, message) => {
  await using world = await openNotificationWorld()
  world.runs.register()
  world.provider.trouble = new SlipwayError(code, message)
  world.runs.add()
  await until(async () => (await world.list('failed')).length === 1)
  const [failed] = await world.list()
  expect(failed).toMatchObject({ message, attemptCount: 1, canResend: true })
  world.provider.trouble = undefined
  await world.notification.resendNotification({ projectId: 'p1', id: failed!.id })
  await until(() => world.provider.shown()[context] === 'queued: queued')
})

test('nothing is set in an archived repository, and a provider that is away is asked again later', async () => {
  const clock = new HandClock()
  await using world = await openNotificationWorld({ clock })
  const { runs, provider } = world
  runs.register()
  provider.isArchived = true
  runs.add()
  await until(async () => (await world.list('failed')).length === 1)
  expect((await world.list())[0]).toMatchObject({ message: 'the repository acme/web is archived' })
  provider.isArchived = false
  provider.trouble = new SlipwayError('provider_unavailable', 'it asks to come later', {
    retryAt: clock.now() + 60_000,
  })
  runs.add({ name: 'later' })
  await until(async () => (await world.list('waiting'))[0]?.attemptCount === 1)
  expect((await world.list('waiting'))[0]).toMatchObject({ nextAttemptAt: clock.now() + 60_000 })
  provider.trouble = undefined
  clock.pass(60_000)
  await until(() => Object.keys(provider.shown()).length === 1)
})

test('runs of users are told to nobody, those of a project without provider have no commit status', async () => {
  await using http = await HttpReceiver.open()
  await using world = await openNotificationWorld()
  const { runs, projects, provider } = world
  projects.add('p1', 'user/ann/plain', false)
  await world.receiver({ kind: 'webhook', url: `${http.url}/hook` })
  runs.register()
  runs.end(runs.add({ isDirect: true }), 'failed')
  runs.add()
  await until(() => http.received.length === 1)
  expect((JSON.parse(http.received[0]!.body) as Message).run?.number).toBe(2)
  expect(provider.statuses).toEqual([])
})

test('a webhook is one request for each event it asks for, signed, with a stable id', async () => {
  await using http = await HttpReceiver.open()
  await using world = await openNotificationWorld()
  const { secret } = await world.receiver({ kind: 'webhook', url: `${http.url}/all` })
  await world.receiver({ kind: 'webhook', url: `${http.url}/ends`, events: ['run.failed', 'run.success'] })
  world.runs.register()
  const id = world.runs.add()
  world.runs.start(id)
  world.runs.end(id, 'failed', { test: 'failed' })
  await until(() => http.of('/all').length === 3 && http.of('/ends').length === 1)
  await until(async () => (await world.list('waiting')).length === 0)
  expect(
    http
      .of('/all')
      .map(({ headers }) => headers['slipway-event'])
      .toSorted(),
  ).toEqual(['run.failed', 'run.queued', 'run.running'])
  const { headers, body } = http.of('/ends')[0]!
  expect(JSON.parse(body)).toMatchObject({
    version: 1,
    id: `${id}.4`,
    event: 'run.failed',
    change: 'broken',
    project: { id: 'p1', path: 'org/acme/web', url: 'https://ci.example.org/projects/p1' },
    run: {
      id,
      number: 1,
      phase: 'finished',
      result: 'failed',
      branch: 'main',
      tasks: [{ name: 'test', status: 'failed' }],
    },
  })
  expect(headers).toMatchObject({
    'content-type': 'application/json',
    'slipway-event': 'run.failed',
    'slipway-event-id': `${id}.4`,
    'slipway-attempt': '1',
  })
  const all = http.of('/all')[0]!
  const timestamp = String(all.headers['slipway-timestamp'])
  expect(all.headers['slipway-signature']).toBe(`v1=${signature(secret!, timestamp, all.body)}`)
  expect(Math.abs(Number(timestamp) * 1000 - Date.now())).toBeLessThan(5 * 60_000)
})

test('a webhook in the format of CloudEvents has its envelope', async () => {
  await using http = await HttpReceiver.open()
  await using world = await openNotificationWorld()
  await world.receiver({ kind: 'webhook', url: `${http.url}/ce`, format: 'cloudevents' })
  world.runs.register()
  const id = world.runs.add()
  await until(() => http.received.length === 1)
  const { headers, body } = http.received[0]!
  expect(headers['content-type']).toBe('application/cloudevents+json')
  expect(JSON.parse(body)).toMatchObject({
    specversion: '1.0',
    id: `${id}.1`,
    source: 'https://ci.example.org/projects/p1',
    type: 'slipway.run.queued.v1',
    subject: 'runs/1',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    datacontenttype: 'application/json',
    data: { version: 1, event: 'run.queued' },
  })
})

test('a receiver that fails gets the same again, later and later, and is given up at last', async () => {
  const clock = new HandClock()
  await using http = await HttpReceiver.open()
  await using world = await openNotificationWorld({ clock })
  http.answer = (_, response) => response.writeHead(500).end('\u001b[2Jout of <order>\n')
  await world.receiver({ kind: 'webhook', url: `${http.url}/hook` })
  world.projects.add('p1', 'org/acme/web', false)
  world.runs.register()
  world.runs.add()
  await until(async () => (await world.list('waiting'))[0]?.attemptCount === 1)
  const startedAt = clock.now()
  let last = 0
  await until(async () => {
    const [one] = await world.list()
    if (one!.nextAttemptAt !== undefined) {
      expect(one!.nextAttemptAt - clock.now()).toBeLessThanOrEqual(limits.notificationRetryMs.value)
      last = one!.nextAttemptAt
      clock.pass(Math.max(0, one!.nextAttemptAt - clock.now()))
    }
    return one!.state === 'failed'
  })
  expect(last - startedAt).toBeGreaterThan(24 * 60 * 60_000)
  expect(http.received).toHaveLength(limits.notificationAttempts.value)
  expect(new Set(http.received.map(({ headers }) => headers['slipway-event-id'])).size).toBe(1)
  expect(new Set(http.received.map(({ headers }) => headers['slipway-delivery'])).size).toBe(1)
  expect(new Set(http.received.map(({ body }) => body)).size).toBe(1)
  expect((await world.list())[0]).toMatchObject({
    message: `given up after ${limits.notificationAttempts.value} attempts: answered 500`,
    attempts: expect.arrayContaining([expect.objectContaining({ httpStatus: 500, excerpt: '[2Jout of <order>' })]),
  })
})

test('one slow receiver keeps nobody waiting, however much waits for it', async () => {
  await using http = await HttpReceiver.open()
  await using world = await openNotificationWorld()
  // Never answered, before its test ends.
  http.answer = ({ path }, response) => void (path === '/slow' || response.writeHead(200).end())
  await world.receiver({ kind: 'webhook', url: `${http.url}/slow` })
  await world.receiver({ kind: 'webhook', url: `${http.url}/quick` })
  world.runs.register()
  for (let run = 0; run < 60; run++) world.runs.add()
  await until(() => http.of('/quick').length === 60)
  expect(new Set(http.of('/slow').map(({ headers }) => headers['slipway-delivery'])).size).toBeLessThanOrEqual(4)
})

test.each([
  ['a redirect', 302, 'failed', 'answered 302: redirects are not followed'],
  ['that it is gone', 410, 'failed', 'answered 410: it is gone for good'],
  ['no content', 204, 'sent', 'answered 204'],
  ['that it is accepted', 202, 'sent', 'answered 202'],
] as const)('an answer of %s is what it is', async (_, status, state, message) => {
  await using http = await HttpReceiver.open()
  await using world = await openNotificationWorld()
  http.answer = (__, response) => response.writeHead(status, { location: `${http.url}/elsewhere` }).end()
  await world.receiver({ kind: 'webhook', url: `${http.url}/hook` })
  world.projects.add('p1', 'org/acme/web', false)
  world.runs.register()
  world.runs.add()
  await until(async () => (await world.list(state)).length === 1)
  expect((await world.list())[0]).toMatchObject({ message, attempts: [{ httpStatus: status }] })
  expect(http.of('/elsewhere')).toEqual([])
})

test('of a huge answer the beginning is read, and one that never ends is not waited for', async () => {
  await using http = await HttpReceiver.open()
  await using world = await openNotificationWorld()
  let closed = 0
  http.answer = (_, response) => {
    response.on('close', () => closed++)
    response.writeHead(200)
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(64 * 1024)));
    }
    response.on('drain', more)
    more()
  }
  await world.receiver({ kind: 'webhook', url: `${http.url}/hook` })
  world.projects.add('p1', 'org/acme/web', false)
  world.runs.register()
  world.runs.add()
  await until(async () => (await world.list('sent')).length === 1)
  const [{ attempts } = { attempts: [] }] = await world.list()
  expect(attempts[0]!.excerpt).toMatch(/^x{1,500}$/)
  await until(() => closed === 1)
})

test.each([
  'http://127.0.0.1:9',
  'http://localhost:9',
  'http://[::1]:9',
  'http://169.254.169.254/x',
  'http://0x7f.1:9',
])('private addresses are not called unless that is allowed: %s', async (url) => {
  await using world = await openNotificationWorld({ settings: { allowPrivateAddresses: false } })
  const { receiver } = await world.receiver({ kind: 'webhook', url })
  await world.notification.sendTest({ projectId: 'p1', id: receiver.id })
  await until(async () => (await world.list('failed')).length === 1)
  expect((await world.list())[0]!.message).toMatch(/^the address \S+ is not public/)
})

test('a new secret signs together with the one before for a day', async () => {
  const clock = new HandClock()
  await using http = await HttpReceiver.open()
  await using world = await openNotificationWorld({ clock })
  const made = await world.receiver({ kind: 'webhook', url: `${http.url}/hook` })
  const { id } = made.receiver
  const { secret } = await world.notification.updateReceiver({ projectId: 'p1', id, newSecret: true })
  expect(secret).not.toBe(made.secret)
  const tested = async (count: number) => {
    await world.notification.sendTest({ projectId: 'p1', id })
    await until(() => http.received.length === count)
    const { headers, body } = http.received[count - 1]!
    const expected = (of: string) => `v1=${signature(of, String(headers['slipway-timestamp']), body)}`
    return { signatures: String(headers['slipway-signature']).split(','), expected }
  }
  const soon = await tested(1)
  expect(soon.signatures).toEqual([soon.expected(secret!), soon.expected(made.secret!)])
  clock.pass(limits.receiverSecretMs.value + 1)
  const late = await tested(2)
  expect(late.signatures).toEqual([late.expected(secret!)])
})

test('a test comes at most every ten seconds', async () => {
  const clock = new HandClock()
  await using http = await HttpReceiver.open()
  await using world = await openNotificationWorld({ clock })
  const { receiver } = await world.receiver({ kind: 'slack', url: `${http.url}/slack` })
  const send = () => world.notification.sendTest({ projectId: 'p1', id: receiver.id })
  await send()
  await expect(send()).rejects.toMatchObject({ code: 'rate_limited' })
  clock.pass(limits.receiverTestMs.value)
  await send()
  await until(() => http.received.length === 2)
  expect(JSON.parse(http.received[0]!.body)).toEqual({ text: expect.stringContaining('a test of Slipway') })
})

test('a message comes when a branch breaks and when it is fixed, once each', async () => {
  await using http = await HttpReceiver.open()
  await using world = await openNotificationWorld()
  await world.receiver({ kind: 'slack', url: `${http.url}/main`, branches: ['main'] })
  await world.receiver({ kind: 'slack', url: `${http.url}/all`, changes: ['broken', 'still_broken', 'fixed'] })
  world.runs.register()
  const ended = (result: 'success' | 'failed' | 'stopped', branch = 'main') =>
    world.runs.end(world.runs.add({ branch, message: 'a <b> & c' }), result, { test: result })
  for (const result of ['success', 'failed', 'failed', 'stopped', 'failed', 'success', 'success'] as const)
    ended(result)
  ended('failed', 'feature')
  await until(() => http.of('/all').length === 5 && http.of('/main').length === 2)
  await until(async () => (await world.list('waiting')).length === 0)
  const texts = (path: string) => http.of(path).map(({ body }) => (JSON.parse(body) as { text: string }).text)
  expect(
    texts('/all')
      .map((text) => /is (?:still )?\w+ on \w+/.exec(text)?.[0])
      .toSorted(),
  ).toEqual([
    'is broken on feature',
    'is broken on main',
    'is fixed on main',
    'is still broken on main',
    'is still broken on main',
  ])
  expect(texts('/main').find((text) => text.includes('broken'))).toBe(
    [
      ':red_circle: *<https://ci.example.org/projects/p1/runs/2|acme/web: build is broken on main>*',
      'Run #2 failed in test.',
      'Commit aaaaaaaaaa: a &lt;b&gt; &amp; c',
      'Pushed by ann.',
    ].join('\n'),
  )
})

test('a definition that cannot be used breaks its branch as well', async () => {
  await using http = await HttpReceiver.open()
  await using world = await openNotificationWorld()
  await world.receiver({ kind: 'slack', url: `${http.url}/slack` })
  world.runs.register()
  const id = world.runs.add({ name: 'Setup Error', setupErrors: ['config.yml: runs is missing'] })
  world.runs.change(id, { phase: 'setuperror' })
  await until(() => http.received.length === 1)
  expect(http.received[0]!.body).toContain('could not be set up: config.yml: runs is missing')
})

test('an event that nobody understands is passed over, with a line in the log', async () => {
  await using world = await openNotificationWorld()
  const { runs } = world
  runs.register()
  runs.events.push({ sequence: 1, kind: 'of_the_future' } as never)
  runs.events.push({ sequence: 2, kind: 'run_phase_changed', runId: 'gone', phase: 'queued', result: 'unknown', at: 1 })
  runs.add()
  await until(() => Object.keys(world.provider.shown()).length === 1)
  expect(world.logged).toEqual([expect.objectContaining({ message: expect.stringContaining('passed over') })])
})

test('while the runservice or the configstore is away nothing is lost', async () => {
  await using world = await openNotificationWorld()
  const { runs, projects, provider } = world
  runs.register()
  runs.trouble = new SlipwayError('service_unavailable', 'away')
  runs.add()
  runs.trouble = undefined
  await until(() => Object.keys(provider.shown()).length === 1)
  projects.trouble = new SlipwayError('service_unavailable', 'away')
  runs.add({ name: 'second' })
  await until(async () => (await world.list('waiting')).length === 0)
  projects.trouble = undefined
  await until(() => Object.keys(provider.shown()).length === 2)
})

test('an event that cannot be stored is passed over alone', async () => {
  await using world = await openNotificationWorld()
  const { runs } = world
  runs.register()
  const id = runs.add()
  runs.views.set(id, { ...runs.view(id), run: { ...runs.view(id).run, annotations: null as never } })
  runs.add()
  await until(() => Object.keys(world.provider.shown()).length > 0)
  expect(world.logged).toEqual([expect.objectContaining({ message: 'a run event is passed over: it cannot be told' })])
})

test('what is old is forgotten, but nothing that waits', async () => {
  const clock = new HandClock()
  await using http = await HttpReceiver.open()
  await using world = await openNotificationWorld({ clock })
  const { receiver } = await world.receiver({ kind: 'webhook', url: `${http.url}/hook` })
  const send = () => world.notification.sendTest({ projectId: 'p1', id: receiver.id })
  await send()
  await until(async () => (await world.list('sent')).length === 1)
  http.answer = (_, response) => response.writeHead(500).end()
  clock.pass(limits.receiverTestMs.value)
  await send()
  await until(async () => (await world.list('waiting'))[0]?.attemptCount === 1)
  clock.pass(limits.notificationRetentionMs.value)
  await world.notification.clean()
  expect(await world.list('sent')).toEqual([])
  expect(await world.list()).toHaveLength(1)
  expect(world.database.view((tx) => tx.count('message'))).toBe(1)
  await until(async () => (await world.list())[0]!.attemptCount === 2)
})

test('receivers of a project that was deleted go', async () => {
  await using world = await openNotificationWorld()
  await world.receiver({ kind: 'webhook', url: 'https://example.org' })
  await world.notification.clean()
  expect(world.database.view((tx) => tx.count('receiver'))).toBe(1)
  world.projects.projects.delete('p1')
  await world.notification.clean()
  expect(world.database.view((tx) => [tx.count('receiver'), tx.count('receiversecret')])).toEqual([0, 0])
})
