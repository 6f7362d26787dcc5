// Tokens of executors: each belongs to one executor, is shown once and stored only as its hash.

import { createHash, createHmac, randomBytes } from 'node:crypto'
import type { ReadTransaction } from '../../datamanager/database.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { SealingKey } from '../../lib/sealing.ts'
import type { RunserviceSchema } from '../row-types.ts'
import type { Tx } from '../stimulus.ts'
import type { ExecutorTokenRow } from '../types.ts'
import type { ExecutorTokenView } from './executor-admin.ts'

/** Tells what it is wherever it turns up. 256 random bits: hashing it once is enough. */
const tokenPrefix = 'slipway-executor-'

export function newTokenText(): string {
  return `${tokenPrefix}${randomBytes(32).toString('base64url')}`
}

/** What only who has the key can make of the transaction: who repeats it gets the same without its having been stored. */
export function derivedTokenText({ bytes }: SealingKey, transactionId: string): string {
  const mac = createHmac('sha256', bytes).update('slipway executor token\0').update(transactionId)
  return `${tokenPrefix}${mac.digest('base64url')}`
}

export function hashOfToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/** Inserts a token. Errors: `executor_token_invalid`, `executor_token_exists` for a name that is taken. */
export function insertToken(tx: Tx, row: ExecutorTokenRow): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(row.name))
    throw new SlipwayError(
      'executor_token_invalid',
      `a token's name has 1 to 63 letters, digits, ".", "_" and "-", and begins with a letter or digit`,
    )
  checkLabels(row.labels ?? {})
  if (tx.count('executortoken', { index: 'byName', prefix: [row.name] }) > 0)
    throw new SlipwayError('executor_token_exists', `there is a token ${row.name} already`)
  if (tx.count('executortoken') >= limits.executorTokens.value)
    throw new SlipwayError('limit_exceeded', `there are ${limits.executorTokens.value} tokens of executors already`)
  tx.put('executortoken', row.id, row)
}

/** The token with that text, compared by its hash. */
export function findToken(tx: ReadTransaction<RunserviceSchema>, token: string): ExecutorTokenRow | undefined {
  return tx.list('executortoken', { index: 'byHash', prefix: [hashOfToken(token)], limit: 1 })[0]?.body
}

export function tokensOf(tx: ReadTransaction<RunserviceSchema>, executorId: string): readonly ExecutorTokenRow[] {
  return tx.list('executortoken', { index: 'byExecutor', prefix: [executorId] }).map(({ body }) => body)
}

export function viewOfToken({ hash: _, ...row }: ExecutorTokenRow): ExecutorTokenView {
  return row
}

/** Labels of an executor, wherever they come from. Errors: `executor_labels_invalid`. */
export function checkLabels(labels: Readonly<Record<string, string>>): void {
  const entries = Object.entries(labels)
  if (entries.length > limits.executorLabels.value)
    throw new SlipwayError('executor_labels_invalid', `an executor has at most ${limits.executorLabels.value} labels`)
  for (const [name, value] of entries)
    if (!/^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/.test(name) || typeof value !== 'string' || value.length > 255)
      throw new SlipwayError(
        'executor_labels_invalid',
        `label ${JSON.stringify(name)}: a name has 1 to 63 letters, digits, ".", "_", "/" and "-", a value at most 255 characters`,
      )
}
