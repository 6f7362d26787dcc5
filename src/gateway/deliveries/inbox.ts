// The deliveries of all projects: accepted by one transaction each, worked on by whoever holds the lease, those of one ref one after
// the other.

import { createHash } from 'node:crypto'
import type { Database, IndexKey, ReadTransaction, Row, Transaction } from '../../datamanager/database.ts'
import type { Clock } from '../../lib/clock.ts'
import { compareUtf8 } from '../../lib/compare-utf8.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { newUuid } from '../../lib/uuid.ts'
import type { GatewaySchema } from '../rows.ts'
import type { Delivery, DeliveryOutcome, DeliverySource, DeliveryWork } from './delivery.ts'
import { laneOf } from './lane.ts'

export type NewDelivery = {
  readonly projectId: string
  readonly source: DeliverySource
  readonly event: string
  readonly key?: string
  readonly redeliveryOf?: string
  /** Of those in `lane.ts`. */
  readonly lane?: string | undefined
} & (
  | { readonly work: DeliveryWork }
  | { readonly outcome: DeliveryOutcome; readonly ref?: string; readonly work?: DeliveryWork }
)

export type DeliveryRow = Row<Delivery>

type Tx = Transaction<GatewaySchema>

/** Removed at once, with a new one. */
const cleanedAtOnce = 20
/** Looked through in a lane for one that can be taken. */
const lookedThrough = 100
/** Of one look for work; the next one goes on behind them. */
const lanesMost = 500
/** Until that one, when nothing of them can be taken. */
const nextLanesMs = 1000
/** With each holder; fewer than it works on at once, so that a server that hangs leaves places for the others. */
const perLane = 8
/** One that is behind another is called when that has ended; it looks by itself only so often. */
const behindMs = 15_000
/** For figures, which are asked for all the time. */
const waitingLookedAt = 1000
/** A refused one replaces the one before it at most so often, so that nobody fills the log with them. */
const refusedEveryMs = 10_000

export type InboxComponents = {
  readonly database: Database<GatewaySchema>
  readonly clock: Clock
  /** Hears of each outcome that is noted here. */
  readonly onOutcome?: (kind: DeliveryOutcome['kind']) => void
}

export class Inbox {
  readonly #onOutcome: (kind: DeliveryOutcome['kind']) => void
  readonly #database: Database<GatewaySchema>
  readonly #clock: Clock
  #wake = Promise.withResolvers<void>()
  #newestMs = 0
  /** The last lane that was looked at when there were too many for one look. */
  #start = ''

  constructor({ database, clock, onOutcome = () => {} }: InboxComponents) {
    this.#onOutcome = onOutcome
    this.#database = database
    this.#clock = clock
  }

  /** Durable when it resolves. What came before under its key is counted, and tried again if it had failed. `rate_limited`. */
  async accept(
    delivery: NewDelivery,
    { transactionId }: { readonly transactionId?: string } = {},
  ): Promise<{ readonly id: string; readonly isRepeated: boolean }> {
    const now = this.#clock.now()
    const id = this.#newId(now)
    let outcome: DeliveryOutcome | undefined
    const put = (tx: Tx) => {
      outcome = undefined // It may run again.
      const known = delivery.key === undefined ? undefined : findByKey(tx, delivery.projectId, delivery.key)
      if (known !== undefined) return { id: repeat(tx, known, now), isRepeated: true }
      const queued =
        delivery.work?.kind === 'look' && !('outcome' in delivery) ? waitingLook(tx, delivery.projectId) : undefined
      if (queued !== undefined) return { id: queued.id, isRepeated: true }
      clean(tx, delivery.projectId, now)
      add(tx, id, delivery, now)
      outcome = tx.get('delivery', id)?.outcome
      return { id, isRepeated: false }
    }
    const { result } = await this.#database.do(put, transactionId === undefined ? {} : { transactionId })
    if (outcome !== undefined) this.#onOutcome((outcome as DeliveryOutcome).kind)
    this.wake()
    return result
  }

  /** Notes that something came without a right signature. */
  async refuse(projectId: string, source: DeliverySource, event: string, message: string): Promise<void> {
    this.#onOutcome('refused')
    const now = this.#clock.now()
    const id = `refused-${projectId}`
    const isFresh = (row: Delivery | undefined) => row !== undefined && now - row.receivedAt < refusedEveryMs
    if (isFresh(this.#database.view((tx) => tx.get('delivery', id)))) return
    await this.#database.do((tx) => {
      const before = tx.get('delivery', id)
      if (isFresh(before)) return
      const outcome = { kind: 'refused', message } as const
      tx.put('delivery', id, {
        ...bare({ projectId, source, event, outcome }, now),
        repeats: before === undefined ? 0 : before.repeats + 1,
      })
    })
  }

  /** Of what `list` sees; grows with whatever the gateway writes. */
  get position(): number {
    return this.#database.position
  }

  /** The newest first. Errors: `list_invalid`. */
  list(
    projectId: string,
    { limit, cursor }: { readonly limit: number; readonly cursor?: string },
  ): { readonly items: readonly DeliveryRow[]; readonly nextCursor?: string } {
    const after = cursor === undefined ? undefined : parseCursor(cursor)
    const rows = this.#database.view((tx) =>
      tx.list('delivery', {
        index: 'byProject',
        prefix: [projectId],
        descending: true,
        limit: limit + 1,
        ...(after === undefined ? {} : { after: [projectId, ...after] }),
      }),
    )
    const items = rows.slice(0, limit)
    const last = items.at(-1)
    if (rows.length <= limit || last === undefined) return { items }
    return { items, nextCursor: Buffer.from(`${last.body.receivedAt} ${last.id}`).toString('base64url') }
  }

  /** The same again, as something new. Errors: `delivery_not_found`, `delivery_not_repeatable`. */
  async redeliver(
    projectId: string,
    id: string,
    { transactionId }: { readonly transactionId?: string } = {},
  ): Promise<DeliveryRow> {
    const now = this.#clock.now()
    const newId = this.#newId(now)
    const again = (tx: Tx) => {
      const of = tx.get('delivery', id)
      if (of === undefined || of.projectId !== projectId)
        throw new SlipwayError('delivery_not_found', `the project has no delivery ${id}`)
      if (of.work === undefined)
        throw new SlipwayError('delivery_not_repeatable', 'nothing is kept of this delivery that could be done again')
      const { source, event, work, lane } = of
      add(tx, newId, { projectId, source, event, work, redeliveryOf: id, lane }, now)
      return { id: newId, body: tx.get('delivery', newId)! }
    }
    const { result, position } = await this.#database.do(again, transactionId === undefined ? {} : { transactionId })
    this.wake()
    return { ...result, changedAt: position }
  }

  /** Gives out those that are due, each the oldest of its project and ref, for `leaseMs`; of each lane as many as it has places. */
  async claim(
    holder: string,
    { most, leaseMs }: { readonly most: number; readonly leaseMs: number },
  ): Promise<readonly DeliveryRow[]> {
    const now = this.#clock.now()
    const { dueAt, isAll, last } = this.#look(holder)
    const start = this.#start
    if (!isAll) this.#start = last
    if (dueAt > now) return []
    const { result } = await this.#database.do((tx) => {
      // The places of this look are shared by all lanes: each gets one in turn.
      let open = openLanes(tx, { holder, now, start })
      const claimed: DeliveryRow[] = []
      while (open.length > 0 && claimed.length < most) {
        const further: OpenLane[] = []
        for (const { rows, room } of open) {
          if (claimed.length === most) break
          const row = takeFrom(tx, rows, { holder, now, leaseMs })
          if (row === undefined) continue
          claimed.push(row)
          if (room > 1) further.push({ rows, room: room - 1 })
        }
        open = further
      }
      return claimed
    })
    return result
  }

  /** Longer; false when it is not this holder's any more. */
  async renew(id: string, holder: string, leaseMs: number): Promise<boolean> {
    const dueAt = this.#clock.now() + leaseMs
    return await this.#change(id, holder, (tx, body, queued) =>
      tx.put('delivery', id, { ...body, queued: { ...queued, dueAt } }),
    )
  }

  async finish(id: string, holder: string, outcome: DeliveryOutcome): Promise<void> {
    const now = this.#clock.now()
    const isNoted = await this.#change(id, holder, (tx, body) => {
      const { queued: _, ...rest } = body
      tx.put('delivery', id, { ...rest, outcome })
      const [next] = tx.list('delivery', { index: 'byQueue', prefix: [body.projectId, body.ref], limit: 1 })
      if (next?.body.queued !== undefined && next.body.queued.holder === undefined)
        tx.put('delivery', next.id, { ...next.body, queued: { ...next.body.queued, dueAt: now } })
    })
    if (isNoted) this.#onOutcome(outcome.kind)
    this.wake()
  }

  /** Somebody tries it again after `retryMs`. */
  async giveBack(
    id: string,
    holder: string,
    { error, retryMs }: { readonly error: string; readonly retryMs: number },
  ): Promise<void> {
    const dueAt = this.#clock.now() + retryMs
    await this.#change(id, holder, (tx, body, { attempts }) =>
      tx.put('delivery', id, {
        ...body,
        queued: { dueAt, attempts, lastError: error.slice(0, limits.taskErrorCharacters.value) },
      }),
    )
  }

  /** They are dealt with in this order, also those of one millisecond. */
  #newId(now: number): string {
    this.#newestMs = Math.max(now, this.#newestMs + 1)
    return newUuid(this.#newestMs)
  }

  async #change(
    id: string,
    holder: string,
    change: (tx: Tx, body: Delivery, queued: NonNullable<Delivery['queued']>) => void,
  ): Promise<boolean> {
    const { result } = await this.#database.do((tx) => {
      const body = tx.get('delivery', id)
      if (body?.queued === undefined || body.queued.holder !== holder) return false
      change(tx, body, body.queued)
      return true
    })
    return result
  }

  /** When this holder can take something next; infinity when nothing waits that it has a place for. */
  nextDueAt(holder: string): number {
    const { dueAt, isAll } = this.#look(holder)
    return isAll ? dueAt : Math.min(dueAt, this.#clock.now() + nextLanesMs)
  }

  /** Of the lanes whose turn it is. */
  #look(holder: string): { readonly dueAt: number; readonly isAll: boolean; readonly last: string } {
    return this.#database.view((tx) => {
      let next = Number.POSITIVE_INFINITY
      let [count, last] = [0, '']
      for (const { lane, dueAt } of eachLane(tx, this.#start)) {
        if (dueAt < next && roomOf(tx, holder, lane) > 0) next = dueAt
        count++
        last = lane
      }
      return { dueAt: next, isAll: count < lanesMost, last }
    })
  }

  /** How many wait, and since when the oldest of the first 1,000 does. */
  waiting(): { readonly count: number; readonly oldestAt: number | undefined } {
    return this.#database.view((tx) => {
      const rows = tx.list('delivery', { index: 'byDue', limit: waitingLookedAt })
      const count = rows.length < waitingLookedAt ? rows.length : tx.count('delivery', { index: 'byDue' })
      const oldestAt = rows.length === 0 ? undefined : Math.min(...rows.map(({ body }) => body.receivedAt))
      return { count, oldestAt }
    })
  }

  /** Something can be taken, perhaps. */
  wake(): void {
    this.#wake.resolve()
    this.#wake = Promise.withResolvers()
  }

  /** Resolves with the next `wake` of this process. */
  get woken(): Promise<void> {
    return this.#wake.promise
  }
}

/** Ends all leases, for a start of the only process that can have any: whoever had one is gone. */
export async function endDeliveryLeases(database: Database<GatewaySchema>, now: number): Promise<void> {
  const held = (tx: ReadTransaction<GatewaySchema>) =>
    tx.list('delivery', { index: 'byDue' }).filter(({ body }) => body.queued?.holder !== undefined)
  if (database.view((tx) => held(tx).length) === 0) return
  await database.do((tx) => {
    for (const { id, body } of held(tx)) {
      if (body.queued === undefined) continue
      const { holder: _, ...queued } = body.queued
      tx.put('delivery', id, { ...body, queued: { ...queued, dueAt: now } })
    }
  })
}

/** Puts a delivery; called by whoever changes something else in the same transaction. */
export function add(tx: Tx, id: string, delivery: NewDelivery, now: number): void {
  const row = bare(delivery, now)
  if ('outcome' in delivery) {
    tx.put('delivery', id, row)
    return
  }
  if (tx.count('delivery', { index: 'byQueue', prefix: [delivery.projectId] }) >= limits.deliveriesQueued.value)
    throw new SlipwayError('rate_limited', `${limits.deliveriesQueued.value} deliveries of the project wait already`)
  const outcome = seenBefore(tx, delivery)
  tx.put('delivery', id, outcome === undefined ? { ...row, queued: { dueAt: now, attempts: 0 } } : { ...row, outcome })
}

function bare(delivery: NewDelivery, now: number): Delivery {
  const { projectId, source, event, key, redeliveryOf, work, lane } = delivery
  const told = work?.kind === 'event' ? work.event : undefined
  return {
    projectId,
    source,
    receivedAt: now,
    event,
    ref: told?.ref ?? ('outcome' in delivery ? (delivery.ref ?? '') : ''),
    ...(told?.commitSha === undefined ? {} : { commitSha: told.commitSha }),
    sender: told?.sender ?? '',
    ...(key === undefined ? {} : { key }),
    repeats: 0,
    ...(redeliveryOf === undefined ? {} : { redeliveryOf }),
    ...(work === undefined ? {} : { work }),
    ...(lane === undefined ? {} : { lane }),
    ...('outcome' in delivery ? { outcome: delivery.outcome } : {}),
  }
}

type Reading = Pick<ReadTransaction<GatewaySchema>, 'list' | 'count'>

/** The first of each lane: one look-up each, however many wait in it. Those behind `start` come first, then the others. */
function* eachLane(tx: Reading, start: string): Generator<{ readonly lane: string; readonly dueAt: number }> {
  let hasTurned = start === ''
  let after = hasTurned ? undefined : pastLane(start)
  for (let found = 0; found < lanesMost; ) {
    const [row] = tx.list('delivery', { index: 'byLane', limit: 1, ...(after === undefined ? {} : { after }) })
    const lane = row && laneOf(row.body)
    if (
      row?.body.queued === undefined ||
      lane === undefined ||
      (hasTurned && start !== '' && compareUtf8(lane, start) > 0)
    ) {
      if (hasTurned) return
      hasTurned = true
      after = undefined
      continue
    }
    yield { lane, dueAt: row.body.queued.dueAt }
    found++
    after = pastLane(lane)
  }
}

const pastLane = (lane: string): IndexKey => [lane, Number.MAX_SAFE_INTEGER, '']

/** `rows`: those that were not looked at yet. */
type OpenLane = { readonly rows: Generator<DeliveryRow, undefined>; readonly room: number }

/** Those in which something is due, the longest first. */
function openLanes(
  tx: Reading,
  { holder, now, start }: { readonly holder: string; readonly now: number; readonly start: string },
): readonly OpenLane[] {
  return Array.from(eachLane(tx, start))
    .filter(({ dueAt }) => dueAt <= now)
    .sort((a, b) => a.dueAt - b.dueAt)
    .map(({ lane }) => ({ rows: rowsOf(tx, lane), room: roomOf(tx, holder, lane) }))
    .filter(({ room }) => room > 0)
}

/** Read when the first is asked for. */
function* rowsOf(tx: Reading, lane: string): Generator<DeliveryRow, undefined> {
  yield* tx.list('delivery', { index: 'byLane', prefix: [lane], limit: lookedThrough })
  return undefined
}

function roomOf(tx: Reading, holder: string, lane: string): number {
  return perLane - tx.count('delivery', { index: 'byHolder', prefix: [holder, lane] })
}

function takeFrom(
  tx: Tx,
  rows: Generator<DeliveryRow, undefined>,
  { holder, now, leaseMs }: { readonly holder: string; readonly now: number; readonly leaseMs: number },
): DeliveryRow | undefined {
  for (let { value: row } = rows.next(); row !== undefined; { value: row } = rows.next()) {
    const { queued, projectId, ref } = row.body
    if (queued === undefined || queued.dueAt > now) return undefined
    const [head] = tx.list('delivery', { index: 'byQueue', prefix: [projectId, ref], limit: 1 })
    if (head !== undefined && head.id !== row.id) {
      // It waits as long as the one before it, which calls it when it has ended.
      const dueAt = Math.max(head.body.queued?.dueAt ?? 0, now + behindMs)
      tx.put('delivery', row.id, { ...row.body, queued: { ...queued, dueAt } })
      continue
    }
    const body = { ...row.body, queued: { ...queued, dueAt: now + leaseMs, attempts: queued.attempts + 1, holder } }
    tx.put('delivery', row.id, body)
    return { ...row, body }
  }
  return undefined
}

/** A webhook and a look at the repository tell the same push: whichever comes second starts nothing. What a look only remembered is news. */
function seenBefore(tx: Tx, { projectId, source, work, redeliveryOf }: NewDelivery): DeliveryOutcome | undefined {
  if (work?.kind !== 'event' || work.event.kind === 'pull_request' || redeliveryOf !== undefined) return undefined
  const { ref, commitSha } = work.event
  if (source === 'poll' || source === 'hook' || tx.get('lookedat', projectId) === undefined) return undefined
  const id = seenRefId(projectId, ref)
  const seen = tx.get('seenref', id)
  if (seen?.by === 'look' && (commitSha === undefined || commitSha === seen.commitSha))
    return { kind: 'ignored', message: 'a look at the repository has found this before' }
  if (commitSha !== undefined) tx.put('seenref', id, { projectId, ref, commitSha, by: 'webhook' })
  return undefined
}

export function seenRefId(projectId: string, ref: string): string {
  return `${projectId}/${createHash('sha256').update(ref).digest('hex')}`
}

function findByKey(tx: ReadTransaction<GatewaySchema>, projectId: string, key: string): DeliveryRow | undefined {
  return tx.list('delivery', { index: 'byKey', prefix: [projectId, key], limit: 1 })[0]
}

/** One that nobody has begun: it will see what this one is about. */
function waitingLook(tx: Tx, projectId: string): DeliveryRow | undefined {
  return tx
    .list('delivery', { index: 'byQueue', prefix: [projectId, ''], limit: 2 })
    .find(({ body }) => body.work?.kind === 'look' && body.queued?.attempts === 0)
}

function repeat(tx: Tx, { id, body }: DeliveryRow, now: number): string {
  const repeats = body.repeats + 1
  const { outcome, ...rest } = body
  const isAgain = outcome?.kind === 'failed' && body.work !== undefined
  tx.put('delivery', id, isAgain ? { ...rest, repeats, queued: { dueAt: now, attempts: 0 } } : { ...body, repeats })
  return id
}

/** What is older than it is kept, anywhere; and the oldest of this project when it has too many. */
function clean(tx: Tx, projectId: string, now: number): void {
  for (const { id, body } of tx.list('delivery', { index: 'byAge', limit: cleanedAtOnce }))
    if (body.receivedAt < now - limits.deliveryRetentionMs.value) tx.delete('delivery', id)
  const most = limits.deliveriesPerProject.value
  if (tx.count('delivery', { index: 'byProject', prefix: [projectId] }) < most) return
  for (const { id, body } of tx.list('delivery', { index: 'byProject', prefix: [projectId], limit: cleanedAtOnce }))
    if (body.outcome !== undefined) tx.delete('delivery', id)
}

function parseCursor(cursor: string): readonly [number, string] {
  const [, time, id] = /^(\d{1,16}) ([\w-]{1,100})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  if (id === undefined) throw new SlipwayError('list_invalid', 'the cursor is none that this list gave')
  return [Number(time), id]
}
