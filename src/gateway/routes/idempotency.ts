// `Idempotency-Key`: the same request sent again acts once. The gateway remembers what was asked under a key and refuses the key
// for anything else; that it acts once is the doing of the service, which gets one transaction id for all repetitions.

import { createHash } from 'node:crypto'
import type { Database } from '../../datamanager/database.ts'
import type { Clock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { type Caller, describeCaller } from '../auth/caller.ts'
import type { GatewaySchema } from '../rows.ts'

export type KeyedRequest = {
  readonly key: string
  readonly caller: Caller
  readonly operation: string
  /** All that was asked. */
  readonly input: unknown
}

/** Expired rows removed at once. */
const cleanedAtOnce = 20

/** The transaction id of the request. Errors: `request_invalid`, `idempotency_key_reused`. */
export async function transactionIdOf(
  request: KeyedRequest,
  { database, clock }: { readonly database: Database<GatewaySchema>; readonly clock: Clock },
): Promise<string> {
  const { key, caller, operation, input } = request
  if (key === '' || Buffer.byteLength(key) > limits.idempotencyKeyBytes.value || !/^[\x21-\x7e]+$/.test(key))
    throw new SlipwayError(
      'request_invalid',
      `Idempotency-Key: 1 to ${limits.idempotencyKeyBytes.value} visible ASCII characters are expected`,
    )
  const id = hash([describeCaller(caller), operation, key])
  const fingerprint = hash([canonical(input)])
  const now = clock.now()
  const known = database.view((tx) => tx.get('request', id))
  if (known === undefined || known.expiresAt <= now) {
    await database.do((tx) => {
      const row = tx.get('request', id)
      if (row !== undefined && row.expiresAt > now) return checkSame(row.fingerprint, fingerprint)
      for (const expired of tx.list('request', { index: 'byExpiry', limit: cleanedAtOnce }))
        if (expired.body.expiresAt <= now) tx.delete('request', expired.id)
      tx.put('request', id, { fingerprint, expiresAt: now + limits.idempotencyKeyMs.value })
    })
  } else checkSame(known.fingerprint, fingerprint)
  return id
}

function checkSame(known: string, fingerprint: string): void {
  if (known !== fingerprint)
    throw new SlipwayError(
      'idempotency_key_reused',
      'the Idempotency-Key came before with another request: take a new one',
    )
}

function hash(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

/** JSON with the members of objects in one order. */
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, member: unknown) =>
      typeof member === 'object' && member !== null && !Array.isArray(member)
        ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
        : member,
    ) ?? 'undefined'
  )
}
