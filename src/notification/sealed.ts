// Secrets of receivers: sealed for the receiver and field they belong to, in clear only in what these functions are given and give.

import { createHmac, randomBytes } from 'node:crypto'
import type { Database } from '../datamanager/database.ts'
import { isSlipwayError } from '../lib/errors.ts'
import { type SealedPlace, type SealingKey, seal, unseal } from '../lib/sealing.ts'
import {
  type NotificationSchema,
  type Reading,
  type ReceiverSecretField,
  type ReceiverSecretRow,
  receiverSecretFields,
  receiverSecretId,
  type Tx,
} from './row-types.ts'

export type Sealing = {
  /** Names this store in the additional data. */
  readonly storeId: string
  /** Of the installation: the first seals, all open. */
  readonly keys: readonly [SealingKey, ...SealingKey[]]
}

/** `until`: it is not used later than that. */
export function putSecret(
  tx: Tx,
  sealing: Sealing,
  place: { readonly receiverId: string; readonly field: ReceiverSecretField; readonly until?: number },
  value: string,
): void {
  const sealed = seal(sealing.keys[0], placeOf(sealing, place), value)
  tx.put('receiversecret', receiverSecretId(place.receiverId, place.field), { ...place, sealed })
}

/** The value in clear; undefined when there is none, or its time is over. Errors: `key_wrong`. */
export function findSecret(
  tx: Reading,
  sealing: Sealing,
  place: { readonly receiverId: string; readonly field: ReceiverSecretField; readonly now: number },
): string | undefined {
  const row = tx.get('receiversecret', receiverSecretId(place.receiverId, place.field))
  if (row === undefined || (row.until !== undefined && row.until < place.now)) return undefined
  return unseal(sealing.keys, placeOf(sealing, row), row.sealed)
}

export function deleteSecrets(tx: Tx, receiverId: string): void {
  for (const field of receiverSecretFields) tx.delete('receiversecret', receiverSecretId(receiverId, field))
}

/** Seals anew what is under an older key of the installation. Errors: `key_wrong` when a value is under none of them. */
export async function resealOlder(database: Database<NotificationSchema>, sealing: Sealing): Promise<void> {
  const isOlder = ({ sealed }: ReceiverSecretRow) => sealed.split('.')[1] !== sealing.keys[0].id
  const older = () => database.view((tx) => tx.list('receiversecret').filter(({ body }) => isOlder(body)))
  if (older().length === 0) return
  try {
    await database.do((tx) => {
      for (const { id, body } of tx.list('receiversecret')) {
        if (!isOlder(body)) continue
        const place = placeOf(sealing, body)
        tx.put('receiversecret', id, {
          ...body,
          sealed: seal(sealing.keys[0], place, unseal(sealing.keys, place, body.sealed)),
        })
      }
    })
  } catch (error) {
    // Nothing is written in maintenance; the next start does it.
    if (!isSlipwayError(error, 'maintenance')) throw error
  }
}

/**
 * What webhooks are signed with. For a request that may come again it is made of its transaction id, so that the second answer
 * tells the same without its having been stored.
 */
export function newSecret({ keys }: Sealing, transactionId: string | undefined): string {
  if (transactionId === undefined) return randomBytes(32).toString('base64url')
  return createHmac('sha256', keys[0].bytes)
    .update('slipway secret of a receiver\0')
    .update(transactionId)
    .digest('base64url')
}

/** Exports with secrets know it as well (server/sealed-export.ts). */
function placeOf(
  { storeId }: Sealing,
  { receiverId, field }: { readonly receiverId: string; readonly field: ReceiverSecretField },
): SealedPlace {
  return { storeId, type: 'receiver', id: receiverId, field }
}
