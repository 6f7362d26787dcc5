// docs/operations.md, executed: each section on a server of its own, with its commands as they are written. `systemctl` starts and
// stops `slipway serve`.

import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { aRun, aRunConfig, newer, times } from '../../src/server/agola-import/agola-export-fixture.ts'
import { type Etcd, startEtcd } from '../support/etcd.ts'
import { temporaryDirectory } from '../support/git-repository.ts'
import { type Postgres, startPostgres } from '../support/postgres.ts'
import { freePort } from '../support/server-process.ts'
import { cleanEnvironment, slipwayFile } from './command.ts'

const page = readFileSync(resolve(import.meta.dirname, '../../docs/operations.md'), 'utf8')
/** The blocks of each section, in their order. */
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((text) => [
      text.slice(0, text.indexOf('\n')),
      [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block]) => block!),
    ]),
)
const sectionMs = 300_000

let etcd: Etcd
let postgres: Postgres

beforeAll(async () => {
  ;[etcd, postgres] = await Promise.all([startEtcd(), startPostgres()])
})
afterAll(async () => {
  await Promise.all([etcd[Symbol.asyncDispose](), postgres[Symbol.asyncDispose]()])
})

const systemctl = `#!/bin/sh
case $1 in
start)
  slipway serve --config "$SETTINGS" --data "$DIR" >> "$WORLD/server.log" 2>&1 < /dev/null &
  echo $! > "$WORLD/pid"
  tries=0
  until curl -fs "$URL/readyz" > /dev/null; do
    tries=$((tries + 1))
    # One that neither ends nor gets ready must not be left behind.
    [ $tries -lt 400 ] || kill -KILL "$(cat "$WORLD/pid")"
    kill -0 "$(cat "$WORLD/pid")" 2> /dev/null || { cat "$WORLD/server.log" >&2; exit 1; }
    sleep 0.1
  done ;;
stop)
  kill -TERM "$(cat "$WORLD/pid")" 2> /dev/null
  while kill -0 "$(cat "$WORLD/pid")" 2> /dev/null; do sleep 0.05; done ;;
esac
`

/** A machine with a server that was started once; object storage is beside the data directory. */
async function aMachine(database = '{log: embedded}') {
  const directory = temporaryDirectory('operations')
  const at = (...parts: string[]) => join(directory.path, ...parts)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  mkdirSync(at('bin'))
  writeFileSync(at('bin', 'systemctl'), systemctl, { mode: 0o755 })
  writeFileSync(at('admin-token'), 'a-token-of-the-administrator-0123456789\n', { mode: 0o600 })
  // With another log than the embedded one keys have to be given.
  const keys = (folder: string) => `
keys: {installationFile: ${at(folder, 'keys', 'installation')}, servicesFile: ${at(folder, 'keys', 'services')}, adminTokenFile: ${at('admin-token')}}`
  const settings = (section: string, folder = 'data') => `
listen: 127.0.0.1:${port}
components: [gateway, configstore, runservice]
objectStorage: {type: posix, path: ${at('objects')}}
database: ${section}
${section === '{log: embedded}' ? `keys: {adminTokenFile: ${at('admin-token')}}` : keys(folder)}
`
  const environment = cleanEnvironment({
    PATH: `${at('bin')}:${dirname(slipwayFile)}:${process.env.PATH}`,
    WORLD: directory.path,
    DIR: at('data'),
    NEW_DIR: at('new-data'),
    SETTINGS: at('settings.yml'),
    TOKEN_FILE: at('admin-token'),
    URL: url,
  })
  const run = (script: string, more: Record<string, string> = {}) =>
    runScript(script, directory.path, { ...environment, ...more })
  const configure = (section: string) => writeFileSync(at('settings.yml'), settings(section))
  const ask = async (method: string, path: string, body?: object) => {
    const headers = {
      authorization: `token ${readFileSync(at('admin-token'), 'utf8').trim()}`,
      ...(body ? { 'content-type': 'application/json' } : {}),
    }
    const answer = await fetch(`${url}/api/v1${path}`, {
      method,
      headers,
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    expect(answer.status, await answer.clone().text()).toBeLessThan(300)
    return (await answer.json()) as { readonly items: readonly { readonly name: string }[] }
  }
  configure('{log: embedded}')
  await run('systemctl start slipway')
  if (database !== '{log: embedded}') {
    // Its keys are made; everything else begins anew.
    await run('systemctl stop slipway')
    rmSync(at('objects'), { recursive: true })
    for (const name of readdirSync(at('data'))) if (name !== 'keys') rmSync(at('data', name), { recursive: true })
    configure(database)
    await run('systemctl start slipway')
  }
  return {
    at,
    run,
    settings,
    addUser: (name: string) => ask('POST', '/users', { name }),
    users: async () => (await ask('GET', '/users')).items.map(({ name }) => name),
    async section(name: string, more?: Record<string, string>) {
      let printed = ''
      for (const block of sections.get(name) ?? []) printed += await run(block, more)
      return printed
    },
    async [Symbol.asyncDispose]() {
      await run('systemctl stop slipway').catch(() => undefined) // it may be stopped
      directory[Symbol.dispose]()
    },
  }
}

function runScript(text: string, cwd: string, env: Record<string, string>): Promise<string> {
  return new Promise((done, fail) => {
    execFile('sh', ['-ec', text], { cwd, env }, (error, stdout, stderr) => {
      if (error) fail(new Error(`${text}\nexited with ${error.code}: ${stdout}${stderr}`))
      else done(stdout + stderr)
    })
  })
}

test(
  'backup, restore, restore on a new machine and under another key give back what there was',
  async () => {
    await using machine = await aMachine()
    await machine.addUser('ann')
    await machine.section('Backup')
    await machine.addUser('bob')
    expect(await machine.users()).toEqual(['ann', 'bob'])
    await machine.section('Restore')
    expect(await machine.users()).toEqual(['ann'])
    await machine.run('systemctl stop slipway')
    for (const name of ['data', 'objects']) rmSync(machine.at(name), { recursive: true })
    expect(await machine.section('Restore on a new machine')).toContain('all of it fits')
    expect(await machine.users()).toEqual(['ann'])
    await machine.run('systemctl stop slipway')
    for (const name of ['data', 'objects']) rmSync(machine.at(name), { recursive: true })
    await machine.run('systemctl start slipway')
    await machine.section('Restore under another key')
    expect(await machine.users()).toEqual(['ann'])
    const part = readFileSync(machine.at('part.slipway'), 'utf8')
    expect(part.trimEnd().split('\n').at(-1)).toContain('"end":true')
  },
  sectionMs,
)

test(
  'a server moves to another machine',
  async () => {
    await using machine = await aMachine()
    await machine.addUser('ann')
    await machine.section('Move to another machine')
    expect(await machine.users()).toEqual(['ann'])
  },
  sectionMs,
)

test(
  'a server moves to another log',
  async () => {
    await using machine = await aMachine()
    const logs = [
      `{log: etcd, etcd: {endpoints: ["${etcd.endpoint}"], prefix: moved}}`,
      `{log: postgres, postgres: {url: "${postgres.url}", schema: moved}}`,
      '{log: bucket}',
      '{log: embedded}',
    ]
    const names: string[] = []
    for (const [number, log] of logs.entries()) {
      const name = `user-${number}`
      await machine.addUser(name)
      names.push(name)
      const before = readFileSync(machine.at('settings.yml'), 'utf8')
      writeFileSync(machine.at('new.yml'), machine.settings(log))
      await machine.section('Move to another log')
      expect(await machine.users()).toEqual(names)
      if (number > 0) continue
      // Whoever still has the old settings does not go on beside the others.
      await machine.run('systemctl stop slipway')
      writeFileSync(machine.at('settings.yml'), before)
      await expect(machine.run('systemctl start slipway')).rejects.toThrow(/database_foreign|etcd/)
      await machine.run('cp new.yml "$SETTINGS"; systemctl start slipway')
    }
    await machine.addUser('bob')
    expect(await machine.users()).toEqual(['bob', ...names])
  },
  5 * sectionMs,
)

test(
  'a lost disk costs nothing that was shipped',
  async () => {
    await using machine = await aMachine()
    await machine.addUser('ann')
    await machine.run('cp -a "$DIR/keys" backup-keys; systemctl stop slipway; rm -r "$DIR"')
    await machine.section('Lost disk')
    expect(await machine.users()).toEqual(['ann'])
  },
  sectionMs,
)

test(
  'a damaged file is found and made anew',
  async () => {
    await using machine = await aMachine()
    await machine.addUser('ann')
    await machine.run('systemctl stop slipway')
    const file = machine.at('data', 'database', 'configstore.db')
    const bytes = readFileSync(file)
    bytes.fill(0x55, Math.floor(bytes.length / 2))
    writeFileSync(file, bytes)
    const printed = await machine.section('Damaged disk')
    expect(printed).toContain('something does not fit')
    expect(printed).toMatch(/configstore: restored up to record \d+.*\n[\s\S]*all of it fits/)
    expect(await machine.users()).toEqual(['ann'])
  },
  sectionMs,
)

test(
  'an etcd that is empty again gets its records back',
  async () => {
    await using machine = await aMachine(`{log: etcd, etcd: {endpoints: ["${etcd.endpoint}"], prefix: lost}}`)
    await machine.addUser('ann')
    await machine.run(`systemctl stop slipway; etcdctl --endpoints ${etcd.endpoint} del --prefix lost/`, {
      ETCDCTL_API: '3',
    })
    await expect(machine.run('systemctl start slipway')).rejects.toThrow(
      'stop all instances and run `slipway database restore`',
    )
    expect(await machine.section('Lost etcd')).toContain('configstore: restored up to record')
    expect(await machine.users()).toEqual(['ann'])
    await machine.addUser('bob')
    expect(await machine.section('Lost etcd')).toContain('configstore: its log has all that was shipped')
    expect(await machine.users()).toEqual(['ann', 'bob'])
  },
  sectionMs,
)

test(
  'a PostgreSQL that is empty again gets its records back',
  async () => {
    await using machine = await aMachine(`{log: postgres, postgres: {url: "${postgres.url}", schema: lost}}`)
    await machine.addUser('ann')
    await machine.run('systemctl stop slipway')
    writeFileSync(
      machine.at('settings.yml'),
      machine.settings(`{log: postgres, postgres: {url: "${postgres.url}", schema: empty}}`),
    )
    await machine.section('Lost PostgreSQL')
    expect(await machine.users()).toEqual(['ann'])
    await machine.addUser('bob')
  },
  sectionMs,
)

test(
  'a lost object storage is refused first, and then taken',
  async () => {
    await using machine = await aMachine()
    await machine.addUser('ann')
    await machine.run('systemctl stop slipway')
    rmSync(machine.at('objects'), { recursive: true })
    await expect(machine.run('systemctl start slipway')).rejects.toThrow('is it the right one?')
    await machine.section('Lost object storage')
    expect(await machine.users()).toEqual(['ann'])
    await machine.run(
      'systemctl stop slipway; slipway database verify "$DIR" --config "$SETTINGS"; systemctl start slipway',
    )
  },
  sectionMs,
)

test(
  'the data key and the key of the installation are replaced',
  async () => {
    await using machine = await aMachine()
    await machine.addUser('ann')
    const printed = await machine.section('Keys')
    expect(printed).toMatch(/values sealed anew/)
    expect(await machine.users()).toEqual(['ann'])
    const status = await machine.run('slipway key status --server "$URL" --token-file "$TOKEN_FILE" --output json')
    const { installationKeyId, items } = JSON.parse(status) as {
      installationKeyId: string
      items: readonly { installationKeyId: string }[]
    }
    expect(items).toMatchObject([{ installationKeyId, isActive: true }])
  },
  sectionMs,
)

test(
  'maintenance is begun, shown and ended, stopped and running',
  async () => {
    await using machine = await aMachine()
    const printed = await machine.section('Maintenance')
    expect(printed).toMatch(/configstore: in maintenance since .*: new disk/)
    expect(printed).toContain('maintenance has ended')
    await machine.addUser('ann')
  },
  sectionMs,
)

test(
  'an upgrade begins with a backup and ends with a look at the instances',
  async () => {
    await using machine = await aMachine()
    expect(await machine.section('Upgrade')).toMatch(/instance \S+ \d+\.\d+\.\d+: (there|gone), seen/)
  },
  sectionMs,
)

test(
  'exports of Agola become the databases of a server',
  async () => {
    await using machine = await aMachine()
    const user = newer('User', { id: '7c0e0000-0000-4000-8000-000000000001', ...times, name: 'carol' })
    writeFileSync(machine.at('configstore.export'), user)
    writeFileSync(
      machine.at('runservice.export'),
      newer('RunConfig', aRunConfig('config of r1')) + newer('Run', aRun('r1')),
    )
    expect(await machine.section('From Agola')).toMatch(/read, in the format newer: 1 User\n[\s\S]*1 run, /)
    expect(await machine.users()).toEqual(['carol'])
  },
  sectionMs,
)

test('every section with commands is executed here', () => {
  const text = readFileSync(import.meta.filename, 'utf8')
  for (const [name, blocks] of sections) if (blocks.length > 0) expect(text).toContain(`section('${name}'`)
})
