// The one failure after which a transaction may still be committed.

import { SlipwayError } from '../lib/errors.ts'

export class OutcomeUnknownError extends SlipwayError {
  /** Under this id `Database.outcome` tells, for a day, whether it was committed; absent when it had none. */
  readonly transactionId: string | undefined

  constructor(transactionId: string | undefined, cause: unknown) {
    const ask = transactionId === undefined ? 'read what it would have written' : `ask for transaction ${transactionId}`
    super('outcome_unknown', `commit a transaction: it may have been committed or not; ${ask}`, { cause })
    this.transactionId = transactionId
  }
}
