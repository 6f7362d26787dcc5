import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { loadInstallationKey, newSealingKey, type SealedPlace, seal, unseal } from './sealing.ts'

const place: SealedPlace = { storeId: 'store', type: 'runconfig', id: 'r1', field: 'TOKEN' }

test('what was sealed is opened again, whatever it is', () => {
  const key = newSealingKey()
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      const wellFormed = value.toWellFormed()
      expect(unseal([key], place, seal(key, place, wellFormed))).toBe(wellFormed)
    }),
  )
})

test('the sealed text does not contain the value, and two of one value differ', () => {
  const key = newSealingKey()
  const [first, second] = [seal(key, place, 'hunter2hunter2'), seal(key, place, 'hunter2hunter2')]
  expect(first).not.toContain('hunter2')
  expect(first).not.toBe(second)
  expect(first.split('.').slice(0, 2)).toEqual(['v1', key.id])
})

test.each([
  ['another store', { ...place, storeId: 'other' }],
  ['another type', { ...place, type: 'secret' }],
  ['another row', { ...place, id: 'r2' }],
  ['another field', { ...place, field: 'OTHER' }],
])('a ciphertext moved to %s is refused', (_, elsewhere) => {
  const key = newSealingKey()
  expect(() => unseal([key], elsewhere, seal(key, place, 'value'))).toThrow(/cannot be opened/)
})

test('a changed ciphertext, another key and another format are refused', () => {
  const key = newSealingKey()
  const sealed = seal(key, place, 'value')
  const [version, id, text] = sealed.split('.') as [string, string, string]
  const flipped = Buffer.from(text, 'base64url')
  flipped[flipped.length - 1]! ^= 1
  expect(() => unseal([key], place, `${version}.${id}.${flipped.toString('base64url')}`)).toThrow(/cannot be opened/)
  expect(() => unseal([newSealingKey()], place, sealed)).toThrow(/not configured/)
  expect(() => unseal([key], place, 'v9.x.y')).toThrow(/not configured/)
})

test('values sealed under an older key are opened while that key is kept', () => {
  const [older, newer] = [newSealingKey(), newSealingKey()]
  expect(unseal([newer, older], place, seal(older, place, 'value'))).toBe('value')
})

test('an installation key is made once, readable for its owner only, and found again', () => {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-key-'))
  try {
    const path = join(dir, 'key')
    expect(() => loadInstallationKey(path, { create: false })).toThrow(/put the key/)
    const made = loadInstallationKey(path, { create: true })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(loadInstallationKey(path, { create: true }).bytes).toEqual(made.bytes)
    chmodSync(path, 0o644)
    expect(() => loadInstallationKey(path, { create: false })).toThrow(/others may read/)
    chmodSync(path, 0o600)
    writeFileSync(path, 'short\n')
    expect(() => loadInstallationKey(path, { create: false })).toThrow(/not 32 bytes/)
  } finally {
    rmSync(dir, { recursive: true })
  }
})
