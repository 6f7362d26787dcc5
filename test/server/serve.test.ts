// `slipway serve` as a process: from nothing to a finished run, and what must hold when it is stopped, killed or started wrongly.

import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type ApiClient, createClient } from '../../src/contract/client.ts'
import { definition, slipwayFile } from '../cli/command.ts'
import { temporaryDirectory } from '../support/git-repository.ts'
import { GitServer, password, TestServer } from './test-server.ts'

const runTimeoutMs = 30_000

/** The project `web` of the current user, on a repository of its own. */
async function createProject(client: ApiClient, url: string): Promise<string> {
  const source = { kind: 'git', url, auth: 'none', pollIntervalMs: 0 } as const
  const { id } = await client.call('createProject', { body: { name: 'web', source } })
  return id
}

async function createRun(client: ApiClient, projectRef: string, git: GitServer, content: string): Promise<string> {
  const { runs } = await client.call('createProjectRuns', {
    params: { projectRef },
    body: {
      branch: 'main',
      commitSha: git.repository.git('rev-parse', 'HEAD'),
      message: 'by hand',
      definition: { fileName: 'config.json', content },
    },
  })
  return runs[0]!.id
}

async function finishedRun(client: ApiClient, runId: string) {
  for await (const event of client.events('watchRun', { params: { runId } }))
    if (event.event === 'run' && event.data.phase === 'finished') return event.data
  throw new Error('the stream ended before the run')
}

async function logOf(client: ApiClient, runId: string, taskId: string, log: 'setup' | number): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of client.bytes('readLog', { params: { runId, taskId, log: String(log) } })) parts.push(part)
  return Buffer.concat(parts).toString().replaceAll('\r\n', '\n') // steps have a terminal by default
}

test('from nothing to a finished run: link, login, project, run, log', { timeout: 60_000 }, async () => {
  await using server = await TestServer.start()
  await using git = await GitServer.start({ 'hello.txt': 'hello from the repository\n' })
  const link = await server.link()
  expect(statSync(link).mode & 0o777).toBe(0o600)
  await expect.poll(() => server.output).toContain(link)
  const client = await server.setUp()
  const projectRef = await createProject(client, git.url)
  const runId = await createRun(
    client,
    projectRef,
    git,
    definition({ greet: { steps: [{ clone: {} }, { run: 'cat hello.txt' }] } }),
  )
  const run = await finishedRun(client, runId)
  expect(run).toMatchObject({ number: 1, result: 'success' })
  expect(await logOf(client, runId, run.tasks[0]!.id, 1)).toBe('hello from the repository\n')
})

test('the first administrator needs the link, and there is only one first', { timeout: 60_000 }, async () => {
  await using server = await TestServer.start()
  const visitor = createClient({ url: server.url })
  const body = { username: 'eve', password }
  for (const token of ['', 'guessed', 'x'.repeat(43)])
    await expect(visitor.call('setUp', { body: { ...body, token } })).rejects.toMatchObject({ code: 'setup_refused' })
  const link = readFileSync(await server.link(), 'utf8')
  const token = /token=(\S+)/.exec(link)![1]!
  await server.setUp()
  await expect(visitor.call('setUp', { body: { ...body, token } })).rejects.toMatchObject({ code: 'setup_refused' })
  expect(await visitor.call('getSetup')).toEqual({ isNeeded: false })
  await server.stop()
  await server.start()
  await expect.poll(() => existsSync(join(server.dataDir, 'first-administrator'))).toBe(false)
  await expect(visitor.call('setUp', { body: { ...body, token } })).rejects.toMatchObject({ code: 'setup_refused' })
})

test('a second server on the same data says who is in the way', { timeout: 60_000 }, async () => {
  await using server = await TestServer.start()
  const { status, stderr } = await server.slipway(['serve', '--listen', '127.0.0.1:0'])
  expect(stderr).toMatch(/process \d+ .*has it open; stop that first/)
  expect(status).toBe(2)
})

test('of two that start at once where nothing is one serves, and there is one key', { timeout: 120_000 }, async () => {
  using directory = temporaryDirectory('twice')
  const begin = () => {
    const args = ['serve', '--listen', '127.0.0.1:0', '--data', join(directory.path, 'data')]
    const child = spawn(slipwayFile, [...args, '--components', 'gateway,configstore,runservice'], {
      env: { PATH: process.env.PATH, HOME: directory.path, SLIPWAY_LOG_FORMAT: 'json' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const { promise, resolve } = Promise.withResolvers<'serves' | number | null>()
    const server = { child, output: '', outcome: promise, ended: new Promise((done) => child.once('exit', done)) }
    child.stderr.on('data', (chunk: Buffer) => {
      server.output += chunk.toString()
      if (server.output.includes('"message":"listening"')) resolve('serves')
    })
    child.once('exit', resolve)
    return server
  }
  const both = [begin(), begin()]
  const outcomes = await Promise.all(both.map(({ outcome }) => outcome))
  const winner = both[outcomes.indexOf('serves')]!
  const loser = both.find((server) => server !== winner)!
  for (const { child } of both) child.kill()
  await Promise.all(both.map(({ ended }) => ended))
  expect(outcomes.toSorted(), loser.output).toEqual([2, 'serves'])
  expect(loser.output).toMatch(/process \d+ .*has it open; stop that first/)
  // What the one that served wrote is under the key that is there.
  const again = begin()
  expect(await again.outcome, again.output).toBe('serves')
  again.child.kill()
  await again.ended
})

test('data under a foreign key is refused, and a key is never made anew', { timeout: 60_000 }, async () => {
  await using server = await TestServer.start()
  await server.setUp()
  await server.stop()
  const key = join(server.dataDir, 'keys/installation')
  const own = readFileSync(key)
  writeFileSync(key, `${Buffer.alloc(32, 7).toString('base64')}\n`)
  await expect(server.start()).rejects.toThrow(/sealed under another|key/)
  rmSync(key)
  await expect(server.start()).rejects.toThrow(/keys\.installationFile: .*put the key of this installation there/)
  expect(existsSync(key)).toBe(false)
  writeFileSync(key, own, { mode: 0o600 })
  await server.start()
})

test.each([
  ['stopped as planned', 'SIGTERM', 0],
  ['killed', 'SIGKILL', null],
] as const)(
  'a server that is %s in the middle of a step loses nothing',
  { timeout: 90_000 },
  async (_, signal, status) => {
    await using server = await TestServer.start()
    await using git = await GitServer.start({ a: '' })
    const client = await server.setUp()
    const projectRef = await createProject(client, git.url)
    const count = 'i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); sleep 0.01; done'
    const runId = await createRun(
      client,
      projectRef,
      git,
      definition({ count, after: { run: 'echo done', depends: ['count'] } }),
    )
    const taskId = await (async () => {
      for await (const event of client.events('watchRun', { params: { runId } })) {
        const running = event.event === 'run' ? event.data.tasks.find((task) => task.status === 'running') : undefined
        if (running !== undefined) return running.id
      }
      throw new Error('nothing began')
    })()
    await expect
      .poll(() => logOf(client, runId, taskId, 0).catch(() => ''), { timeout: runTimeoutMs })
      .toContain('line 20')
    expect(await server.stop(signal)).toBe(status)
    await server.start()
    const run = await finishedRun(client, runId)
    expect(run.result).toBe('success')
    expect(await logOf(client, runId, taskId, 0)).toBe(
      Array.from({ length: 300 }, (_value, i) => `line ${i}\n`).join(''),
    )
  },
)

test('wrong settings stop the start, all told at once', { timeout: 30_000 }, async () => {
  await using server = await TestServer.start()
  const { status, stderr } = await server.slipway(['serve', '--components', 'gateway,frontend', '--listen', 'here'])
  expect(status).toBe(2)
  expect(stderr).toContain(
    'components.1: expected all, gateway, configstore, runservice, notification, gitserver, executor',
  )
})

test('an address that is taken is told with what to do', { timeout: 30_000 }, async () => {
  await using server = await TestServer.start()
  const { status, stderr } = await server.slipway(['serve', '--data', join(server.dataDir, '../other')])
  expect(status).toBe(2)
  expect(stderr).toContain('another process listens on 127.0.0.1:')
})
