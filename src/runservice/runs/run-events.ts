// Run events for those who must not miss any: notifications, cascades. A consumer registers once; how far it has come is
// written here after what it made of the events is durable where it lives, so an event may be read twice, never be missed.
// Events go when they are old and everybody registered has passed them.

import type { Database, ReadTransaction, Transaction } from '../../datamanager/database.ts'
import { SlipwayError } from '../../lib/errors.ts'
import type { RunserviceSchema } from '../row-types.ts'
import type { EventConsumer, RunEvent } from '../types.ts'

const pageSize = 100

export function eventRowId(sequence: number): string {
  return String(sequence).padStart(16, '0')
}

/** Events after a sequence, in order. At most `limit`. */
export function listEvents(
  tx: Pick<ReadTransaction<RunserviceSchema>, 'list'>,
  after: number,
  limit: number,
): readonly RunEvent[] {
  return tx.list('runevent', { after: [eventRowId(after)], limit }).map(({ body }) => body)
}

/** Registers a consumer, who begins after the newest event, or finds it. Returns the sequence it has passed. */
export function registerConsumer(tx: Transaction<RunserviceSchema>, name: string, now: number): number {
  const known = tx.get('eventconsumer', name)
  if (known !== undefined) return known.passed
  const passed = tx.get('sequence', 'runevent')?.value ?? 0
  tx.put('eventconsumer', name, { name, passed, registeredAt: now })
  return passed
}

/** A lower sequence than before changes nothing. Errors: `event_consumer_not_found`. */
export function passEvents(tx: Transaction<RunserviceSchema>, name: string, sequence: number): void {
  const consumer = tx.get('eventconsumer', name)
  if (consumer === undefined)
    throw new SlipwayError('event_consumer_not_found', `nobody is registered as consumer ${name} of run events`)
  if (sequence > consumer.passed)
    tx.put('eventconsumer', name, { ...consumer, passed: sequence } satisfies EventConsumer)
}

/** Deletes events from before `before` that every consumer has passed, a page in a transaction. */
export async function cleanEvents(
  database: Database<RunserviceSchema>,
  before: number,
  signal?: AbortSignal,
): Promise<void> {
  for (let isMore = true; isMore; ) {
    signal?.throwIfAborted()
    const { result } = await database.do((tx) => {
      const passed = Math.min(...tx.list('eventconsumer').map(({ body }) => body.passed))
      const oldest = tx.list('runevent', { limit: pageSize })
      // Their times do not fall, but for a clock that was set back: nothing behind one that stays goes.
      const kept = oldest.findIndex(({ body }) => body.at >= before || body.sequence > passed)
      const gone = kept === -1 ? oldest : oldest.slice(0, kept)
      for (const { id } of gone) tx.delete('runevent', id)
      return gone.length
    })
    isMore = result === pageSize
  }
}
