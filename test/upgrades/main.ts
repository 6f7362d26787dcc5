// Leaves a data directory of this version in `test/fixtures/`, for later versions to open: `npm run upgrade-fixture`. Once for each
// version, when it is released.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ApiClient, createClient } from '../../src/contract/client.ts'
import { until } from '../../src/lib/until-fixture.ts'
import { openStoppedInstallation } from '../../src/server/stopped-installation.ts'
import { version } from '../../src/version.ts'
import { runSlipway } from '../cli/command.ts'
import { giteaFlavour } from '../providers/gitea-server.ts'
import { ProviderServer } from '../providers/provider-server.ts'
import { openWebhookReceiver } from '../server/webhook-receiver.ts'
import { startGitHttpServer } from '../support/git-http-server.ts'
import { temporaryDirectory, testRepository } from '../support/git-repository.ts'
import { type FixtureFacts, packFixture } from './fixtures.ts'
import { openInstallation, ScriptedExecutor } from './opened.ts'

const projectRef = 'org/acme/team/web'
const secret = 'the-first-value-of-it'
const logText = 'hello from the first version\n'
const commitSha = '1'.repeat(40)

const definition = (name: string, approval = false) => ({
  fileName: 'config.json' as const,
  content: JSON.stringify({
    runs: [
      {
        name,
        tasks: [
          {
            name: 'work',
            approval,
            runtime: { containers: [{ image: 'alpine' }] },
            environment: { TOKEN: { from_variable: 'token' } },
            steps: [{ run: 'echo hello' }],
          },
        ],
      },
    ],
  }),
})

await using undo = new AsyncDisposableStack()
const directory = undo.use(temporaryDirectory('fixture')).path
const dataDir = join(directory, 'data')
const repositories = join(directory, 'repositories')
const repository = testRepository({ '.slipway/config.yml': 'runs: [{ nam: broken }]\n' }, join(repositories, 'web.git'))
repository.commit('a definition with an error')
const git = undo.use(await startGitHttpServer(repositories, 'ann:git-password'))
const provider = undo.use(await ProviderServer.open(giteaFlavour))
const listening = undo.use(await openWebhookReceiver())

const facts = await fill()
await coolDown()
packFixture(version, dataDir, facts)
process.stdout.write(`test/fixtures/${version} is written\n`)

async function fill(): Promise<FixtureFacts> {
  await using installation = await openInstallation(dataDir)
  const { client: administrator, url } = installation
  await administrator.call('createUser', { body: { name: 'ann', password: 'correct horse battery' } })
  const userToken = await administrator.call('createToken', {
    params: { userRef: 'ann' },
    body: { name: 'ci', scope: 'admin' },
  })
  const client = createClient({ url, token: userToken.value })
  await client.call('createOrganization', { body: { name: 'acme' } })
  await client.call('createProjectGroup', { body: { name: 'team', parentRef: 'org/acme' } })
  const source = {
    kind: 'git',
    url: `${git.url}/web.git`,
    auth: 'password',
    userName: 'ann',
    pollIntervalMs: 0,
  } as const
  await client.call('createProject', {
    body: { name: 'web', parentRef: 'org/acme/team', source, gitPassword: 'git-password' },
  })
  const params = { projectRef }
  await client.call('createProjectSecret', { params, body: { name: 'deploy', data: { token: secret } } })
  const values = [{ secretName: 'deploy', secretVar: 'token' }]
  await client.call('createProjectVariable', { params, body: { name: 'token', values } })
  const { token, value } = await administrator.call('createExecutorToken', { body: { name: 'builder' } })
  const remote = await addRemoteProject(administrator, client)
  const receiver = await client.call('createReceiver', {
    params,
    body: { name: 'program', kind: 'webhook', url: listening.url, events: ['run.success', 'run.failed'] },
  })
  listening.answer()

  const runs: Record<string, FixtureFacts['runs'][string]> = {}
  const create = async (name: string, approval = false) => {
    const body = { branch: name.split('-')[0]!, commitSha, definition: definition(name, approval) }
    return (await client.call('createProjectRuns', { params, body })).runs[0]!.id
  }
  const runOf = (runId: string) => client.call('getRun', { params: { runId } })
  const phase = async (runId: string, wanted: string) =>
    await until(async () => (await runOf(runId)).phase === wanted, `${runId} ${wanted}`)
  await using executor = new ScriptedExecutor(url, value, token.executorId)
  const finish = async (name: string, end: 'success' | 'failed') => {
    const runId = await create(name)
    await executor.finish(await executor.order('work', runId), end, logText)
    await phase(runId, 'finished')
    return runId
  }
  const success = await finish('success', 'success')
  await until(() => listening.told.some(({ event }) => event === 'run.success'), 'a webhook')
  await listening[Symbol.asyncDispose]()
  await finish('failed', 'failed')
  const toldOf = async (state: 'sent' | 'waiting') =>
    (await client.call('listNotifications', { params })).items.some((told) => told.state === state)
  await until(async () => (await toldOf('sent')) && (await toldOf('waiting')), 'one that was told and one that waits')
  const stopped = await create('stopped')
  await executor.begin(await executor.order('work', stopped))
  await client.call('stopRun', { params: { runId: stopped } })
  await executor.finish(await executor.order('work', stopped), 'stopped', 'Stopped\n')
  await phase(stopped, 'finished')
  const waitingApproval = await create('approval', true)
  const running = await create('running')
  await executor.begin(await executor.order('work', running))
  const queued = await create('running-next')
  const cancelled = await create('running-last')
  await client.call('cancelRun', { params: { runId: cancelled } })
  await phase(running, 'running')

  const directRun = await startDirectRun(url, { client, token: userToken.value })

  // A push is told twice: once it is done, once nobody answers.
  const { hookUrl } = await client.call('createWebhookSecret', { params })
  const states = async () =>
    (await client.call('listDeliveries', { params })).items.map(({ state, message }) => `${state} ${message}`)
  await until(async () => (await states()).length > 0 && (await states()).every((state) => !state.startsWith('queued')))
  repository.commit('the same again')
  const deliver = async () => void (await fetch(`${url}${new URL(hookUrl, url).pathname}`, { method: 'POST' }))
  await deliver()
  await until(async () =>
    (await client.call('listProjectRuns', { params })).items.some((run) => run.phase === 'setuperror'),
  )
  await git[Symbol.asyncDispose]()
  await deliver()
  await until(async () => (await states()).some((state) => /^queued ./.test(state)))

  for (const { id, name, phase, result } of (await client.call('listProjectRuns', { params, query: { limit: 100 } }))
    .items)
    runs[id] = { name, phase, result }
  const [task] = (await runOf(success)).tasks
  const deliveries = await client.call('listDeliveries', { params })
  return {
    ...{ version, projectRef, secret, runs, cold: success, running, queued, waitingApproval },
    log: { runId: success, taskId: task!.id, text: logText },
    executor: { id: token.executorId, token: value },
    userToken: userToken.value,
    deliveryStates: deliveries.items.map(({ state }) => state),
    receiver: { id: receiver.id, secret: receiver.secret! },
    remote,
    directRun,
  }
}

/** Of a repository at a provider, with a webhook and a deploy key there. */
async function addRemoteProject(administrator: ApiClient, client: ApiClient): Promise<FixtureFacts['remote']> {
  const user = provider.createUser('ann-there')
  const repositoryPath = 'acme/site'
  await provider.createRepository(repositoryPath, { administrator: user, files: { 'hello.txt': 'hello' } })
  await administrator.call('createRemoteSource', {
    body: { name: 'hub', type: 'gitea', authType: 'password', apiUrl: provider.url },
  })
  const body = { remoteSourceRef: 'hub', username: user.login, password: user.password }
  await client.call('linkAccount', { body })
  const source = { kind: 'remotesource', remoteSourceRef: 'hub', repositoryPath } as const
  await client.call('createProject', { body: { name: 'site', parentRef: 'org/acme/team', source } })
  return { projectRef: 'org/acme/team/site', repositoryPath, account: user.login }
}

async function startDirectRun(
  url: string,
  { client, token }: { readonly client: ApiClient; readonly token: string },
): Promise<FixtureFacts['directRun']> {
  using tree = testRepository({ '.slipway/config.json': definition('direct').content, 'new.txt': 'not committed' })
  const tokenFile = join(directory, 'token')
  writeFileSync(tokenFile, token, { mode: 0o600 })
  const start = ['directrun', 'start', '--no-follow', '--server', url, '--token-file', tokenFile]
  const { status, stderr } = await runSlipway(start, { cwd: tree.dir })
  if (status !== 0) throw new Error(`the direct run was refused: ${stderr}`)
  const { id: userId } = await client.call('getCurrentUser')
  const [run] = (await client.call('listUserRuns', { params: { userRef: 'ann' } })).items
  const { annotations } = await client.call('getRun', { params: { runId: run!.id } })
  const repository = `/repos/${userId}/${tree.git('config', 'slipway.repositoryid').trim()}.git`
  return { runId: run!.id, repository, commitSha: annotations!.commit_sha! }
}

/** Runs that ended leave the rows for object storage. */
async function coolDown(): Promise<void> {
  await using installation = await openStoppedInstallation({ directory: dataDir }, { mustExist: true })
  await using joined = await installation.join()
  for (const database of joined.opened.values()) await database.upkeep.snapshot()
}
