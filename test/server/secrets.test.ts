// Secrets of a project as its runs see them, with a real server and real pods: rotated, and killed in the middle.

import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { ApiClient } from '../../src/contract/client.ts'
import { until } from '../../src/lib/until-fixture.ts'
import { startEtcd } from '../support/etcd.ts'
import { ProcessGroup } from './process-group.ts'
import { TestServer } from './test-server.ts'

const first = 'the-first-value-of-the-secret'
const second = 'another-value-after-rotation'
const projectRef = 'user/ann/web'

/** Without saying it: what is printed is masked. */
const fingerprint = (value: string) => createHash('sha256').update(value).digest('hex')

const definition = {
  fileName: 'config.json' as const,
  content: JSON.stringify({
    runs: [
      {
        name: 'deploy',
        tasks: [
          {
            name: 'deploy',
            runtime: { containers: [{ image: 'alpine' }] },
            environment: { TOKEN: { from_variable: 'token' } },
            steps: [
              { run: 'echo "before $TOKEN"; sleep 4' },
              { run: 'echo "after $TOKEN"; printf %s "$TOKEN" | sha256sum' },
            ],
          },
        ],
      },
    ],
  }),
}

async function createProject(client: ApiClient): Promise<void> {
  await client.call('createProject', { body: { name: 'web', source: { kind: 'none' } } })
  const params = { projectRef }
  await client.call('createProjectSecret', { params, body: { name: 'deploy', data: { token: first } } })
  const values = [{ secretName: 'deploy', secretVar: 'token' }]
  await client.call('createProjectVariable', { params, body: { name: 'token', values } })
}

async function rotate(client: ApiClient): Promise<void> {
  const params = { projectRef, secretName: 'deploy' }
  await client.call('updateProjectSecret', { params, body: { data: { token: second } } })
}

/** The task of the run when it has ended, with what its second step wrote. */
async function ended(server: TestServer, runId: string) {
  const client = server.client()
  const runOf = () => client.call('getRun', { params: { runId } })
  await until(async () => (await runOf()).phase === 'finished', 'the run ends')
  const { id: taskId } = (await runOf()).tasks[0]!
  const { stdout } = await server.slipway(['runs', 'logs', runId, '--task', 'deploy', '--step', '1'])
  return { task: await client.call('getTask', { params: { runId, taskId } }), log: stdout }
}

test('a task keeps the value it was handed out with, through a kill and a rotation, and a restart has the new one', {
  timeout: 150_000,
}, async () => {
  await using server = await TestServer.start()
  const client = await server.setUp()
  await createProject(client)
  const body = { branch: 'main', commitSha: '1'.repeat(40), definition }
  const { runs } = await client.call('createProjectRuns', { params: { projectRef }, body })
  const runId = runs[0]!.id
  const isRunning = async () => (await client.call('getRun', { params: { runId } })).tasks[0]?.status === 'running'
  await until(isRunning, 'the task runs')
  await server.stop('SIGKILL')
  await server.start()
  await rotate(client)
  const killed = await ended(server, runId)
  expect(killed.task).toMatchObject({ status: 'success', usedSecrets: [{ name: 'deploy/token', version: 1 }] })
  expect(killed.log).toContain('after ***')
  expect(killed.log).toContain(fingerprint(first))
  const again = await client.call('restartRun', { params: { runId }, body: { fromStart: true } })
  const restarted = await ended(server, again.id)
  expect(restarted.task).toMatchObject({ status: 'success', usedSecrets: [{ name: 'deploy/token', version: 2 }] })
  expect(restarted.log).toContain('after ***')
  expect(restarted.log).toContain(fingerprint(second))
})

test('while the configstore is gone a task with secrets waits, whoever else is killed, and then has them', {
  timeout: 150_000,
}, async () => {
  await using etcd = await startEtcd()
  await using group = await ProcessGroup.start({ gateways: 1, configstores: 1, runservices: 2, executors: 1 }, etcd)
  const client = group.client(0)
  await createProject(client)
  const container = { runtime: { containers: [{ image: 'alpine' }] } }
  const tasks = [
    { name: 'slow', ...container, steps: [{ run: 'sleep 5' }] },
    {
      name: 'deploy',
      ...container,
      depends: ['slow'],
      environment: { TOKEN: { from_variable: 'token' } },
      steps: [{ run: `test "$(printf %s "$TOKEN" | sha256sum | cut -c1-64)" = ${fingerprint(second)}` }],
    },
  ]
  const content = JSON.stringify({ runs: [{ name: 'deploy', tasks }] })
  const body = { branch: 'main', commitSha: '1'.repeat(40), definition: { ...definition, content } }
  const { runs } = await client.call('createProjectRuns', { params: { projectRef }, body })
  const runOf = () => client.call('getRun', { params: { runId: runs[0]!.id } })
  await until(async () => (await runOf()).tasks.some(({ status }) => status === 'running'), 'the first task runs')
  await rotate(client)
  await group.kill('configstore-1')
  const waits = (name: string) => group.outputOf(name).split('order waits for what cannot be asked now').length - 1
  const runservices = ['runservice-1', 'runservice-2']
  await until(() => runservices.some((name) => waits(name) > 0), 'the task waits')
  const holder = runservices.find((name) => waits(name) > 0)!
  const before = waits(holder)
  await group.kill(holder)
  await group.start(holder)
  await until(() => waits(holder) > before || runservices.some((name) => name !== holder && waits(name) > 0))
  await group.start('configstore-1')
  await until(async () => (await runOf()).phase === 'finished', 'the run ends')
  expect(await runOf()).toMatchObject({ result: 'success', tasks: [{ status: 'success' }, { status: 'success' }] })
})
