// Runs over HTTP: created by hand, executed by an executor that does what the test says, watched, read and acted on.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aProject, aUser } from '../../configstore/configstore-fixture.ts'
import type { Order } from '../../runservice/executor-api.ts'
import { FakeExecutor, type Script, until, writeLog } from '../../runservice/service-fixture.ts'
import { adminToken, openTestGateway, type TestGateway } from '../gateway-fixture.ts'

const definition = `
runs:
  - name: build
    tasks:
      - name: compile
        runtime: { type: pod, arch: amd64, containers: [{ image: alpine }] }
        environment: { KEY: { from_variable: key }, MODE: { from_variable: mode } }
        steps:
          - run: { name: make, command: make all }
  - name: release
    when: { branch: release }
    tasks:
      - name: publish
        runtime: { type: pod, containers: [{ image: alpine }] }
        steps: [{ run: publish }]
`
const commitSha = 'a'.repeat(40)

describe.each([
  ['in the same process', false],
  ['in another process', true],
] as const)('services %s', (_, areServicesRemote) => {
  let gateway: TestGateway
  let token: string
  let project: string
  let path: string
  let counter = 0

  beforeAll(async () => {
    gateway = await openTestGateway({ areServicesRemote })
    await aUser(gateway.configstore, 'ann')
    token = await gateway.tokenOf('ann')
  })

  afterAll(async () => await gateway?.[Symbol.asyncDispose]())

  type Runs = { readonly runs: readonly { readonly id: string; readonly number: number }[] }

  /** A project of its own for each test. */
  async function ownProject(): Promise<void> {
    const { configstore } = gateway
    const source = { kind: 'git', url: 'https://git.example/web.git', auth: 'none', pollIntervalMs: 0 } as const
    project = (await aProject(configstore, `user/ann/web${++counter}`, { source, defaultBranch: 'main' })).id
    path = `/projects/${project}`
    const parent = { type: 'project', ref: project } as const
    await configstore.createSecret({ parent, name: 'keys', data: { api: 'the-api-key' } })
    await configstore.createVariable({ parent, name: 'key', values: [{ secretName: 'keys', secretVar: 'api' }] })
  }

  async function createRun(more: object = {}): Promise<{ readonly id: string; readonly number: number }> {
    const body = { commitSha, message: 'by hand', definition: { fileName: 'config.yml', content: definition }, ...more }
    const answer = await gateway.ask(`POST ${path}/runs`, { token, body })
    expect(answer, JSON.stringify(answer.body)).toMatchObject({ status: 201 })
    return (answer.body as Runs).runs[0]!
  }

  const get = async (request: string) => (await gateway.ask(`GET ${request}`, { token })).body as never
  const post = (request: string, body?: object) => gateway.ask(`POST ${request}`, { token, ...(body ? { body } : {}) })

  type RunBody = { tasks: { id: string; name: string; status: string }[]; phase: string; result: string }
  const taskIdOf = async (runId: string): Promise<string> => ((await get(`/runs/${runId}`)) as RunBody).tasks[0]!.id

  /** Connected until it is disposed, and then gone: nothing is handed to it any more. */
  async function anExecutor(script: Script): Promise<AsyncDisposable> {
    const { runservice } = gateway.installation
    const id = `x${++counter}`
    const executor = await new FakeExecutor(runservice, { id }, script).connect()
    return {
      [Symbol.asyncDispose]: async () => {
        await executor[Symbol.asyncDispose]()
        await runservice.removeExecutor(id)
        expect(executor.failures).toEqual([])
      },
    }
  }

  test('a run made by hand is what a push of that commit would start', async () => {
    await ownProject()
    const body = {
      commitSha,
      definition: { fileName: 'config.yml', content: definition },
      variables: { mode: 'debugging' },
    }
    const answer = await post(`${path}/runs`, body)
    expect(answer).toMatchObject({
      status: 201,
      body: {
        runs: [{ number: 1, name: 'build', owner: { type: 'project', id: project }, phase: 'queued' }],
        notCreated: [{ name: 'release', message: 'when branch release does not match main' }],
      },
    })
    const { id } = (answer.body as Runs).runs[0]!
    let order: Order | undefined
    await using _ = await anExecutor((given) => {
      order = given
      return 'success'
    })
    await until(() => order !== undefined)
    expect(order!.environment).toMatchObject({
      KEY: 'the-api-key',
      MODE: 'debugging',
      SLIPWAY_GIT_BRANCH: 'main',
      SLIPWAY_REPOSITORY_URL: 'https://git.example/web.git',
    })
    expect(order!.secrets.map(({ value }) => value).toSorted()).toEqual(['debugging', 'the-api-key'])
    const run = JSON.stringify(await get(`/runs/${id}`))
    expect(run).not.toContain('the-api-key')
    expect(run).not.toContain('debugging')
    const task = (await get(`/runs/${id}/tasks/${await taskIdOf(id)}`)) as { usedSecrets: unknown }
    expect(task.usedSecrets).toEqual([{ name: 'keys/api', version: 1 }])
  })

  test.each([
    ['a definition with an error', { definition: { fileName: 'config.yml', content: 'runs: 3' } }, 'config_invalid'],
    ['two refs', { branch: 'a', tag: 'b' }, 'request_invalid'],
    ['a ref of an unknown kind', { ref: 'refs/notes/x' }, 'request_invalid'],
    ['half a commit', { commitSha: 'abc' }, 'request_invalid'],
  ])('no run is made of %s', async (_, wrong, code) => {
    await ownProject()
    const body = { commitSha, definition: { fileName: 'config.yml', content: definition }, ...wrong }
    expect(await post(`${path}/runs`, body)).toMatchObject({ status: 400, body: { code } })
    expect(await get(`${path}/runs`)).toEqual({ items: [] })
  })

  test('runs asked for again with the same key are made once', async () => {
    await ownProject()
    const body = { commitSha, definition: { fileName: 'config.yml', content: definition } }
    const headers = { 'idempotency-key': `runs-${project}` }
    const first = await gateway.ask(`POST ${path}/runs`, { token, headers, body })
    const again = await gateway.ask(`POST ${path}/runs`, { token, headers, body })
    expect(again.body).toEqual(first.body)
    expect(((await get(`${path}/runs`)) as { items: unknown[] }).items).toHaveLength(1)
  })

  test('runs are listed by pages, by branch, tag, phase and result, and found by their number', async () => {
    await ownProject()
    for (const ref of [{ branch: 'a' }, { branch: 'a' }, { branch: 'b' }, { tag: 'a' }]) await createRun(ref)
    type List = { items: { number: number; phase: string; annotations: Record<string, string> }[]; nextCursor?: string }
    const list = async (query: string): Promise<List> => await get(`${path}/runs?${query}`)
    const numbers = async (query: string) => (await list(query)).items.map(({ number }) => number)
    expect(await numbers('')).toEqual([4, 3, 2, 1])
    expect(await numbers('sort=asc')).toEqual([1, 2, 3, 4])
    expect(await numbers('branch=a')).toEqual([2, 1])
    expect(await numbers('tag=a')).toEqual([4])
    expect(await numbers('phase=queued&phase=running&branch=b')).toEqual([3])
    expect(await numbers('result=success')).toEqual([])
    const page = await list('limit=3')
    expect(page.items[0]!.annotations).toMatchObject({ message: 'by hand', tag: 'a' })
    expect(await numbers(`limit=3&cursor=${page.nextCursor}`)).toEqual([1])
    expect(await get(`${path}/runs/3`)).toMatchObject({ number: 3, tasks: [{ name: 'compile', status: 'notstarted' }] })
    expect(await gateway.ask(`GET ${path}/runs/9`)).toMatchObject({ status: 404, body: { code: 'run_not_found' } })
    expect(await post(`${path}/runs?branch=a`, {})).toMatchObject({ status: 400 })
    expect(await gateway.ask(`GET ${path}/runs?cursor=x`, { token })).toMatchObject({ status: 400 })
    // Nobody gets out of the project by a name.
    expect(await numbers(`branch=${encodeURIComponent('../../x')}`)).toEqual([])
  })

  test('a run is cancelled, stopped and restarted, and each in its time only', async () => {
    await ownProject()
    const first = await createRun()
    const second = await createRun()
    const act = async (run: { readonly id: string }, action: string, body?: object) => {
      const answer = await post(`/runs/${run.id}/${action}`, body)
      const { code, phase, result, number } = answer.body as Record<string, unknown>
      return [answer.status, code ?? phase, result, number].filter((one) => one !== undefined)
    }
    const fromStart = { fromStart: true }
    expect(await act(first, 'cancel')).toEqual([409, 'run_not_queued'])
    expect(await act(first, 'restart', fromStart)).toEqual([409, 'run_not_restartable'])
    expect(await act(second, 'stop')).toEqual([409, 'run_not_running'])
    expect(await act(second, 'cancel')).toEqual([200, 'cancelled', 'unknown', 2])
    expect(await act(second, 'cancel')).toEqual([409, 'run_not_queued'])
    expect(await act(first, 'stop')).toEqual([200, 'finished', 'stopped', 1])
    expect(await get(`/runs/${first.id}`)).toMatchObject({
      reason: { kind: 'stopped', message: 'stopped by ann', facts: { by: 'ann' } },
      canRestartFromStart: true,
      canRestartFromFailed: true,
    })
    expect(await act(first, 'restart', fromStart)).toEqual([201, 'queued', 'unknown', 3])
    expect(await gateway.ask('POST /runs/none/stop', { token })).toMatchObject({
      status: 404,
      body: { code: 'run_not_found' },
    })
  })

  test('a restart that is asked for again with the same key happens once', async () => {
    await ownProject()
    const { id } = await createRun()
    await post(`/runs/${id}/stop`)
    const headers = { 'idempotency-key': `restart-${id}` }
    const restart = () => gateway.ask(`POST /runs/${id}/restart`, { token, headers, body: { fromStart: true } })
    const [one, two] = [await restart(), await restart()]
    expect(two.body).toEqual(one.body)
    expect(((await get(`${path}/runs`)) as { items: unknown[] }).items).toHaveLength(2)
  })

  test('a run is stopped once by requests with the same key, and each of them hears that it was', async () => {
    await ownProject()
    const { id } = await createRun()
    const stop = (key: string) => gateway.ask(`POST /runs/${id}/stop`, { token, headers: { 'idempotency-key': key } })
    expect(await stop(`stop-${id}`)).toMatchObject({ status: 200, body: { result: 'stopped' } })
    expect(await stop(`stop-${id}`)).toMatchObject({ status: 200, body: { result: 'stopped' } })
    expect(await stop(`again-${id}`)).toMatchObject({ status: 409 })
  })

  const withApproval = `
runs:
  - name: deploy
    tasks:
      - name: publish
        approval: true
        runtime: { type: pod, containers: [{ image: alpine }] }
        steps: [{ run: echo hello }, { run: echo world }]
`

  async function deployment(): Promise<{ readonly id: string; readonly task: string }> {
    await ownProject()
    const { id } = await createRun({ definition: { fileName: 'config.yml', content: withApproval } })
    return { id, task: await taskIdOf(id) }
  }

  test('a task that waits for approval is approved by a user, once', async () => {
    const { id, task } = await deployment()
    expect(await get(`/runs/${id}`)).toMatchObject({ tasksWaitingApproval: [task] })
    expect(((await get(`${path}/runs`)) as { items: object[] }).items).toMatchObject([{ tasksWaitingApproval: [task] }])
    const approve = () => post(`/runs/${id}/tasks/${task}/approve`)
    const ann = await gateway.configstore.getUser({ user: 'ann' })
    expect(await approve()).toMatchObject({ status: 200, body: { isApproved: true, approvers: [ann.id] } })
    expect((await approve()).status).toBe(409)
    expect(await post(`/runs/${id}/tasks/none/approve`)).toMatchObject({
      status: 404,
      body: { code: 'task_not_found' },
    })
  })

  /** Executes one task: writes these texts as the logs of its setup and steps. */
  async function execute(texts: {
    readonly setup: string
    readonly steps: readonly string[]
  }): Promise<AsyncDisposable> {
    return await anExecutor(async (order, { api }) => {
      await writeLog(api, order, 'setup', texts.setup)
      for (const [index, text] of texts.steps.entries()) await writeLog(api, order, index, text)
      return 'success' as const
    })
  }

  test('a task shows its steps, its log is read by bytes, downloaded and removed', async () => {
    const { id, task } = await deployment()
    const log = (name: string, query = '') =>
      gateway.ask(`GET /runs/${id}/tasks/${task}/logs/${name}${query}`, { token })
    await post(`/runs/${id}/tasks/${task}/approve`)
    await using _ = await execute({ setup: 'pulling\n', steps: ['hello\n', 'wörld\n'] })
    await until(() => gateway.installation.database.view((tx) => tx.get('run', id)?.phase === 'finished'))
    expect(await get(`/runs/${id}/tasks/${task}`)).toMatchObject({
      name: 'publish',
      status: 'success',
      containers: [{ image: 'alpine' }],
      setupStep: { type: 'setup', phase: 'success' },
      steps: [
        { type: 'run', command: 'echo hello', phase: 'success' },
        { type: 'run', command: 'echo world', phase: 'success' },
      ],
    })
    const whole = await log('1')
    expect(whole.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(whole.body).toBe('wörld\n')
    expect((await log('setup')).body).toBe('pulling\n')
    expect((await log('0', '?fromByte=2')).body).toBe('llo\n')
    expect((await log('0', '?fromByte=1&bytes=3')).body).toBe('ell')
    const download = await log('0', '?download=true')
    expect(download.headers.get('content-disposition')).toBe(`attachment; filename="run-1-${task}-0.log"`)
    expect(await log('2')).toMatchObject({ status: 404, body: { code: 'log_not_found' } })
    expect(await log('last')).toMatchObject({ status: 400 })
    expect(await gateway.ask(`DELETE /runs/${id}/tasks/${task}/logs/0`, { token })).toMatchObject({ status: 204 })
    for (const way of ['', '/lines']) {
      const path = `GET /runs/${id}/tasks/${task}/logs/0${way}`
      expect(await gateway.ask(path, { token }), way).toMatchObject({ status: 404, body: { code: 'log_not_found' } })
    }
    const following = gateway.client(token).events('followLog', { params: { runId: id, taskId: task, log: '0' } })
    await expect(Array.fromAsync(following)).rejects.toMatchObject({ code: 'log_not_found' })
    expect((await log('1')).body).toBe('wörld\n')
  })

  test('the log of a task that has not ended is not removed, and one that never will be is not there', async () => {
    const { id, task } = await deployment()
    const log = `/runs/${id}/tasks/${task}/logs/0`
    expect(await gateway.ask(`DELETE ${log}`, { token })).toMatchObject({
      status: 409,
      body: { code: 'log_not_complete' },
    })
    const client = gateway.client(token)
    const waiting = Array.fromAsync(client.events('followLog', { params: { runId: id, taskId: task, log: '0' } }))
    // The follower waits for the step to begin, which it never does.
    const [outcome] = await Promise.allSettled([waiting, post(`/runs/${id}/stop`)])
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'log_not_found', status: 404 } })
    expect(await gateway.ask(`GET ${log}`, { token })).toMatchObject({ status: 404, body: { code: 'log_not_found' } })
  })

  test('a log is followed from any event on, without gap or double', async () => {
    const { id, task } = await deployment()
    const client = gateway.client(token)
    const params = { runId: id, taskId: task, log: '0' }
    const waiting = Array.fromAsync(client.events('followLog', { params }))
    await post(`/runs/${id}/tasks/${task}/approve`)
    const text = 'zeile äöü\n'.repeat(20_000)
    await using _ = await execute({ setup: '', steps: [text, ''] })
    const all = await waiting
    expect(all.at(-1)).toEqual({ event: 'end', id: String(Buffer.byteLength(text)), data: {} })
    const textOf = (events: typeof all) =>
      events.map((event) => (event.event === 'log' ? event.data.text : '')).join('')
    expect(textOf(all)).toBe(text)
    expect(all.length).toBeGreaterThan(3)
    for (const at of [0, 1, all.length - 2]) {
      const lastEventId = all[at]!.id!
      const rest = await Array.fromAsync(client.events('followLog', { params, lastEventId }))
      expect(textOf([...all.slice(0, at + 1), ...rest])).toBe(text)
    }
    const tail = await Array.fromAsync(
      client.events('followLog', { params, query: { fromByte: Buffer.byteLength(text) - 5 } }),
    )
    expect(textOf(tail)).toBe(text.slice(-3))
  })

  test('attempts of a run and the last good one before it are told, and what it was made of', async () => {
    await ownProject()
    const sha = 'c'.repeat(40)
    const good = await createRun()
    await using _ = await anExecutor(() => 'success')
    for await (const event of gateway.client(token).events('watchRun', { params: { runId: good.id } }))
      if (event.event === 'end') break
    const next = await createRun({ commitSha: sha })
    for await (const event of gateway.client(token).events('watchRun', { params: { runId: next.id } }))
      if (event.event === 'end') break
    const client = gateway.client(token)
    const again = await client.call('restartRun', { params: { runId: next.id }, body: { fromStart: true } })
    const related = await client.call('getRelatedRuns', { params: { runId: again.id } })
    expect(related.attempts.map(({ number }) => number)).toEqual([2, 3])
    expect(related.lastSuccess).toMatchObject({ number: 2, annotations: { commit_sha: sha } })
    expect((await client.call('getRelatedRuns', { params: { runId: next.id } })).lastSuccess?.number).toBe(1)
    expect((await client.call('getRelatedRuns', { params: { runId: good.id } })).lastSuccess).toBeUndefined()
    const config = await client.call('getRunConfig', { params: { runId: good.id } })
    expect(config).toMatchObject({
      name: 'build',
      tasks: [{ name: expect.any(String), environment: { KEY: { secret: true } } }],
    })
    expect(JSON.stringify(config)).not.toContain('the-api-key')
    await expect(client.call('getRunDefinition', { params: { runId: good.id } })).rejects.toMatchObject({
      code: 'commit_not_found',
    })
    expect((await client.call('getRun', { params: { runId: good.id } })).may).toEqual({ act: true, approve: true })
    expect((await client.call('getProject', { params: { projectRef: project } })).may).toEqual({
      change: true,
      run: true,
    })
    const anonymous = await gateway.client().call('getRun', { params: { runId: good.id } })
    expect(anonymous.may).toEqual({ act: false, approve: false })
  })

  test('a log is read and searched by its lines', async () => {
    const { id, task } = await deployment()
    await post(`/runs/${id}/tasks/${task}/approve`)
    const text = Array.from({ length: 300 }, (_, n) => (n === 250 ? 'error: at last\n' : `line ${n}\n`)).join('')
    await using _ = await execute({ setup: '', steps: [text, ''] })
    const client = gateway.client(token)
    const params = { runId: id, taskId: task, log: '0' }
    for await (const event of client.events('followLog', { params })) if (event.event === 'end') break
    const extent = { sizeBytes: text.length, lineCount: 300, isComplete: true }
    expect(await client.call('getLogSummary', { params })).toEqual({ ...extent, errorLines: [250] })
    const page = await client.call('readLogLines', { params, query: { fromLine: 249, count: 2 } })
    expect(page).toMatchObject({ ...extent, fromLine: 249, lines: ['line 249', 'error: at last'], cutLines: [] })
    expect(page.times.reduce((sum, { lines }) => sum + lines, 0)).toBe(2)
    expect(text.slice(page.fromByte, page.endByte)).toBe('line 249\nerror: at last\n')
    expect(await client.call('readLogLines', { params, query: { tailLines: 1 } })).toMatchObject({ fromLine: 299 })
    expect(await client.call('searchLog', { params, query: { text: 'LINE 29', limit: 2 } })).toEqual({
      lines: [29, 290],
      nextLine: 291,
    })
    expect(await client.call('findLogGroups', { params })).toEqual({ begins: [], ends: [], commands: [] })
    expect(await client.call('searchLog', { params, query: { text: 'LINE 29', isCaseSensitive: true } })).toEqual({
      lines: [],
    })
  })

  test('a run is watched until it has ended', async () => {
    const { id, task } = await deployment()
    const phases: string[] = []
    for await (const event of gateway.client(token).events('watchRun', { params: { runId: id } })) {
      if (event.event === 'end') break
      phases.push(event.data.phase)
      if (phases.length === 1) await post(`/runs/${id}/tasks/${task}/approve`).then(() => post(`/runs/${id}/stop`))
    }
    expect(phases[0]).toBe('running')
    expect(phases.at(-1)).toBe('finished')
  })

  test('changes are told to those who may read the run, and go on after the last event', async () => {
    await ownProject()
    await gateway.configstore.createUser({ name: `other${counter}` })
    const stranger = await gateway.tokenOf(`other${counter}`)
    const hidden = await aProject(gateway.configstore, `user/ann/hidden${counter}`, { visibility: 'private' })
    const stop = new AbortController()
    type Told = { readonly event: string; readonly id?: string; readonly data: Record<string, unknown> }
    const watch = (given: string, lastEventId?: string) => {
      const told: Told[] = []
      const resume = lastEventId === undefined ? {} : { lastEventId }
      const events = gateway.client(given).events('watchAllRuns', { signal: stop.signal, ...resume })
      const reading = (async () => {
        for await (const event of events) told.push(event as Told)
      })().catch(() => undefined)
      return { told, reading }
    }
    const owner = watch(token)
    const other = watch(stranger)
    const admin = watch(adminToken)
    await until(() => [owner, other, admin].every(({ told }) => told[0]?.event === 'ready'))
    path = `/projects/${hidden.id}`
    const secret = await createRun()
    path = `/projects/${project}`
    const open = await createRun()
    const runsOf = ({ told }: { told: Told[] }) =>
      new Set(told.flatMap(({ event, data }) => (event === 'run' ? [data.id] : [])))
    await until(() => [owner, other, admin].every((one) => runsOf(one).has(open.id)))
    expect(runsOf(owner)).toEqual(new Set([secret.id, open.id]))
    expect(runsOf(admin)).toEqual(new Set([secret.id, open.id]))
    expect(runsOf(other)).toEqual(new Set([open.id]))
    expect(other.told.filter(({ event }) => event === 'task').map(({ data }) => data.runId)).toEqual([open.id])
    // Who comes back after the first run is told the second, and nothing twice.
    const firstOpen = owner.told.findIndex(({ data }) => data.id === open.id)
    const afterSecret = owner.told.slice(0, firstOpen).findLast(({ id }) => id !== undefined)!.id!
    const again = watch(token, afterSecret)
    await until(() => runsOf(again).has(open.id))
    expect(again.told[0]!.event).not.toBe('ready')
    expect(runsOf(again)).toEqual(new Set([open.id]))
    const late = watch(token, '0')
    await until(() => late.told.length > 0)
    expect(late.told[0]!.event).toBe('reset')
    stop.abort()
    await Promise.all([owner, other, admin, again, late].map(({ reading }) => reading))
  })

  test('a badge shows how the newest run of a branch ended', async () => {
    await ownProject()
    expect((await gateway.ask(`GET /badges/${project}`)).body).toContain('unknown')
    await createRun({ branch: 'a' })
    const { body, headers } = await gateway.ask(`GET /badges/${project}?branch=a`)
    expect(headers.get('content-type')).toBe('image/svg+xml')
    expect(headers.get('cache-control')).toBe('no-cache')
    expect(body).toContain('in progress')
    expect((await gateway.ask(`GET /badges/${project}?branch=b`)).body).toContain('unknown')
  })
})
