// Sealed values in exports (`--with-secrets`): out of the key of the installation, under a passphrase, and on import under the
// key of the installation that takes them. Which rows of which service hold them is said here.
//
// The export's key is scrypt of the passphrase; the salt is made of the snapshot's name, and nonces of what they are used
// for, so that an export that broke off goes on with the same bytes. Names of snapshots and rows never come twice with
// different content, so no nonce does.

import { createCipheriv, createDecipheriv, createHash, createHmac, scryptSync, timingSafeEqual } from 'node:crypto'
import type { Schema } from '../datamanager/database.ts'
import type { ExportHeader } from '../datamanager/export/export-format.ts'
import type { OpenSecretsExport, SealedRow, SecretsImport } from '../datamanager/export/export-secrets.ts'
import type { DatabaseService, ServiceDatabase } from '../datamanager/installation-databases.ts'
import { SlipwayError } from '../lib/errors.ts'
import type { Json, JsonObject } from '../lib/json.ts'
import { type SealedPlace, type SealingKey, seal, unseal } from '../lib/sealing.ts'

/** About half a second and 128 MiB: a passphrase is guessed slowly. */
const cost = { N: 2 ** 17, r: 8, p: 1 }
/** What a header may ask for, so that a file cannot take all memory. */
const costMax = 2 ** 20
const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16

/** The first seals, all open. */
export type InstallationKeys = readonly [SealingKey, ...SealingKey[]]

/** A value that a row holds sealed: where it stands, what it is bound to, and the row with another one in its place. */
type SealedValue = {
  readonly sealed: string
  readonly place: SealedPlace
  readonly replaced: (sealed: string, key: SealingKey) => Json
}
type SealedTypes = Readonly<Record<string, (row: SealedRow, storeId: string) => SealedValue>>

const runserviceTypes: SealedTypes = {
  ordersecret: ({ body }, storeId) => {
    const secret = body as { readonly orderId: string; readonly ref: string; readonly sealed: string }
    return {
      sealed: secret.sealed,
      place: { storeId, type: 'ordersecret', id: secret.orderId, field: secret.ref },
      replaced: (sealed) => ({ ...secret, sealed }),
    }
  },
  runsecret: ({ body }, storeId) => {
    const secret = body as { readonly runConfigId: string; readonly name: string; readonly sealed: string }
    return {
      sealed: secret.sealed,
      place: { storeId, type: 'runconfig', id: secret.runConfigId, field: secret.name },
      replaced: (sealed) => ({ ...secret, sealed }),
    }
  },
}

/** Values are sealed under data keys, which are rows: with those the export has everything. */
const configstoreTypes: SealedTypes = {
  datakey: ({ body }, storeId) => {
    const key = body as { readonly id: string; readonly wrapped: string }
    return {
      sealed: key.wrapped,
      place: { storeId, type: 'datakey', id: key.id, field: 'key' },
      replaced: (wrapped, { id }) => ({ ...key, wrapped, installationKeyId: id }),
    }
  },
}

const notificationTypes: SealedTypes = {
  receiversecret: ({ body }, storeId) => {
    const secret = body as { readonly receiverId: string; readonly field: string; readonly sealed: string }
    return {
      sealed: secret.sealed,
      place: { storeId, type: 'receiver', id: secret.receiverId, field: secret.field },
      replaced: (sealed) => ({ ...secret, sealed }),
    }
  },
}

const typesOf: Readonly<Record<DatabaseService, SealedTypes>> = {
  configstore: configstoreTypes,
  runservice: runserviceTypes,
  notification: notificationTypes,
  gateway: {},
}

/**
 * Adds what is sealed in the database of `service` under `passphrase`. `storeId`: what its values are bound to. Errors of the
 * export: `key_wrong` when a value is under none of `keys`.
 */
export function secretsExport(
  service: DatabaseService,
  { keys, storeId, passphrase }: { keys: InstallationKeys; storeId: string; passphrase: string },
): OpenSecretsExport {
  const sealedTypes = typesOf[service]
  return ({ generation, position }) => {
    const salt = createHash('sha256').update(`slipway export\0${generation}\0${position}`).digest('hex').slice(0, 32)
    const key = keyOf(passphrase, salt, cost)
    return {
      header: { kdf: 'scrypt', ...cost, salt, storeId, check: wrap(key, 'check', 'slipway') },
      types: new Set(Object.keys(sealedTypes)),
      wrap: (row) => {
        const value = sealedTypes[row.type]?.(row, storeId)
        return value && { value: wrap(key, contextOf(row), unseal(keys, value.place, value.sealed)) }
      },
    }
  }
}

/**
 * Seals the secrets of an export under `key`, bound to what they were bound to. Undefined for an export that has none.
 * Errors: `key_wrong` for another passphrase, `import_invalid`; with a passphrase `usage` when the export has none.
 */
export function secretsImport(
  service: DatabaseService,
  header: ExportHeader,
  { key: target, passphrase }: { readonly key: SealingKey; readonly passphrase: string | undefined },
): SecretsImport | undefined {
  if (passphrase === undefined) return undefined
  if (!header.secrets) throw new SlipwayError('usage', 'import: a passphrase was given, but the export has no secrets')
  const { salt, check, storeId, cost: asked } = parseHeader(header.secrets)
  const key = keyOf(passphrase, salt, asked)
  if (unwrap(key, 'check', check) !== 'slipway')
    throw new SlipwayError('key_wrong', 'import: the passphrase is not the one the secrets were exported with')
  const sealedTypes = typesOf[service]
  return {
    unwrap: (row, wrapped) => {
      const value = sealedTypes[row.type]?.(row, storeId)
      if (!value || typeof wrapped.value !== 'string') return row.body
      const plain = unwrap(key, contextOf(row), wrapped.value)
      if (plain === undefined)
        throw new SlipwayError('import_invalid', `import: the secret of ${row.type} ${row.id} is damaged`)
      return value.replaced(seal(target, value.place, plain), target)
    },
  }
}

function parseHeader(header: JsonObject) {
  const { kdf, N, r, p, salt, check, storeId } = header
  const isCost = [N, r, p].every((part) => typeof part === 'number' && Number.isSafeInteger(part) && part > 0)
  const isKnown = kdf === 'scrypt' && isCost && Number(N) * Number(r) * Number(p) <= costMax * cost.r
  if (!isKnown || typeof salt !== 'string' || typeof check !== 'string' || typeof storeId !== 'string')
    throw new SlipwayError('import_invalid', 'import: how the secrets of the export are sealed is not known here')
  return { salt, check, storeId, cost: { N: Number(N), r: Number(r), p: Number(p) } }
}

function keyOf(passphrase: string, salt: string, { N, r, p }: typeof cost): Buffer {
  return scryptSync(passphrase, Buffer.from(salt, 'hex'), keyBytes, { N, r, p, maxmem: 256 * N * r })
}

const contextOf = ({ type, id }: SealedRow) => JSON.stringify([type, id])

function wrap(key: Buffer, context: string, value: string): string {
  const nonce = nonceOf(key, context, value)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context))
  return Buffer.concat([nonce, cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64url')
}

/** Undefined when it was not wrapped so. */
function unwrap(key: Buffer, context: string, text: string): string | undefined {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.length < nonceBytes + tagBytes) return undefined
  const nonce = bytes.subarray(0, nonceBytes)
  const decipher = createDecipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context))
  decipher.setAuthTag(bytes.subarray(-tagBytes))
  try {
    const parts = [decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()]
    const value = Buffer.concat(parts).toString('utf8')
    return timingSafeEqual(nonceOf(key, context, value), nonce) ? value : undefined
  } catch {
    return undefined // another key, or changed: what is said of it is the caller's
  }
}

/** As deterministic encryption does it: only the same value in the same place gives the same text. */
function nonceOf(key: Buffer, context: string, value: string): Buffer {
  return createHmac('sha256', key).update(`${context}\0${value}`).digest().subarray(0, nonceBytes)
}

/** What the sealed values of a database are bound to. */
export function sealedStoreId(service: string, db: ServiceDatabase<Schema>): string {
  if (service !== 'configstore') return db.identity.store
  const keyring = db.view((tx) => tx.get('keyring', 'keyring')) as { readonly storeId?: string } | undefined
  return keyring?.storeId ?? db.identity.store
}
