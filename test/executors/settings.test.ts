// docs/executors.md names every setting of `slipway executor`, and the settings are read as it says.

import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { executorSettingPaths, readExecutorSettings } from '../../src/server/executor-process/executor-settings.ts'
import { environmentNameOf } from '../../src/server/settings/said-settings.ts'

const page = readFileSync(resolve(import.meta.dirname, '../../docs/executors.md'), 'utf8')

function aDirectory(files: Readonly<Record<string, string>> = {}): string {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-executor-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  for (const [name, text] of Object.entries({ token: 'secret-token\n', ...files })) {
    writeFileSync(join(dir, name), text)
    chmodSync(join(dir, name), 0o600)
  }
  return dir
}

test('every setting stands on its page, with its environment variable', () => {
  for (const path of executorSettingPaths()) expect(page).toContain(`| \`${path.join('.')}\` | `)
  for (const path of executorSettingPaths())
    expect(page).toContain(`\`${environmentNameOf('SLIPWAY_EXECUTOR', path)}\``)
})

test('options win over the environment, and that over the file', () => {
  const dir = aDirectory()
  const config = join(dir, 'executor.yml')
  writeFileSync(
    config,
    `url: https://file\ntokenFile: ${dir}/token\ntasks: 1\nlabels: {a: file}\nlog: {level: debug}\n`,
  )
  const settings = readExecutorSettings({
    file: config,
    environment: { SLIPWAY_EXECUTOR_TASKS: '2', SLIPWAY_EXECUTOR_LABELS: '{a: environment}', XDG_DATA_HOME: '/data' },
    options: { tasks: 3 },
  })
  expect(settings).toMatchObject({
    url: 'https://file',
    token: 'secret-token',
    tasks: 3,
    labels: { a: 'environment' },
    dataDir: '/data/slipway-executor',
    driver: 'auto',
    allowPrivileged: false,
    allowUnsandboxed: false,
    log: { level: 'debug' },
    warnings: [],
  })
})

test.each([
  ['no URL', {}, 'url: where the server is, is missing'],
  [
    'no token',
    { url: 'https://x', tokenFile: undefined },
    'tokenFile: the file with the token of this executor is missing',
  ],
  ['a token file that is not there', { url: 'https://x', tokenFile: '/nowhere' }, 'tokenFile: ENOENT'],
  ['a setting that is none', { url: 'https://x', task: 1 }, 'task: is no setting: did you mean tasks?'],
  ['another driver', { url: 'https://x', driver: 'vm' }, 'driver: expected auto, docker, host'],
  ['no tasks', { url: 'https://x', tasks: 0 }, 'tasks: must be >= 1'],
])('%s is told', (_, options, message) => {
  const given = { tokenFile: join(aDirectory(), 'token'), ...options }
  expect(() => readExecutorSettings({ environment: {}, options: given })).toThrow(message)
})

test('a token that everybody can read is warned of, and an empty file is none', () => {
  const dir = aDirectory({ empty: '\n' })
  chmodSync(join(dir, 'token'), 0o644)
  const read = (name: string) =>
    readExecutorSettings({ environment: {}, options: { url: 'https://x', tokenFile: join(dir, name) } })
  expect(read('token').warnings).toEqual([expect.stringContaining('chmod 600')])
  expect(() => read('empty')).toThrow('holds no token')
})
