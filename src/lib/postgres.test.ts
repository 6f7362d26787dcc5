import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Postgres, startPostgres } from '../../test/support/postgres.ts'
import { PostgresClient, type PostgresSettings } from './postgres.ts'

let folder: string
let certificate: string
let postgres: Postgres

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-postgres-tls-'))
  const [file, key] = [join(folder, 'certificate'), join(folder, 'key')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  execFileSync('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', file], { stdio: 'pipe' })
  certificate = readFileSync(file, 'utf8')
  postgres = await startPostgres({ tls: { certificate, key: readFileSync(key, 'utf8') } })
})
afterAll(async () => {
  await postgres[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

const open = (settings: Partial<PostgresSettings> = {}) => PostgresClient.open({ url: postgres.url, ...settings })
const isEncrypted = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'

test.each(['', 'localhost', 'mysql://localhost/a'])('the URL %j is refused', async (url) => {
  await expect(open({ url })).rejects.toMatchObject({ code: 'config_invalid' })
})

test('with an authority the connection is encrypted and verified, whatever the URL says', async () => {
  await using client = await open({ ca: certificate })
  expect(await client.query(isEncrypted, [])).toEqual([{ ssl: true }])
  await using asked = await open({ url: `${postgres.url}?sslmode=disable`, ca: certificate })
  expect(await asked.query(isEncrypted, [])).toEqual([{ ssl: true }])
})

test('a certificate of an authority that is not known is refused', async () => {
  await using client = await open({ url: `${postgres.url}?sslmode=verify-full` })
  await expect(client.query('SELECT 1', [])).rejects.toThrow(/self-signed/)
})

test.each([
  ['a role that does not exist', 'backend_auth_failed', (url: string) => url.replace('slipway@', 'nobody@')],
  ['a server that is not there', 'backend_unavailable', (url: string) => url.replace(/:\d+\//, ':1/')],
])('%s is %s', async (_, code, change) => {
  await using client = await open({ url: change(postgres.url) })
  await expect(client.query('SELECT 1', [])).rejects.toMatchObject({ code })
})

test('a statement that takes too long is ended, and the connection serves again', async () => {
  await using client = await open({ statementMs: 300 })
  await expect(client.query('SELECT pg_sleep(5)', [])).rejects.toMatchObject({ code: 'backend_unavailable' })
  expect(await client.query('SELECT 1 AS one', [])).toEqual([{ one: 1 }])
})

test('a caller that leaves does not wait, and the statement runs on', async () => {
  await using client = await open()
  const leaving = new AbortController()
  const left = client.query('SELECT pg_sleep(0.2)', [], leaving.signal)
  leaving.abort(new Error('left'))
  await expect(left).rejects.toThrow('left')
  expect(await client.query('SELECT 1 AS one', [])).toEqual([{ one: 1 }])
})

test('commits wait for the disk and see what is committed, whatever the server is set to', async () => {
  await using admin = await open()
  await admin.query("ALTER DATABASE postgres SET synchronous_commit = 'off'", [])
  await admin.query("ALTER DATABASE postgres SET default_transaction_isolation = 'serializable'", [])
  await using client = await open()
  expect(await client.query('SHOW synchronous_commit', [])).toEqual([{ synchronous_commit: 'on' }])
  expect(await client.query('SHOW transaction_isolation', [])).toEqual([{ transaction_isolation: 'read committed' }])
})
