// docs/installation.md, executed: the several machines of the page as processes on one, on real stores, from the page's settings and
// commands; an executor gets its token and executes a run.

import { execFile, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { until } from '../../src/lib/until-fixture.ts'
import type { S3Settings } from '../../src/objectstorage/s3-settings.ts'
import { cleanEnvironment, definition, slipwayFile } from '../cli/command.ts'
import { newBucket } from '../support/ceph-server.ts'
import { endPodsBelow } from '../support/end-pods.ts'
import { startEtcd } from '../support/etcd.ts'
import { temporaryDirectory, testRepository } from '../support/git-repository.ts'
import { startPostgres } from '../support/postgres.ts'
import { freePort } from '../support/server-process.ts'

const page = readFileSync(resolve(import.meta.dirname, '../../docs/installation.md'), 'utf8')
const blocks = [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({
  language,
  text: text!,
}))

/** The block of the page that has this in it. */
function blockWith(part: string): string {
  const found = blocks.filter(({ text }) => text.includes(part))
  expect(found, part).toHaveLength(1)
  return found[0]!.text
}

/** Each machine is a process with a directory of its own; what the page has in /etc/slipway is in `at()`. */
async function theMachines(database: string, bucket: S3Settings & { readonly endpoint: string }) {
  await using undo = new AsyncDisposableStack()
  const directory = temporaryDirectory('installation')
  undo.defer(() => {
    endPodsBelow(directory.path)
    directory[Symbol.dispose]()
  })
  const owned = undo.use(new AsyncDisposableStack())
  const at = (...parts: string[]) => join(directory.path, ...parts)
  mkdirSync(at('home'))
  const environment = cleanEnvironment({
    PATH: `${dirname(slipwayFile)}:${process.env.PATH}`,
    HOME: at('home'),
    XDG_CONFIG_HOME: at('home', 'config'),
    XDG_STATE_HOME: at('home', 'state'),
  })
  const run = (script: string, cwd = directory.path) =>
    new Promise<string>((done, fail) => {
      execFile('sh', ['-ec', script], { cwd, env: environment }, (error, stdout, stderr) => {
        if (error) fail(new Error(`${script}\nexited with ${error.code}: ${stdout}${stderr}`))
        else done(stdout + stderr)
      })
    })
  const start = (args: readonly string[]) => {
    let output = ''
    const child = spawn(slipwayFile, args, { cwd: directory.path, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-5000)
      })
    const ended = new Promise((done) => child.once('close', done))
    owned.defer(async () => {
      child.kill()
      await ended
    })
    return { output: () => output, hasEnded: () => child.exitCode !== null }
  }

  await run(blockWith('>services-key'))
  writeFileSync(at('s3.json'), JSON.stringify(bucket.credentials), { mode: 0o600 })
  const [inner1, inner2, front] = [await freePort(), await freePort(), await freePort()]
  const here = (text: string) =>
    text
      .replaceAll('/etc/slipway/', at('/'))
      .replaceAll('inner-1:7000', `127.0.0.1:${inner1}`)
      .replaceAll('inner-2:7000', `127.0.0.1:${inner2}`)
      .replaceAll('https://ci.example.org', `http://127.0.0.1:${front}`)
      .replace('bucket: slipway', `bucket: ${bucket.bucket}, endpoint: '${bucket.endpoint}'`)
  const etcd = blockWith('log: etcd')
  const common = `${database}${etcd.slice(etcd.indexOf('objectStorage:'))}`
  const machines = [
    { name: 'front', port: front, text: blockWith('[gateway, gitserver]') },
    { name: 'inner-1', port: inner1, text: blockWith('[configstore, runservice, notification]') },
    { name: 'inner-2', port: inner2, text: blockWith('[configstore, runservice, notification]') },
  ].map(({ name, port, text }) => {
    const own = text.replace(/^listen: .*$/m, `listen: 127.0.0.1:${port}`)
    writeFileSync(at(`${name}.yml`), here(`${common}${own}`))
    return { port, ...start(['serve', '--config', at(`${name}.yml`), '--data', at(name)]) }
  })
  for (const { port, output, hasEnded } of machines)
    await until(async () => {
      if (hasEnded()) throw new Error(output())
      return await fetch(`http://127.0.0.1:${port}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      )
    }, output())
  const all = undo.move()
  return { at, run, start, here, url: `http://127.0.0.1:${front}`, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

test.each(['etcd', 'postgres', 'bucket'])(
  'several machines with %s and S3, as the page has them, execute a run',
  { timeout: 300_000 },
  async (log) => {
    await using owned = new AsyncDisposableStack()
    const bucket = await newBucket()
    using secrets = temporaryDirectory('secrets')
    let database = 'database: { log: bucket }\n'
    if (log === 'etcd') {
      const { endpoint } = owned.use(await startEtcd())
      database = blockWith('log: etcd').replace(/endpoints: .* }$/m, `endpoints: ["${endpoint}"] }`)
      database = database.slice(0, database.indexOf('objectStorage:'))
    } else if (log === 'postgres') {
      const { url } = owned.use(await startPostgres())
      writeFileSync(join(secrets.path, 'postgres-url'), `${url}\n`)
      database = blockWith('log: postgres').replace('/etc/slipway/', `${secrets.path}/`)
    } else expect(page).toContain('`database: { log: bucket }`')

    await using machines = await theMachines(database, bucket)
    const { at, run, start, here, url } = machines
    await until(() =>
      run('test -s front/first-administrator').then(
        () => true,
        () => false,
      ),
    )
    await run(
      `echo 'correct horse battery staple' | slipway login ${url} --username ann --password-stdin --setup front/first-administrator`,
    )
    const [umask = '', token = '', executor = ''] = blockWith('executors token create').trim().split('\n')
    await run(`${umask}\n${token}`)
    // The load balancer of the page would send executors to a runservice.
    const command = executor.replace('https://ci.example.org', here('http://inner-1:7000'))
    const [program, ...args] = command.split(' ')
    expect(program).toBe('slipway')
    const inPlace = args.map((arg) => (arg.startsWith('/var/lib/') ? at('executor') : arg))
    const { output } = start([...inPlace, '--driver', 'host'])
    await until(() => output().includes('executor ready'), output())
    using repository = testRepository({ '.slipway/config.json': definition({ greet: 'echo hello there' }) })
    repository.commit('greet')
    const printed = await run('slipway directrun start', repository.dir)
    expect(printed).toContain('hello there')
    expect(printed).toContain('run ci: success')
  },
)
