// What is to be told, from the transaction that decided so until it was sent or given up: taken by whoever has room for its lane,
// tried again later and later, listed, sent again on request, and forgotten when it is old.

import type { Database, IndexKey, Row } from '../datamanager/database.ts'
import type { Clock } from '../lib/clock.ts'
import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { newUuid } from '../lib/uuid.ts'
import type { NotificationPage, NotificationQuery } from './api.ts'
import type { NotificationRow, NotificationSchema, Reading, Tx } from './row-types.ts'
import type { Attempt, Notification, NotificationKind, NotificationState } from './types.ts'

export type NewNotification = Pick<NotificationRow, 'projectId' | 'kind' | 'event' | 'lane' | 'sequence'> &
  Partial<
    Pick<NotificationRow, 'receiverId' | 'messageId' | 'runId' | 'runNumber' | 'status' | 'contextId' | 'resendOf'>
  >

export type TakenNotification = Row<NotificationRow>

/** What came of an attempt. */
export type SendResult = {
  readonly kind: 'sent' | 'failed'
  /** Failed for good: the same again would fail again. */
  readonly isFinal?: boolean
  /** Not because of the other side; it is nothing that counts as an attempt. */
  readonly isOurs?: boolean
  /** For people. */
  readonly message: string
  readonly httpStatus?: number
  readonly excerpt?: string
  /** The other side asks to come back then. */
  readonly retryAt?: number
}

const attemptsKept = 10
/** Of one transaction. */
const atOnce = 200
/** Of one look for work. */
const lanesMost = 500
const perLane = 4
const seconds = 1000
/** For figures, which are asked for all the time. */
const waitingLookedAt = 1000
const minutes = 60 * seconds
const hours = 60 * minutes
/** After the first attempt, after the second, and so on: given up after two days. */
const waits = [
  5 * seconds,
  30 * seconds,
  2 * minutes,
  10 * minutes,
  30 * minutes,
  1 * hours,
  3 * hours,
  6 * hours,
  12 * hours,
  24 * hours,
]

/** Puts one that waits. With too many waiting for its receiver it is dropped at once. */
export function addNotification(tx: Tx, id: string, input: NewNotification, now: number): void {
  const row: NotificationRow = { ...input, createdAt: now, attemptCount: 0, attempts: [] }
  const most = limits.notificationsWaiting.value
  if (input.receiverId !== undefined && tx.count('notification', { index: 'byDue', prefix: [input.lane] }) >= most) {
    const message = `${most} notifications wait for this receiver already`
    tx.put('notification', id, { ...row, outcome: { state: 'dropped', message, at: now } })
    return
  }
  if (input.contextId !== undefined) supersede(tx, input.contextId, now)
  tx.put('notification', id, { ...row, queued: { dueAt: dueIn(tx, input.contextId, now) } })
}

/** What an earlier process held is taken up at once; for the one process of an installation, before it works. */
export async function endLeases(database: Database<NotificationSchema>, now: number): Promise<void> {
  const held = (tx: Reading) => tx.list('notification', { index: 'byHeld' })
  if (database.view((tx) => held(tx).length) === 0) return
  await database.do((tx) => {
    for (const { id, body } of held(tx)) tx.put('notification', id, { ...body, queued: { dueAt: now } })
  })
}

/** Everything that waits for this receiver and is with nobody now. */
export function dropWaiting(
  tx: Tx,
  receiverId: string,
  { message, now }: { readonly message: string; readonly now: number },
): void {
  for (const { id, body } of tx.list('notification', { index: 'byDue', prefix: [laneOfReceiver(receiverId)] })) {
    if (body.queued?.holder !== undefined) continue
    const { queued: _, ...rest } = body
    tx.put('notification', id, { ...rest, outcome: { state: 'dropped', message, at: now } })
  }
}

export function laneOfReceiver(receiverId: string): string {
  return `receiver/${receiverId}`
}

/** A slow provider keeps only its own commit statuses waiting. */
export function laneOfSource(remoteSourceId: string): string {
  return `source/${remoteSourceId}`
}

/** What nobody sends now needs not be sent any more. */
function supersede(tx: Tx, contextId: string, now: number): void {
  for (const { id, body } of tx.list('notification', { index: 'byContext', prefix: [contextId] })) {
    if (body.queued?.holder !== undefined) continue
    const { queued: _, ...rest } = body
    tx.put('notification', id, { ...rest, outcome: { state: 'superseded', message: 'a newer state came', at: now } })
  }
}

/** While one of its context is on its way it waits for the end of that. */
function dueIn(tx: Tx, contextId: string | undefined, now: number): number {
  if (contextId === undefined) return now
  const [head] = tx.list('notification', { index: 'byContext', prefix: [contextId], limit: 1 })
  return Math.max(head?.body.queued?.dueAt ?? now, now)
}

export type AttemptObserver = (kind: NotificationKind, outcome: NotificationState) => void

export type NotificationsComponents = {
  readonly database: Database<NotificationSchema>
  readonly clock: Clock
  /** Hears of each attempt whose outcome is noted here; `waiting` is tried again. */
  readonly onAttempt?: AttemptObserver
}

export class Notifications {
  readonly #database: Database<NotificationSchema>
  readonly #clock: Clock
  readonly #onAttempt: AttemptObserver
  #wake = Promise.withResolvers<void>()
  /** Where the last look for work ended, so that all lanes have their turn. */
  #lastLane = ''

  constructor({ database, clock, onAttempt = () => {} }: NotificationsComponents) {
    this.#onAttempt = onAttempt
    this.#database = database
    this.#clock = clock
  }

  /** The newest first. Errors: `list_invalid`. */
  list({
    projectId,
    receiverId,
    state,
    limit = limits.pageItemsDefault.value,
    cursor,
  }: NotificationQuery): NotificationPage {
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > limits.pageItems.value)
      throw new SlipwayError('list_invalid', `a limit is 1 to ${limits.pageItems.value}`)
    const index = receiverId === undefined ? 'byProject' : 'byReceiver'
    const prefix = receiverId === undefined ? [projectId] : [receiverId]
    const items: Row<NotificationRow>[] = []
    let after: IndexKey | undefined = cursor === undefined ? undefined : [...prefix, ...parseCursor(cursor)]
    return this.#database.view((tx) => {
      for (;;) {
        const rows: readonly Row<NotificationRow>[] = tx.list('notification', {
          index,
          prefix,
          descending: true,
          limit: atOnce,
          ...(after === undefined ? {} : { after }),
        })
        for (const row of rows) {
          if (row.body.projectId !== projectId) continue
          if (state !== undefined && stateOf(row.body) !== state) continue
          if (items.length === limit) {
            const last = items.at(-1)!
            const nextCursor = Buffer.from(`${last.body.createdAt} ${last.id}`).toString('base64url')
            return { items: items.map((item) => notificationView(tx, item)), nextCursor }
          }
          items.push(row)
        }
        const last = rows.at(-1)
        if (rows.length < atOnce || last === undefined)
          return { items: items.map((item) => notificationView(tx, item)) }
        after = [...prefix, last.body.createdAt, last.id]
      }
    })
  }

  /** Errors: `notification_not_found`. */
  get(projectId: string, id: string): Notification {
    return this.#database.view((tx) => notificationView(tx, getNotificationRow(tx, projectId, id)))
  }

  /**
   * Gives out those that are due to `holder`, for `leaseMs`: of each lane as many as it has room for in all instances, of each
   * context the oldest.
   */
  async claim(
    holder: string,
    { most, leaseMs }: { readonly most: number; readonly leaseMs: number },
  ): Promise<readonly TakenNotification[]> {
    const now = this.#clock.now()
    const lanes = this.#database.view((tx) => dueLanes(tx, now, this.#lastLane))
    if (lanes.length === 0) return []
    const { result } = await this.#database.do((tx) => {
      const taken: TakenNotification[] = []
      // One of each lane, then the next ones, so that none takes all places.
      let open = lanes
      while (open.length > 0 && taken.length < most) {
        const further: string[] = []
        for (const lane of open) {
          if (taken.length === most) break
          if (heldOf(tx, lane, now) >= perLane) continue
          const one = takeFrom(tx, lane, { holder, now, leaseMs })
          if (one === undefined) continue
          taken.push(one)
          further.push(lane)
        }
        open = further
      }
      return taken
    })
    this.#lastLane = result.at(-1)?.body.lane ?? ''
    return result
  }

  /** Longer; false when it is not this holder's any more. */
  async renew(id: string, holder: string, leaseMs: number): Promise<boolean> {
    const dueAt = this.#clock.now() + leaseMs
    const { result } = await this.#database.do((tx) => {
      const body = tx.get('notification', id)
      if (body?.queued === undefined || body.queued.holder !== holder) return false
      tx.put('notification', id, { ...body, queued: { holder, dueAt } })
      return true
    })
    return result
  }

  /** Notes what came of it, unless it is another holder's by now. */
  async finish(id: string, holder: string, result: SendResult, durationMs: number): Promise<void> {
    const now = this.#clock.now()
    const attempt: Attempt = {
      at: now - durationMs,
      durationMs,
      message: result.message,
      ...(result.httpStatus === undefined ? {} : { httpStatus: result.httpStatus }),
      ...(result.excerpt === undefined || result.excerpt === '' ? {} : { excerpt: result.excerpt }),
    }
    const { result: after } = await this.#database.do((tx) => {
      const body = tx.get('notification', id)
      if (body?.queued === undefined || body.queued.holder !== holder) return undefined
      const attemptCount = body.attemptCount + (result.isOurs === true ? 0 : 1)
      const { queued: _, ...rest } = body
      const tried = { ...rest, attemptCount, attempts: [...rest.attempts, attempt].slice(-attemptsKept) }
      const next = nextState(tx, id, tried, result, now)
      tx.put('notification', id, next)
      if (body.contextId !== undefined) callNext(tx, body.contextId, now)
      return { kind: body.kind, state: stateOf(next) }
    })
    if (after !== undefined) this.#onAttempt(after.kind, after.state)
    this.wake()
  }

  /** When something may be taken next; infinity when nothing waits in a lane that has room. */
  nextDueAt(): number {
    const now = this.#clock.now()
    return this.#database.view((tx) => {
      let next = Number.POSITIVE_INFINITY
      for (const { lane, dueAt } of eachLane(tx, '')) if (dueAt < next && heldOf(tx, lane, now) < perLane) next = dueAt
      return next
    })
  }

  /** How many wait, and since when the oldest of the first 1,000 does. */
  waiting(): { readonly count: number; readonly oldestAt: number | undefined } {
    return this.#database.view((tx) => {
      const rows = tx.list('notification', { index: 'byDue', limit: waitingLookedAt })
      const count = rows.length < waitingLookedAt ? rows.length : tx.count('notification', { index: 'byDue' })
      const oldestAt = rows.length === 0 ? undefined : Math.min(...rows.map(({ body }) => body.createdAt))
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

  /** Forgets what is old and waits no more, and what is too much of a project. */
  async clean(signal?: AbortSignal): Promise<void> {
    const before = this.#clock.now() - limits.notificationRetentionMs.value
    await this.#deleteOld(before, signal)
    await this.#deleteTooMany(signal)
    await this.#deleteUnused(before, signal)
  }

  async #deleteOld(before: number, signal: AbortSignal | undefined): Promise<void> {
    await this.#inSteps(signal, (tx) => {
      const rows = tx.list('notification', { index: 'byAge', limit: atOnce })
      const old = rows.filter(({ body }) => body.createdAt < before)
      for (const { id } of old) tx.delete('notification', id)
      return old.length === atOnce
    })
    await this.#inSteps(signal, (tx) => {
      const rows = tx.list('statuscontext', { index: 'byAge', limit: atOnce })
      const old = rows.filter(({ body }) => body.updatedAt < before)
      // Of a run that goes on for longer than a week the next state is still compared with this one.
      const gone = old.filter(({ body }) => body.isFinal || body.updatedAt < before - limits.branchStateMs.value)
      for (const { id } of gone) tx.delete('statuscontext', id)
      return gone.length === atOnce
    })
    await this.#inSteps(signal, (tx) => {
      const branchesBefore = this.#clock.now() - limits.branchStateMs.value
      const rows = tx.list('branchstate', { index: 'byAge', limit: atOnce })
      const old = rows.filter(({ body }) => body.updatedAt < branchesBefore)
      for (const { id } of old) tx.delete('branchstate', id)
      return old.length === atOnce
    })
  }

  async #deleteTooMany(signal: AbortSignal | undefined): Promise<void> {
    for (const projectId of this.#database.view((tx) => projectsWithNotifications(tx)))
      await this.#inSteps(signal, (tx) => {
        const prefix = [projectId]
        const most = limits.notificationsPerProject.value
        const tooMany = tx.count('notification', { index: 'byEnd', prefix }) - most
        if (tooMany <= 0) return false
        const oldest = tx.list('notification', { index: 'byEnd', prefix, limit: Math.min(atOnce, tooMany) })
        for (const { id } of oldest) tx.delete('notification', id)
        return tooMany > atOnce
      })
  }

  /** Messages that no notification needs. */
  async #deleteUnused(before: number, signal: AbortSignal | undefined): Promise<void> {
    let after: IndexKey | undefined
    await this.#inSteps(signal, (tx) => {
      const rows = tx.list('message', { index: 'byAge', limit: atOnce, ...(after === undefined ? {} : { after }) })
      const old = rows.filter(({ body }) => body.createdAt < before)
      for (const { id } of old)
        if (tx.count('notification', { index: 'byMessage', prefix: [id] }) === 0) tx.delete('message', id)
      const last = old.at(-1)
      after = last === undefined ? undefined : [last.body.createdAt, last.id]
      return old.length === atOnce
    })
  }

  async #inSteps(signal: AbortSignal | undefined, step: (tx: Tx) => boolean): Promise<void> {
    for (let isMore = true; isMore; ) {
      signal?.throwIfAborted()
      isMore = (await this.#database.do(step)).result
    }
  }
}

/** Whether the newest status of its context, or something for a receiver that is there, with what it told. */
export function canResend(tx: Reading, { id, body }: Row<NotificationRow>): { readonly why: string } | 'yes' {
  if (body.queued !== undefined) return { why: 'it waits to be sent already' }
  if (body.contextId !== undefined) {
    const context = tx.get('statuscontext', body.contextId)
    return context?.notificationId === id ? 'yes' : { why: 'a newer state of this commit status was sent since' }
  }
  const receiver = body.receiverId === undefined ? undefined : tx.get('receiver', body.receiverId)
  if (receiver === undefined) return { why: 'its receiver was removed' }
  if (!receiver.isEnabled) return { why: 'its receiver is turned off' }
  const hasMessage = body.messageId !== undefined && tx.get('message', body.messageId) !== undefined
  return hasMessage ? 'yes' : { why: 'what it told is not kept any more' }
}

/** Adds the same again. Errors: `notification_not_found`, `notification_not_repeatable`. */
export function resend(tx: Tx, projectId: string, id: string, { newId, now }: { newId: string; now: number }): void {
  const row = getNotificationRow(tx, projectId, id)
  const can = canResend(tx, row)
  if (can !== 'yes') throw new SlipwayError('notification_not_repeatable', `send it again: ${can.why}`)
  const { kind, receiverId, event, messageId, runId, runNumber, status, contextId, lane, sequence } = row.body
  const input = { projectId, kind, event, lane, sequence, resendOf: id }
  const optional = { receiverId, messageId, runId, runNumber, status, contextId }
  addNotification(tx, newId, { ...input, ...defined(optional) }, now)
  const context = contextId === undefined ? undefined : tx.get('statuscontext', contextId)
  if (context !== undefined) tx.put('statuscontext', contextId!, { ...context, notificationId: newId })
}

/** Errors: `notification_not_found`. */
export function getNotificationRow(tx: Reading, projectId: string, id: string): Row<NotificationRow> {
  const body = tx.get('notification', id)
  if (body === undefined || body.projectId !== projectId)
    throw new SlipwayError('notification_not_found', `the project has no notification ${id}`)
  return { id, body, changedAt: 0 }
}

export function notificationView(tx: Reading, row: Row<NotificationRow>): Notification {
  const { id, body } = row
  const { lane: _lane, sequence: _sequence, contextId: _context, queued, outcome, ...rest } = body
  return {
    ...rest,
    id,
    state: stateOf(body),
    message: outcome?.message ?? body.attempts.at(-1)?.message ?? 'waits to be sent',
    ...(outcome === undefined ? {} : { endedAt: outcome.at }),
    ...(queued === undefined || queued.holder !== undefined ? {} : { nextAttemptAt: queued.dueAt }),
    canResend: canResend(tx, row) === 'yes',
  }
}

function stateOf({ outcome }: NotificationRow): NotificationState {
  return outcome?.state ?? 'waiting'
}

/** Sent, given up, replaced by what came meanwhile, or to be tried again. */
function nextState(tx: Tx, id: string, row: NotificationRow, result: SendResult, now: number): NotificationRow {
  const ended = (state: Exclude<NotificationState, 'waiting'>, message: string): NotificationRow => ({
    ...row,
    outcome: { state, message, at: now },
  })
  if (result.kind === 'sent') return ended('sent', result.message)
  if (result.isFinal === true) return ended('failed', result.message)
  if (row.contextId !== undefined && newerWaits(tx, id, row.contextId)) return ended('superseded', 'a newer state came')
  if (row.receiverId !== undefined && tx.get('receiver', row.receiverId)?.isEnabled !== true)
    return ended('dropped', 'its receiver was removed or turned off')
  if (row.attemptCount >= limits.notificationAttempts.value)
    return ended('failed', `given up after ${row.attemptCount} attempts: ${result.message}`)
  const wait = waits[Math.max(row.attemptCount - 1, 0)] ?? limits.notificationRetryMs.value
  const dueAt = Math.min(Math.max(now + wait, result.retryAt ?? 0), now + limits.notificationRetryMs.value)
  return { ...row, queued: { dueAt } }
}

function newerWaits(tx: Tx, id: string, contextId: string): boolean {
  return tx.list('notification', { index: 'byContext', prefix: [contextId] }).some((row) => row.id !== id)
}

/** What waited for the end of the one before it. */
function callNext(tx: Tx, contextId: string, now: number): void {
  const [next] = tx.list('notification', { index: 'byContext', prefix: [contextId], limit: 1 })
  if (next?.body.queued === undefined || next.body.queued.holder !== undefined || next.body.attemptCount > 0) return
  tx.put('notification', next.id, { ...next.body, queued: { dueAt: now } })
}

function takeFrom(
  tx: Tx,
  lane: string,
  { holder, now, leaseMs }: { readonly holder: string; readonly now: number; readonly leaseMs: number },
): TakenNotification | undefined {
  for (const row of tx.list('notification', { index: 'byDue', prefix: [lane], limit: perLane + 1 })) {
    const { queued, contextId } = row.body
    if (queued === undefined || queued.dueAt > now) return undefined
    if (contextId !== undefined) {
      const [head] = tx.list('notification', { index: 'byContext', prefix: [contextId], limit: 1 })
      if (head !== undefined && head.id !== row.id) {
        const dueAt = Math.max(head.body.queued?.dueAt ?? 0, now + leaseMs)
        tx.put('notification', row.id, { ...row.body, queued: { ...queued, dueAt } })
        continue
      }
    }
    const body = { ...row.body, queued: { dueAt: now + leaseMs, holder } }
    tx.put('notification', row.id, body)
    return { ...row, body }
  }
  return undefined
}

/** Whose leases have not ended: what a killed instance held takes no place. */
function heldOf(tx: Reading, lane: string, now: number): number {
  const after = [lane, now, '\uffff']
  return tx.list('notification', { index: 'byHeld', prefix: [lane], after, limit: perLane }).length
}

/** Lanes in which something is due and that have room, beginning after `start` and then from the first one. */
function dueLanes(tx: Reading, now: number, start: string): readonly string[] {
  const due = (lanes: Iterable<Lane>) =>
    Array.from(lanes).flatMap(({ lane, dueAt }) => (dueAt <= now && heldOf(tx, lane, now) < perLane ? [lane] : []))
  const later = due(eachLane(tx, start))
  if (start === '') return later
  return [...later, ...due(eachLane(tx, '')).filter((lane) => lane <= start && !later.includes(lane))]
}

type Lane = { readonly lane: string; readonly dueAt: number }

/** The first of each lane after `start`: one look-up each, however many wait in it. */
function* eachLane(tx: Reading, start: string): Generator<Lane> {
  let after: IndexKey | undefined = start === '' ? undefined : pastLane(start)
  for (let found = 0; found < lanesMost; found++) {
    const [row] = tx.list('notification', { index: 'byDue', limit: 1, ...(after === undefined ? {} : { after }) })
    if (row?.body.queued === undefined) return
    const { lane } = row.body
    yield { lane, dueAt: row.body.queued.dueAt }
    after = pastLane(lane)
  }
}

const pastLane = (lane: string): IndexKey => [lane, Number.MAX_SAFE_INTEGER, '']

function* eachProject(tx: Reading): Generator<string> {
  let after: IndexKey | undefined
  for (;;) {
    const [row] = tx.list('notification', {
      index: 'byProject',
      limit: 1,
      ...(after === undefined ? {} : { after }),
    })
    if (row === undefined) return
    yield row.body.projectId
    after = [row.body.projectId, Number.MAX_SAFE_INTEGER, '']
  }
}

const projectsWithNotifications = (tx: Reading): readonly string[] => [...eachProject(tx)]

function parseCursor(cursor: string): readonly [number, string] {
  const [, time, id] = /^(\d{1,16}) ([\w-]{1,100})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  if (id === undefined) throw new SlipwayError('list_invalid', 'the cursor is none that this list gave')
  return [Number(time), id]
}

function defined<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

/** Made before a transaction that may run more than once. */
export function newIds(now: number, count: number): readonly string[] {
  return Array.from({ length: count }, () => newUuid(now))
}
