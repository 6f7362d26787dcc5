// docs/getting-started.md, executed: its files are written and its commands run, in the order of the page.

import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryDirectory } from '../support/git-repository.ts'
import { cleanEnvironment, slipwayFile } from './command.ts'

const page = readFileSync(resolve(import.meta.dirname, '../../docs/getting-started.md'), 'utf8')
const blocks = [...page.matchAll(/^```(\w+)(?: (file|status)=(\S+))?\n([\s\S]*?)^```$/gm)].map(
  ([, language, key, value, text]) => ({ language, key, value, text: text! }),
)

test('a newcomer gets what the page says', async () => {
  using directory = temporaryDirectory('started')
  const environment = cleanEnvironment({
    PATH: `${dirname(slipwayFile)}:${process.env.PATH}`,
    XDG_STATE_HOME: join(directory.path, 'state'),
    // Not everybody has Docker; images are another test's matter.
    DOCKER_HOST: 'unix:///nonexistent/docker.sock',
  })
  let output = ''
  for (const { language, key, value, text } of blocks) {
    if (key === 'file') {
      const file = join(directory.path, value!)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
    } else if (language === 'sh') {
      const { status, printed } = await runScript(text, directory.path, environment)
      output += printed
      expect({ text, status, printed }).toMatchObject({ status: Number(value ?? 0) })
    }
  }
  for (const said of [
    'publish: skipped, when tag /v.*/ does not match refs/heads/main',
    '[publish] publishing v1.0.0',
    '✗ test / test: exit status 1',
    '[test] printed: Hello, world!',
    'Kept: build, which ran before the working tree changed',
    '[test] the greeting is right',
  ])
    expect(output).toContain(said)
})

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
