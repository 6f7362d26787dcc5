// Sealed values: secrets as they are stored. AES-256-GCM under a data key of the store, which is itself sealed by the
// installation key. The additional data names store and field, so that a ciphertext cannot be moved to another place; every
// ciphertext names its key.
//
//   v1.<key id>.<base64url of nonce (12 bytes), ciphertext, tag (16 bytes)>

import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { existsSync, linkSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { SlipwayError } from './errors.ts'

const version = 'v1'
const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16

export type SealingKey = { readonly id: string; readonly bytes: Buffer }

/** What a sealed value belongs to. */
export type SealedPlace = {
  readonly storeId: string
  readonly type: string
  readonly id: string
  readonly field: string
}

/** A random key; its id is the start of its hash. */
export function newSealingKey(): SealingKey {
  return keyOf(randomBytes(keyBytes))
}

/**
 * Reads an installation key from its file, or makes one when there is none and `create` allows it: mode 0600, refused when
 * others may read it. Errors: `key_missing`, `key_wrong`.
 */
export function loadInstallationKey(path: string, options: { readonly create: boolean }): SealingKey {
  if (options.create && !existsSync(path)) createKey(path)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new SlipwayError('key_missing', `read the installation key ${path}: put the key of this installation there`, {
      cause,
    })
  }
  if ((statSync(path).mode & 0o077) !== 0) {
    throw new SlipwayError('key_wrong', `others may read the installation key ${path}: chmod 600 it`)
  }
  const bytes = Buffer.from(text.trim(), 'base64')
  if (bytes.length !== keyBytes)
    throw new SlipwayError('key_wrong', `the installation key ${path} is not ${keyBytes} bytes in base64`)
  return keyOf(bytes)
}

export function seal(key: SealingKey, place: SealedPlace, value: string): string {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key.bytes, nonce)
  cipher.setAAD(additionalData(place))
  const sealed = Buffer.concat([nonce, cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return `${version}.${key.id}.${sealed.toString('base64url')}`
}

/** `key_wrong` when it was sealed under another key, for another place, or was changed. */
export function unseal(keys: readonly SealingKey[], place: SealedPlace, sealed: string): string {
  const [format, keyId, text] = sealed.split('.')
  const key = keys.find((candidate) => candidate.id === keyId)
  if (format !== version || key === undefined || text === undefined) {
    throw new SlipwayError(
      'key_wrong',
      `a secret of ${place.type} ${place.id} is sealed under key ${keyId ?? '?'}, which is not configured`,
    )
  }
  const bytes = Buffer.from(text, 'base64url')
  const decipher = createDecipheriv('aes-256-gcm', key.bytes, bytes.subarray(0, nonceBytes))
  decipher.setAAD(additionalData(place))
  decipher.setAuthTag(bytes.subarray(-tagBytes))
  try {
    return Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()]).toString('utf8')
  } catch (cause) {
    throw new SlipwayError(
      'key_wrong',
      `a secret of ${place.type} ${place.id} cannot be opened: it was changed or belongs elsewhere`,
      { cause },
    )
  }
}

/** The file is there with its key or not at all, whoever reads it meanwhile and whenever we are killed. */
function createKey(path: string): void {
  const unfinished = `${path}.${randomBytes(6).toString('hex')}`
  writeFileSync(unfinished, `${randomBytes(keyBytes).toString('base64')}\n`, { mode: 0o600, flag: 'wx' })
  try {
    linkSync(unfinished, path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    unlinkSync(unfinished)
  }
}

function keyOf(bytes: Buffer): SealingKey {
  return { id: createHash('sha256').update('slipway key id').update(bytes).digest('hex').slice(0, 12), bytes }
}

function additionalData(place: SealedPlace): Buffer {
  return Buffer.from(JSON.stringify([place.storeId, place.type, place.id, place.field]))
}
