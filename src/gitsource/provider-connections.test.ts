// Certificates of providers.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryDirectory } from '../../test/support/git-repository.ts'
import { systemClock } from '../lib/clock.ts'
import { ProviderConnections } from './provider-connections.ts'
import { ProviderHttp } from './provider-http.ts'

const signal = new AbortController().signal

async function startTlsServer() {
  using folder = temporaryDirectory('certificate')
  const [key, certificate] = [join(folder.path, 'key'), join(folder.path, 'certificate')]
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  execFileSync('openssl', ['req', ...kind, '-subj', '/CN=localhost', '-keyout', key, '-out', certificate], {
    stdio: 'pipe',
  })
  let count = 0
  const server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (_request, response) => {
    count++
    response.end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => count,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('a certificate that nobody vouches for is refused, unless it is not to be checked', async () => {
  await using server = await startTlsServer()
  using connections = new ProviderConnections()
  const open = (skipVerify: boolean) =>
    new ProviderHttp({ name: 'GitTest', baseUrl: server.url, skipVerify }, { clock: systemClock, connections })
  const refused = {
    code: 'provider_unavailable',
    message: expect.stringContaining('GitTest: GET /: self-signed certificate'),
  }
  await expect(open(false).json({ method: 'GET', path: '/' }, signal)).rejects.toMatchObject(refused)
  expect(await open(true).json({ method: 'GET', path: '/' }, signal)).toEqual({})
  // A connection that was not checked is not used by who wants it checked.
  await expect(open(false).json({ method: 'GET', path: '/' }, signal)).rejects.toMatchObject(refused)
  expect(server.requests()).toBe(1)
})
