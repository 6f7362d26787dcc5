// What the clients saw, checked against the order that the log says things happened in.

import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Json } from '../../lib/json.ts'
import type { Change, Operation } from '../database.ts'
import { maintenanceType } from '../read-model/read-model.ts'
import type { DecodedRecord, UnknownOperation } from '../record.ts'
import { ModelBank, type Order } from './workload.ts'

export class SimulationFailure extends Error {}

export type Seen = {
  readonly order: Order
  /** Numbers of events: one that ended before another began has the smaller number. */
  readonly begunAt: number
  endedAt: number | undefined
  /** `refused`: by the closure; `absent`: the database said that it is certainly not committed. */
  outcome: 'committed' | 'refused' | 'absent' | 'unknown'
  result: Json | undefined
  position: number | undefined
}

/** Content hashes that every replica must have, by position; the last is that of the end. */
export type ContentHashes = ReadonlyMap<number, string>

export type HistoryOptions = {
  /** Reads may be of an older state: a store has shown what was true a while ago. */
  readonly mayReadStale?: boolean
}

/** Compares everything; throws SimulationFailure. */
export function checkHistory(
  seen: readonly Seen[],
  records: readonly DecodedRecord[],
  { mayReadStale = false }: HistoryOptions = {},
): ContentHashes {
  const hashes = new Map([[0, emptyContentHash]])
  const content = new ContentSum()
  let isFrozen = false
  const byName = new Map(seen.map((one) => [one.order.name, one]))
  const bank = new ModelBank()
  const committed = new Set<string>()
  const inOrder: Seen[] = []
  /** Results a reader may have had at a position: between and after the transactions of its record. */
  const readable = new Map<number, Json[]>()
  const look = () => bank.run({ name: '', kind: 'read', from: '', to: '', amount: 0 })?.result ?? null
  readable.set(0, [look()])
  for (const { position, transactions } of records) {
    const looks: Json[] = []
    for (const { operations } of transactions) {
      for (const operation of operations) content.apply(operation)
      const [only] = operations
      if (only && only.kind !== 'unknown' && only.type === maintenanceType) {
        isFrozen = only.kind === 'put'
        looks.push(look())
        continue
      }
      if (isFrozen) throw new SimulationFailure(`record ${position} was written in maintenance`)
      const marker = operations.find((operation) => operation.kind === 'put' && operation.type === 'done')
      const name = marker?.kind === 'put' ? marker.id : ''
      const one = byName.get(name)
      if (!one) throw new SimulationFailure(`record ${position} has a transaction nobody asked for`)
      if (committed.has(name)) throw new SimulationFailure(`${name} is committed twice, again in record ${position}`)
      committed.add(name)
      inOrder.push(one)
      const expected = bank.run(one.order)
      if (!expected) throw new SimulationFailure(`${name} in record ${position} should have been refused`)
      if (!isDeepStrictEqual(operations, expected.operations))
        throw new SimulationFailure(
          `${name} in record ${position} wrote ${JSON.stringify(operations)}, alone it writes ${JSON.stringify(expected.operations)}`,
        )
      if (one.outcome === 'committed' && !isDeepStrictEqual(one.result, expected.result))
        throw new SimulationFailure(
          `${name} was answered ${String(one.result)}, alone it gives ${String(expected.result)}`,
        )
      if (one.outcome === 'committed' && one.position !== position)
        throw new SimulationFailure(`${name} was answered position ${one.position}, it is in record ${position}`)
      if (one.outcome === 'refused' || one.outcome === 'absent')
        throw new SimulationFailure(`${name} was answered ${one.outcome}, but it is in record ${position}`)
      looks.push(look())
    }
    readable.set(position, looks)
    hashes.set(position, content.hash)
  }
  for (const one of seen) {
    if (one.outcome !== 'committed') continue
    if (one.order.kind !== 'read') {
      if (!committed.has(one.order.name))
        throw new SimulationFailure(`${one.order.name} was answered committed at ${one.position}, but is in no record`)
      continue
    }
    const looks = readable.get(one.position ?? -1) ?? []
    if (!looks.some((result) => isDeepStrictEqual(result, one.result)))
      throw new SimulationFailure(
        `${one.order.name} read ${JSON.stringify(one.result)} at ${one.position}, where there was ${JSON.stringify(looks)}`,
      )
  }
  checkRealTime(inOrder)
  if (!mayReadStale) checkReadTime(seen)
  return hashes
}

/** The content hash by its definition, from docs/storage.md, moved by each operation. */
class ContentSum {
  readonly #hashes = new Map<string, bigint>()
  #sum = 0n

  apply(operation: Operation | UnknownOperation): void {
    if (operation.kind === 'unknown') return
    const key = `${operation.type}\0${operation.id}`
    this.#sum -= this.#hashes.get(key) ?? 0n
    this.#hashes.delete(key)
    if (operation.kind === 'delete') return
    const hash = hashOfRow(key, JSON.stringify(operation.body))
    this.#hashes.set(key, hash)
    this.#sum += hash
  }

  get hash(): string {
    return encode(this.#sum)
  }
}

/** What ended before another began is earlier in the log. */
function checkRealTime(inOrder: readonly Seen[]): void {
  let earliestEnd = Number.POSITIVE_INFINITY
  let earliest: Seen | undefined
  for (const one of inOrder.toReversed()) {
    if (earliestEnd < one.begunAt)
      throw new SimulationFailure(`${earliest?.order.name} ended before ${one.order.name} began, but comes after it`)
    if (one.outcome === 'committed' && one.endedAt !== undefined && one.endedAt < earliestEnd) {
      earliestEnd = one.endedAt
      earliest = one
    }
  }
}

/** A read sees at least what was answered before it began. */
function checkReadTime(seen: readonly Seen[]): void {
  const answered = seen.filter((one) => one.outcome === 'committed')
  for (const read of answered.filter(({ order }) => order.kind === 'read'))
    for (const one of answered)
      if ((one.endedAt ?? 0) < read.begunAt && (one.position ?? 0) > (read.position ?? 0))
        throw new SimulationFailure(
          `${read.order.name} read position ${read.position} after ${one.order.name} was answered at ${one.position}`,
        )
}

/** What a consumer was told is what the log says, each record once, in order. */
export function checkChanges(told: readonly Change[], records: readonly DecodedRecord[]): void {
  const expected = records.map(({ position, transactions }) => ({
    position,
    operations: transactions.flatMap(({ operations }) => operations),
  }))
  const wrong = expected.findIndex((change, at) => !isDeepStrictEqual(told[at], change))
  if (wrong < 0 && told.length === expected.length) return
  const at = wrong < 0 ? expected.length : wrong
  throw new SimulationFailure(
    `of ${expected.length} records a consumer was told ${told.length}, first another one at ${at + 1}: ${JSON.stringify(told[at])} instead of ${JSON.stringify(expected[at])}`,
  )
}

/** The content hash of rows by type and id with a zero byte between. */
export function contentHashOfRows(rows: ReadonlyMap<string, string>): string {
  let sum = 0n
  for (const [key, body] of rows) sum += hashOfRow(key, body)
  return encode(sum)
}

function hashOfRow(key: string, body: string): bigint {
  return BigInt(`0x${createHash('sha256').update(key).update('\0').update(body).digest('hex')}`)
}

function encode(sum: bigint): string {
  return (sum & (2n ** 256n - 1n)).toString(16).padStart(64, '0')
}

const emptyContentHash = encode(0n)
