// The secrets of a run config: a row each, sealed for the place it stands in. Values are in clear only in what these
// functions are given and give.

import { createHash } from 'node:crypto'
import type { ReadTransaction, Transaction } from '../datamanager/database.ts'
import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { type SealedPlace, type SealingKey, seal, unseal } from '../lib/sealing.ts'
import type { RunserviceSchema } from './row-types.ts'

export type Sealing = {
  /** Names this store in the additional data. */
  readonly storeId: string
  /** The first seals; all open. */
  readonly keys: readonly [SealingKey, ...SealingKey[]]
}

export type PlainSecrets = Readonly<Record<string, string>>

/** Throws `limit_exceeded` for a value that is too large, and says which. */
export function putSecrets(
  tx: Transaction<RunserviceSchema>,
  runConfigId: string,
  secrets: PlainSecrets,
  sealing: Sealing,
): void {
  for (const [name, value] of Object.entries(secrets)) {
    const bytes = Buffer.byteLength(value)
    if (bytes > limits.secretBytes.value) {
      throw new SlipwayError(
        'limit_exceeded',
        `secret ${name} has ${bytes} bytes, more than ${limits.secretBytes.value}`,
      )
    }
    const sealed = seal(sealing.keys[0], placeOf(sealing, runConfigId, name), value)
    tx.put('runsecret', rowId(runConfigId, name), { runConfigId, name, sealed })
  }
}

/** The value in clear, or undefined when the run config has no such secret. Errors: `key_wrong`. */
export function findSecret(
  tx: ReadTransaction<RunserviceSchema>,
  runConfigId: string,
  name: string,
  sealing: Sealing,
): string | undefined {
  const row = tx.get('runsecret', rowId(runConfigId, name))
  return row === undefined ? undefined : unseal(sealing.keys, placeOf(sealing, runConfigId, name), row.sealed)
}

/** Whether it was sealed with the run. */
export function hasSecret(tx: ReadTransaction<RunserviceSchema>, runConfigId: string, name: string): boolean {
  return tx.get('runsecret', rowId(runConfigId, name)) !== undefined
}

/** All values in clear, by name. Errors: `key_wrong`. */
export function openSecrets(
  tx: ReadTransaction<RunserviceSchema>,
  runConfigId: string,
  sealing: Sealing,
): PlainSecrets {
  const rows = tx.list('runsecret', { index: 'byConfig', prefix: [runConfigId] })
  return Object.fromEntries(
    rows.map(({ body: { name, sealed } }) => [name, unseal(sealing.keys, placeOf(sealing, runConfigId, name), sealed)]),
  )
}

function placeOf({ storeId }: Sealing, runConfigId: string, name: string): SealedPlace {
  return { storeId, type: 'runconfig', id: runConfigId, field: name }
}

/** Names are free text of any length. */
function rowId(runConfigId: string, name: string): string {
  return `${runConfigId}/${createHash('sha256').update(name).digest('hex')}`
}
