// The command line against a real server: what a team does with it, told as one long visit and as single refusals.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { definition } from '../cli/command.ts'
import { GitServer, TestServer } from './test-server.ts'

let server: TestServer
let git: GitServer

beforeAll(async () => {
  server = await TestServer.start()
  git = await GitServer.start({ 'hello.txt': 'hello\n' })
  await server.setUp('ann')
}, 60_000)
afterAll(async () => {
  await git[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

async function succeeds(args: readonly string[], stdin?: string): Promise<string> {
  const { status, stdout, stderr } = await server.slipway(args, stdin === undefined ? {} : { stdin })
  expect(`${args.join(' ')}: ${status} ${stderr}`).toBe(`${args.join(' ')}: 0 `)
  return stdout
}

async function json<T>(args: readonly string[]): Promise<T> {
  return JSON.parse(await succeeds([...args, '--output', 'json'])) as T
}

async function fails(args: readonly string[], message: RegExp, status = 2): Promise<void> {
  const result = await server.slipway(args)
  expect(result.stderr).toMatch(message)
  expect(result.status).toBe(status)
}

test('organizations, members and groups', { timeout: 60_000 }, async () => {
  await succeeds(['org', 'create', 'acme', '--visibility', 'private'])
  await succeeds(['user', 'create', 'bob'])
  await succeeds(['org', 'member', 'set', 'acme', 'bob'])
  expect(await succeeds(['org', 'member', 'list', 'acme'])).toMatch(/^USER +ROLE +SINCE\nann +owner .*\nbob +member /)
  await succeeds(['group', 'create', 'team', '--parent', 'org/acme'])
  expect(await json<{ path: string }[]>(['group', 'list', 'org/acme'])).toMatchObject([{ path: 'org/acme/team' }])
  await succeeds(['org', 'member', 'remove', 'acme', 'bob'])
  await fails(['org', 'member', 'remove', 'acme', 'ann'], /only owner of acme/)
  await succeeds(['user', 'delete', 'bob'])
  await fails(['user', 'show', 'bob'], /bob/)
})

test('a secret, a variable and a run that uses them, without the value ever coming back', {
  timeout: 90_000,
}, async () => {
  await succeeds(['project', 'create', 'web', '--git', git.url, '--poll-seconds', '0'])
  await succeeds(['secret', 'create', 'db', '--project', 'user/ann/web', '--file', '-'], 'password: 1.10-hunter2\n')
  await succeeds(
    ['variable', 'create', 'dbpassword', '--project', 'user/ann/web', '--file', '-'],
    '- secret_name: db\n  secret_var: password\n  when: { branch: main }\n',
  )
  const listed = await succeeds(['secret', 'list', '--project', 'user/ann/web', '--output', 'json'])
  expect(listed).not.toContain('hunter2')
  expect(JSON.parse(listed)).toMatchObject([{ name: 'db', keys: ['password'] }])
  const file = join(git.repository.dir, 'config.json')
  const environment = { PASSWORD: { from_variable: 'dbpassword' } }
  writeFileSync(
    file,
    definition({ use: { environment, run: 'test "$PASSWORD" = 1.10-hunter2 && echo "it is $PASSWORD"' } }),
  )
  const commit = git.repository.git('rev-parse', 'HEAD')
  const create = ['runs', 'create', 'user/ann/web', '--commit', commit, '--branch', 'main', '--file', file]
  const watched = await succeeds([...create, '--watch'])
  expect(watched).toContain('use: success')
  const log = await succeeds(['runs', 'logs', 'user/ann/web#1', '--task', 'use'])
  expect(log).toContain('it is ')
  expect(log).not.toContain('hunter2')
  expect(await json<unknown[]>(['runs', 'list', 'user/ann/web'])).toMatchObject([{ number: 1, result: 'success' }])
  expect(await json<unknown[]>(['runs', 'list', 'user/ann/web', '--branch', 'other'])).toEqual([])
})

test('a failing run: why, its log, restart, and the exit status', { timeout: 90_000 }, async () => {
  await succeeds(['project', 'create', 'broken', '--git', git.url, '--poll-seconds', '0'])
  const file = join(git.repository.dir, 'broken.json')
  writeFileSync(file, definition({ fine: 'true', bad: { run: 'echo what went wrong; exit 7' } }))
  const commit = git.repository.git('rev-parse', 'HEAD')
  const create = [
    'runs',
    'create',
    'user/ann/broken',
    '--commit',
    commit,
    '--branch',
    'main',
    '--file',
    file,
    '--watch',
  ]
  const created = await server.slipway(create)
  expect(created.status).toBe(1)
  expect(created.stdout).toMatch(/bad: failed \(.*7.*\)/)
  expect(await succeeds(['runs', 'show', 'user/ann/broken#1'])).toMatch(/bad +failed .*7/)
  expect(await succeeds(['runs', 'logs', 'user/ann/broken#1'])).toContain('what went wrong')
  expect(await succeeds(['runs', 'logs', 'user/ann/broken#1', '-f'])).toContain('what went wrong')
  expect((await server.slipway(['runs', 'restart', 'user/ann/broken#1', '--watch'])).status).toBe(1)
  const runs = await json<{ number: number; restartOf?: string }[]>([
    'runs',
    'list',
    'user/ann/broken',
    '--result',
    'failed',
  ])
  expect(runs.map(({ number }) => number)).toEqual([2, 1])
})

test('approval, stop and cancel', { timeout: 90_000 }, async () => {
  await succeeds(['project', 'create', 'careful', '--git', git.url, '--poll-seconds', '0'])
  const file = join(git.repository.dir, 'careful.json')
  writeFileSync(file, definition({ deploy: { approval: true, run: 'true' }, long: 'sleep 60' }))
  const commit = git.repository.git('rev-parse', 'HEAD')
  const create = ['runs', 'create', 'user/ann/careful', '--commit', commit, '--branch', 'main', '--file', file]
  await succeeds(create)
  await succeeds(create)
  await fails(['runs', 'approve', 'user/ann/careful#1', 'nothing'], /no task nothing: it has deploy, long/)
  await succeeds(['runs', 'approve', 'user/ann/careful#1', 'deploy'])
  expect(await succeeds(['queue'])).toContain('#2')
  await succeeds(['runs', 'cancel', 'user/ann/careful#2'])
  await succeeds(['runs', 'stop', 'user/ann/careful#1'])
  expect((await server.slipway(['runs', 'watch', 'user/ann/careful#1'])).status).toBe(3)
  await fails(['runs', 'stop', 'user/ann/careful#1'], /ended|not running|finished/)
})

test('executors and tokens', { timeout: 60_000 }, async () => {
  expect(await json<unknown[]>(['executors', 'list'])).toMatchObject([
    { id: 'local', state: 'connected', drivers: ['host'] },
  ])
  const value = (await succeeds(['executors', 'token', 'create', 'build-box', '--label', 'gpu=yes'])).trim()
  expect(value.length).toBeGreaterThan(30)
  expect(await succeeds(['executors', 'token', 'list'])).not.toContain(value)
  const token = (await succeeds(['token', 'create', 'reader', '--scope', 'read'])).trim()
  const file = join(git.repository.dir, 'token')
  writeFileSync(file, token)
  await succeeds(['project', 'list', '--token-file', file])
  await fails(['org', 'create', 'forbidden', '--token-file', file], /scope|may not/)
  await succeeds(['token', 'delete', 'reader'])
  await fails(['project', 'list', '--token-file', file], /slipway login/)
})

test('what is wrong is told with what to do', { timeout: 60_000 }, async () => {
  await fails(['project', 'show', 'user/ann/none'], /project/)
  await fails(['runs', 'show', 'nonsense'], /names no run.*PROJECT#NUMBER/)
  await fails(['secret', 'list'], /--project or --group/)
  await fails(['project', 'list', '--context', 'other'], /no context other: there are /)
  await fails(['project', 'list', '--server', 'http://127.0.0.1:9'], /cannot be reached/, 4)
  await fails(['project', 'list', '--server', 'ftp://x'], /no address of a server/)
  await fails(['runs', 'creat'], /unknown command/)
})
