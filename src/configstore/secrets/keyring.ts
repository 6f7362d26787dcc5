// The keys of this store. Every value is sealed under a data key; data keys are rows, sealed under the key of the installation,
// which is not in the store. So the key of the installation is changed by sealing a few rows anew, and a store with a foreign
// key is noticed before anything is read or written.

import { createHmac } from 'node:crypto'
import type { Database } from '../../datamanager/database.ts'
import { invariant, isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { newSealingKey, type SealedPlace, type SealingKey, seal, unseal } from '../../lib/sealing.ts'
import { newUuid } from '../../lib/uuid.ts'
import type { KeyStatus } from '../api.ts'
import {
  type ConfigstoreSchema,
  type DataKeyRow,
  type KeyringRow,
  type Reading,
  type SealedType,
  sealedRowId,
  type Tx,
} from '../row-types.ts'

/** The first seals, all open. */
export type InstallationKeys = readonly [SealingKey, ...SealingKey[]]

const keyringId = 'keyring'
const checkText = 'slipway'

export class Keyring {
  readonly #storeId: string
  readonly #installationKeys: InstallationKeys
  /** Opened data keys; they never change. */
  readonly #dataKeys = new Map<string, SealingKey>()

  /**
   * Makes the keyring of a new store. Of one that has data keys under an older key of the installation, these are sealed under
   * the first. Errors: `key_wrong` when a data key is under none of the keys.
   */
  static async open(
    database: Database<ConfigstoreSchema>,
    installationKeys: InstallationKeys,
    now: number,
  ): Promise<Keyring> {
    const storeId = newUuid(now)
    const key = newSealingKey()
    const { result } = await database.do((tx) => {
      const existing = tx.get('keyring', keyringId)
      if (existing !== undefined) return existing.storeId
      tx.put('datakey', key.id, wrap(storeId, installationKeys, key, now))
      tx.put('keyring', keyringId, keyringOf(storeId, key))
      return storeId
    })
    const keyring = new Keyring(result, installationKeys)
    database.view((tx) => keyring.#check(tx))
    await keyring.#rewrap(database)
    return keyring
  }

  private constructor(storeId: string, installationKeys: InstallationKeys) {
    this.#storeId = storeId
    this.#installationKeys = installationKeys
  }

  /** Stores a well-formed value, in the place of the one before. `limit_exceeded` when it is too large. */
  put(tx: Tx, type: SealedType, ownerId: string, field: string, value: string): void {
    const bytes = Buffer.byteLength(value)
    if (bytes > limits.secretBytes.value) {
      throw new SlipwayError('limit_exceeded', `${field} has ${bytes} bytes, more than ${limits.secretBytes.value}`)
    }
    const key = this.#dataKey(tx, getKeyring(tx).activeKeyId)
    const text = seal(key, this.#placeOf(type, ownerId, field), value)
    tx.put('sealed', sealedRowId(ownerId, field), { type, ownerId, field, keyId: key.id, text })
  }

  /** The value in clear. Errors: `key_wrong`. */
  find(tx: Reading, type: SealedType, ownerId: string, field: string): string | undefined {
    const row = tx.get('sealed', sealedRowId(ownerId, field))
    if (row === undefined || row.type !== type) return undefined
    return unseal([this.#dataKey(tx, row.keyId)], this.#placeOf(type, ownerId, field), row.text)
  }

  delete(tx: Tx, ownerId: string, field: string): void {
    tx.delete('sealed', sealedRowId(ownerId, field))
  }

  /** Removes all values of what has this id. */
  deleteAll(tx: Tx, ownerId: string): void {
    for (const { id } of tx.list('sealed', { index: 'byOwner', prefix: [ownerId] })) tx.delete('sealed', id)
  }

  /**
   * A text that only this store can make of `message`, the newest key first: who repeats a request gets the same without its
   * having been stored.
   */
  derivations(tx: Reading, message: string): readonly string[] {
    const { activeKeyId } = getKeyring(tx)
    const ids = [activeKeyId, ...tx.list('datakey').flatMap(({ id }) => (id === activeKeyId ? [] : [id]))]
    const derive = ({ bytes }: SealingKey) =>
      createHmac('sha256', bytes).update('slipway derivation\0').update(message).digest('hex')
    return ids.map((id) => derive(this.#dataKey(tx, id)))
  }

  /** Adds `key` and seals with it from now on. `limit_exceeded` when there are too many. */
  rotate(tx: Tx, key: SealingKey, now: number): { readonly keyId: string } {
    const max = limits.dataKeys.value
    if (tx.count('datakey') >= max)
      throw new SlipwayError(
        'limit_exceeded',
        `there are ${max} data keys: reseal the values and retire older ones first`,
      )
    tx.put('datakey', key.id, wrap(this.#storeId, this.#installationKeys, key, now))
    tx.put('keyring', keyringId, keyringOf(this.#storeId, key))
    return { keyId: key.id }
  }

  /** Seals values under older keys anew, at most `limit` and about a megabyte. */
  reseal(tx: Tx, limit: number): { readonly resealed: number; readonly remaining: number } {
    const { activeKeyId } = getKeyring(tx)
    const older = tx.list('datakey').filter(({ id }) => id !== activeKeyId)
    let resealed = 0
    let bytes = 0
    for (const { id: keyId } of older) {
      for (const { body } of tx.list('sealed', { index: 'byKey', prefix: [keyId], limit: limit - resealed })) {
        if (bytes > limits.batchBytes.value) break
        const { type, ownerId, field, text } = body
        const value = unseal([this.#dataKey(tx, keyId)], this.#placeOf(type, ownerId, field), text)
        this.put(tx, type, ownerId, field, value)
        resealed++
        bytes += text.length
      }
      if (resealed >= limit) break
    }
    return { resealed, remaining: older.reduce((sum, { id }) => sum + valuesUnder(tx, id), 0) }
  }

  /** Errors: `sealing_key_not_found`, `sealing_key_in_use`. */
  retire(tx: Tx, keyId: string): void {
    if (tx.get('datakey', keyId) === undefined)
      throw new SlipwayError('sealing_key_not_found', `there is no data key ${keyId}`)
    if (getKeyring(tx).activeKeyId === keyId)
      throw new SlipwayError('sealing_key_in_use', `data key ${keyId} seals what is written now: rotate it first`)
    const values = valuesUnder(tx, keyId)
    if (values > 0)
      throw new SlipwayError(
        'sealing_key_in_use',
        `${values} values are sealed under data key ${keyId}: reseal them first`,
      )
    tx.delete('datakey', keyId)
  }

  status(tx: Reading): KeyStatus {
    const { activeKeyId } = getKeyring(tx)
    return {
      installationKeyId: this.#installationKeys[0].id,
      keys: tx.list('datakey').map(({ body: { id, createdAt, installationKeyId } }) => ({
        id,
        createdAt,
        isActive: id === activeKeyId,
        installationKeyId,
        values: valuesUnder(tx, id),
      })),
    }
  }

  #check(tx: Reading): void {
    const keyring = getKeyring(tx)
    for (const { id } of tx.list('datakey')) this.#dataKey(tx, id)
    const text = unseal([this.#dataKey(tx, keyring.activeKeyId)], checkPlace(this.#storeId), keyring.check)
    if (text !== checkText) throw new SlipwayError('key_wrong', 'the check value of the store is not what it should be')
  }

  async #rewrap(database: Database<ConfigstoreSchema>): Promise<void> {
    const [{ id: newest }] = this.#installationKeys
    const isOlder = (row: DataKeyRow) => row.installationKeyId !== newest
    if (!database.view((tx) => tx.list('datakey').some(({ body }) => isOlder(body)))) return
    try {
      await database.do((tx) => {
        for (const { id, body } of tx.list('datakey'))
          if (isOlder(body))
            tx.put('datakey', id, wrap(this.#storeId, this.#installationKeys, this.#dataKey(tx, id), body.createdAt))
      })
    } catch (error) {
      // Nothing is written in maintenance; the next start does it.
      if (!isSlipwayError(error, 'maintenance')) throw error
    }
  }

  #dataKey(tx: Reading, id: string): SealingKey {
    const known = this.#dataKeys.get(id)
    if (known !== undefined) return known
    const row = tx.get('datakey', id)
    if (row === undefined) throw new SlipwayError('key_wrong', `data key ${id} is not in the store any more`)
    const key = { id, bytes: Buffer.from(this.#unwrap(row), 'base64') }
    this.#dataKeys.set(id, key)
    return key
  }

  #unwrap(row: DataKeyRow): string {
    try {
      return unseal(this.#installationKeys, wrapPlace(this.#storeId, row.id), row.wrapped)
    } catch (cause) {
      throw new SlipwayError(
        'key_wrong',
        `the store's data keys are sealed under installation key ${row.installationKeyId}, and the configured one is ${this.#installationKeys[0].id}: this key and this store do not belong together`,
        { cause },
      )
    }
  }

  #placeOf(type: SealedType, id: string, field: string): SealedPlace {
    return { storeId: this.#storeId, type, id, field }
  }
}

function getKeyring(tx: Reading): KeyringRow {
  const keyring = tx.get('keyring', keyringId)
  invariant(keyring !== undefined, 'the store has no keyring')
  return keyring
}

function keyringOf(storeId: string, key: SealingKey): KeyringRow {
  return { storeId, activeKeyId: key.id, check: seal(key, checkPlace(storeId), checkText) }
}

function wrap(storeId: string, [newest]: InstallationKeys, key: SealingKey, createdAt: number): DataKeyRow {
  const wrapped = seal(newest, wrapPlace(storeId, key.id), key.bytes.toString('base64'))
  return { id: key.id, createdAt, installationKeyId: newest.id, wrapped }
}

const wrapPlace = (storeId: string, id: string): SealedPlace => ({ storeId, type: 'datakey', id, field: 'key' })
const checkPlace = (storeId: string): SealedPlace => ({ storeId, type: 'keyring', id: keyringId, field: 'check' })
const valuesUnder = (tx: Reading, keyId: string) => tx.count('sealed', { index: 'byKey', prefix: [keyId] })
