// Which address gets which file of the UI, and with which headers.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryDirectory } from '../../test/support/git-repository.ts'
import { createHttpApp } from '../http/http-server.ts'
import { silentLogger } from '../lib/log.ts'
import { mountWebUi } from './web-ui.ts'

const html = { accept: 'text/html,application/xhtml+xml' }

function appWith(directory: string | undefined) {
  const app = createHttpApp({ logger: silentLogger, trustProxy: false })
  app.get('/api/v1/version', async () => ({ version: '1' }))
  mountWebUi(app, directory)
  return app
}

function builtUi() {
  const directory = temporaryDirectory('web-ui')
  mkdirSync(join(directory.path, 'assets'))
  writeFileSync(join(directory.path, 'index.html'), '<!doctype html><title>UI</title>')
  writeFileSync(join(directory.path, 'assets/main-abc.js'), `// ${'x'.repeat(5000)}`)
  writeFileSync(join(directory.path, 'assets/main-abc.js.map'), '{}')
  return directory
}

test.each(['/', '/projects/org.acme.web/runs/3', '/setup', '/index.html'])('%s is the page', async (url) => {
  using built = builtUi()
  const answer = await appWith(built.path).inject({ url, headers: html })
  expect(answer.statusCode).toBe(200)
  expect(answer.body).toContain('<title>UI</title>')
  expect(answer.headers['cache-control']).toBe('no-cache')
  expect(answer.headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'")
})

test.each([
  ['/api/v1/nothing', html],
  ['/assets/main-old.js', html],
  ['/projects/org.acme.web', { accept: 'application/json' }],
  ['/assets/main-abc.js.map', {}],
  ['/assets/..%2f..%2fpackage.json', {}],
])('%s is not found', async (url, headers) => {
  using built = builtUi()
  const answer = await appWith(built.path).inject({ url, headers })
  expect(answer.statusCode).toBe(404)
  expect(answer.json()).toMatchObject({ code: 'route_not_found' })
})

test('other routes go before', async () => {
  using built = builtUi()
  expect((await appWith(built.path).inject({ url: '/api/v1/version', headers: html })).json()).toEqual({ version: '1' })
})

test('a file with a hash in its name is kept for a year, compressed as the browser has it', async () => {
  using built = builtUi()
  const app = appWith(built.path)
  const plain = await app.inject({ url: '/assets/main-abc.js' })
  expect(plain.headers['cache-control']).toBe('public, max-age=31536000, immutable')
  expect(plain.headers['content-type']).toBe('text/javascript; charset=utf-8')
  expect(plain.headers['content-encoding']).toBeUndefined()
  for (const [accepted, encoding] of [
    ['gzip, deflate, br', 'br'],
    ['gzip', 'gzip'],
  ] as const) {
    const answer = await app.inject({ url: '/assets/main-abc.js', headers: { 'accept-encoding': accepted } })
    expect(answer.headers['content-encoding']).toBe(encoding)
    expect(answer.rawPayload.length).toBeLessThan(plain.rawPayload.length / 10)
  }
  const again = await app.inject({
    url: '/assets/main-abc.js',
    headers: { 'if-none-match': String(plain.headers.etag) },
  })
  expect(again.statusCode).toBe(304)
  expect(again.body).toBe('')
})

test('without a build pages say how to make one', async () => {
  const answer = await appWith(undefined).inject({ url: '/', headers: html })
  expect(answer.statusCode).toBe(404)
  expect(answer.body).toContain('npm run build:web')
})
