// docs/server.md, executed: its commands run, in the order of the page, against the server that its first one starts. Settings of
// docs/installation.md are read as a server reads them.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { readSettings } from '../../src/server/settings/read-settings.ts'
import { cleanEnvironment, definition, slipwayFile } from '../cli/command.ts'
import { endPodsBelow } from '../support/end-pods.ts'
import { temporaryDirectory } from '../support/git-repository.ts'
import { freePort } from '../support/server-process.ts'
import { GitServer } from './test-server.ts'

const pageOf = (name: string) => readFileSync(resolve(import.meta.dirname, '../../docs', name), 'utf8')

function blocksOf(page: string, language: string): readonly { readonly info: string; readonly text: string }[] {
  const blocks = [...page.matchAll(/^```(\w+)(?: (\w+))?\n([\s\S]*?)^```$/gm)]
  return blocks.filter(([, name]) => name === language).map(([, , info = '', text]) => ({ info, text: text! }))
}

test('a newcomer gets a finished run of an own project from the page', { timeout: 120_000 }, async () => {
  using home = temporaryDirectory('home')
  await using git = await GitServer.start({ '.slipway/config.json': definition({ greet: 'echo hello from the page' }) })
  const port = await freePort()
  const environment = cleanEnvironment({
    PATH: `${dirname(slipwayFile)}:${process.env.PATH}`,
    HOME: home.path,
    REPOSITORY: git.url,
    SLIPWAY_LISTEN: `127.0.0.1:${port}`,
    SLIPWAY_EXECUTOR_DRIVER: 'host',
  })
  delete environment.XDG_DATA_HOME
  delete environment.XDG_CONFIG_HOME
  let server: ChildProcess | undefined
  let output = ''
  try {
    for (const { info, text } of blocksOf(pageOf('server.md'), 'sh')) {
      const script = text.replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)
      if (info === 'background') {
        server = spawn('sh', ['-c', `exec ${script}`], { cwd: home.path, env: environment, stdio: 'ignore' })
        await expect
          .poll(() => isThere(`${home.path}/.local/share/slipway/first-administrator`), { timeout: 30_000 })
          .toBe(true)
        continue
      }
      const { status, printed } = await runScript(script, home.path, environment)
      output += printed
      expect({ text, status, printed }).toMatchObject({ status: 0 })
    }
  } finally {
    if (server !== undefined) {
      const ended = new Promise((done) => server?.once('exit', done))
      server.kill()
      await ended
    }
    endPodsBelow(home.path)
  }
  expect(output).toContain('Logged in to ')
  expect(output).toContain('finished, success')
  expect(output).toContain('hello from the page')
})

test('the settings of the installation page are right', () => {
  using folder = temporaryDirectory('settings')
  const keys = 'keys: { installationFile: /k, servicesFile: /s }\nobjectStorage: { type: s3, region: r, bucket: bbb }\n'
  const files = blocksOf(pageOf('installation.md'), 'yaml').map(({ text }) =>
    text.replace(', credentialsFile: /etc/slipway/s3.json', ''),
  )
  expect(files.length).toBe(5)
  const [single, etcd, postgres, inner, front] = files as [string, string, string, string, string]
  const read = (text: string) => {
    const file = join(folder.path, 'settings.yml')
    writeFileSync(file, text)
    return readSettings({ file, environment: { HOME: folder.path } })
  }
  expect(read(single).executor).toMatchObject({ driver: 'docker', tasks: 4 })
  expect(read(`${etcd}${inner}`).database).toMatchObject({ log: 'etcd' })
  expect(read(`${etcd}${front}`).services.runservice.length).toBe(2)
  expect(read(`${postgres}${keys}${inner}`).database).toMatchObject({ log: 'postgres' })
  expect(read(`${keys}database: { log: bucket }\n${inner}`).database).toEqual({ log: 'bucket' })
})

function isThere(path: string): boolean {
  try {
    return readFileSync(path, 'utf8') !== ''
  } catch {
    return false
  }
}

function runScript(
  text: string,
  cwd: string,
  env: Record<string, string>,
): Promise<{ readonly status: number; readonly printed: string }> {
  return new Promise((done) => {
    execFile('sh', ['-ec', text], { cwd, env }, (error, stdout, stderr) =>
      done({ status: error === null ? 0 : Number(error.code), printed: stdout + stderr }),
    )
  })
}
