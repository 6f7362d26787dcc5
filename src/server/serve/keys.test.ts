import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { firstAdministratorToken, linkFileName, removeLink, writeLink } from './first-administrator.ts'
import { loadKeys } from './keys.ts'

let dataDir = ''
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'slipway-keys-'))
})
afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

const none = { installationFile: undefined, retiredFiles: [], servicesFile: undefined, adminTokenFile: undefined }
const load = (keys: Partial<Parameters<typeof loadKeys>[0]['keys']> = {}, mayCreate = true) =>
  loadKeys({ keys: { ...none, ...keys }, dataDir }, mayCreate)

test('a new installation makes its keys, for itself alone, and finds them again', () => {
  const made = load()
  expect(load({}, false)).toEqual(made)
  expect(made.admin).toBeUndefined()
  for (const [path, mode] of [
    ['keys', 0o700],
    ['keys/installation', 0o600],
    ['keys/services', 0o600],
  ] as const)
    expect(statSync(join(dataDir, path)).mode & 0o777).toBe(mode)
})

test('an installation that is not new gets no new key', () => {
  expect(() => load({}, false)).toThrow(
    /^keys\.installationFile: read the installation key .*put the key of this installation there/,
  )
})

test('a key that is named is never made', () => {
  expect(() => load({ installationFile: join(dataDir, 'elsewhere') })).toThrow(/keys\.installationFile: .*elsewhere/)
})

test('keys that others may read are refused', () => {
  load()
  chmodSync(join(dataDir, 'keys/services'), 0o640)
  expect(() => load()).toThrow(/keys\.servicesFile: others may use the token .*: chmod 600 it/)
  chmodSync(join(dataDir, 'keys'), 0o755)
  expect(() => load()).toThrow(/others may use the directory of keys .*: chmod 700 it/)
})

test('a retired key opens and does not seal', () => {
  const old = load().sealing[0]!
  const folder = join(dataDir, 'old')
  mkdirSync(folder)
  writeFileSync(join(folder, 'installation'), readFileSync(join(dataDir, 'keys/installation')), { mode: 0o600 })
  rmSync(join(dataDir, 'keys/installation'))
  const keys = load({ retiredFiles: [join(folder, 'installation')] })
  expect(keys.sealing.length).toBe(2)
  expect(keys.sealing[0]).not.toEqual(old)
  expect(keys.sealing[1]).toEqual(old)
})

test.each([
  ['too short', 'hunter2', /at least 32 characters/],
  ['of two words', `${'x'.repeat(40)} y`, /without blanks/],
])('a token that is %s is refused, and not told', (_, text, message) => {
  const file = join(dataDir, 'admin')
  writeFileSync(file, text, { mode: 0o600 })
  expect(() => load({ adminTokenFile: file })).toThrow(message)
  expect(() => load({ adminTokenFile: file })).not.toThrow(new RegExp(text.slice(0, 7)))
})

test('the link for the first administrator is the same for all instances, another for another installation or key', () => {
  const key = load().sealing[0]!
  const token = firstAdministratorToken(key, 'a')
  expect(firstAdministratorToken(key, 'a')).toBe(token)
  expect(firstAdministratorToken(key, 'b')).not.toBe(token)
  const path = writeLink(dataDir, 'http://localhost:8080', token)
  expect(readFileSync(path, 'utf8')).toBe(`http://localhost:8080/setup#token=${token}\n`)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  removeLink(dataDir)
  removeLink(dataDir)
  expect(() => statSync(join(dataDir, linkFileName))).toThrow()
})
