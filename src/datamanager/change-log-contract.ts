// What every change log must do, whatever it is made of; each backend runs it.

import { expect, test } from 'vitest'
import { type ChangeLog, type EncodedRecord, genesisHash, type RecordHash } from './change-log.ts'
import { decodeRecord, encodePut, encodeRecord, encodeTransaction } from './record.ts'

/** One log, as several writers see it. */
export type OpenedLog = AsyncDisposable & {
  readonly logs: readonly [ChangeLog, ChangeLog]
  /** Changes one byte of the stored record; absent when the backend cannot be reached beside its interface. */
  damage?(position: number): Promise<void>
}

const identity = { store: 'store', generation: 'generation' }

/** Record `position` after `prev`, with `text` in it. */
export function aRecord(position: number, prev: RecordHash, text = `row ${position}`): EncodedRecord {
  const operations = [encodePut('thing', text, JSON.stringify({ text }))]
  return encodeRecord({ ...identity, position, prev }, text, [encodeTransaction({ at: 0, operations })])
}

async function append(log: ChangeLog, count: number): Promise<EncodedRecord[]> {
  const records: EncodedRecord[] = []
  for (let position = 1; position <= count; position++) {
    const prev = records.at(-1)?.hash ?? genesisHash
    const record = aRecord(position, prev)
    expect(await log.append(record, prev)).toEqual({ kind: 'created' })
    records.push(record)
  }
  return records
}

const plain = (records: readonly EncodedRecord[]) =>
  records.map(({ position, hash, bytes }) => ({ position, hash, bytes: Buffer.from(bytes).toString() }))

export function changeLogContract(name: string, open: () => Promise<OpenedLog>): void {
  test(`${name}: an empty log has no records and its head is 0`, async () => {
    await using opened = await open()
    const [log] = opened.logs
    expect(await log.head()).toBe(0)
    expect(await log.read(0, 10)).toEqual([])
  })

  test(`${name}: records come back as they went in, in order, in ranges`, async () => {
    await using opened = await open()
    const [log, other] = opened.logs
    const records = plain(await append(log, 5))
    expect(await other.head()).toBe(5)
    expect(plain(await other.read(0, 10))).toEqual(records)
    expect(plain(await other.read(1, 2))).toEqual(records.slice(1, 3))
    expect(await other.read(5, 10)).toEqual([])
    expect(await other.read(9, 10)).toEqual([])
  })

  test(`${name}: a position that is taken stays as it is`, async () => {
    await using opened = await open()
    const [log, other] = opened.logs
    const [first] = await append(log, 2)
    expect(await other.append(aRecord(2, first!.hash, 'later'), first!.hash)).toEqual({ kind: 'exists' })
    expect(await other.append(aRecord(1, genesisHash, 'later'), genesisHash)).toEqual({ kind: 'exists' })
    expect(decodeRecord((await log.read(1, 1))[0]!).batch).toBe('row 2')
    expect(await log.head()).toBe(2)
  })

  test(`${name}: a record again is refused, so it is never there twice`, async () => {
    await using opened = await open()
    const [log] = opened.logs
    const [first] = await append(log, 1)
    expect(await log.append(first!, genesisHash)).toEqual({ kind: 'exists' })
    expect(await log.head()).toBe(1)
  })

  test(`${name}: a record after another than the newest one changes nothing`, async () => {
    await using opened = await open()
    const [log] = opened.logs
    const records = await append(log, 2)
    const elsewhere = 'e'.repeat(64)
    expect(await log.append(aRecord(3, elsewhere), elsewhere)).toEqual({ kind: 'exists' }) // forked
    expect(await log.append(aRecord(4, records[1]!.hash), records[1]!.hash)).toEqual({ kind: 'exists' }) // gap
    expect(await log.append(aRecord(3, records[0]!.hash), records[0]!.hash)).toEqual({ kind: 'exists' }) // stale
    expect(await log.head()).toBe(2)
  })

  test(`${name}: of many writers at one position exactly one wins`, async () => {
    await using opened = await open()
    const [log, other] = opened.logs
    let prev = genesisHash
    for (let position = 1; position <= 5; position++) {
      const rivals = Array.from({ length: 10 }, (_, n) => aRecord(position, prev, `rival ${n}`))
      const results = await Promise.all(rivals.map((record, n) => (n % 2 ? log : other).append(record, prev)))
      const winners = rivals.filter((_, n) => results[n]!.kind === 'created')
      expect(winners).toHaveLength(1)
      expect((await other.read(position - 1, 1))[0]?.hash).toBe(winners[0]!.hash)
      prev = winners[0]!.hash
    }
  })

  test(`${name}: collecting forgets the old, never the newest, and reading what is gone says so`, async () => {
    await using opened = await open()
    const [log, other] = opened.logs
    const records = await append(log, 5)
    await log.collect(2)
    await log.collect(1)
    await expect(other.read(0, 10)).rejects.toMatchObject({ code: 'history_collected' })
    await expect(other.read(1, 10)).rejects.toMatchObject({ code: 'history_collected' })
    expect(plain(await other.read(2, 10))).toEqual(plain(records.slice(2)))
    await log.collect(5)
    expect(plain(await other.read(4, 10))).toEqual(plain(records.slice(4)))
    await log.collect(1000)
    expect(await other.head()).toBe(5)
    expect(await other.append(aRecord(1, genesisHash, 'stalled'), genesisHash)).toEqual({ kind: 'exists' })
    expect((await other.append(aRecord(6, records[4]!.hash), records[4]!.hash)).kind).toBe('created')
  })

  test(`${name}: a waiting reader is woken, and one that is late does not wait`, async () => {
    await using opened = await open()
    const [log, other] = opened.logs
    const stop = new AbortController()
    const waiting = other.changed(0, stop.signal)
    await append(log, 1)
    await waiting
    await other.changed(0, stop.signal)
    const ended = other.changed(1, stop.signal)
    stop.abort(new Error('enough'))
    await expect(ended).rejects.toThrow('enough')
  })

  test(`${name}: an aborted call does nothing`, async () => {
    await using opened = await open()
    const [log] = opened.logs
    const aborted = AbortSignal.abort(new Error('enough'))
    await expect(log.append(aRecord(1, genesisHash), genesisHash, aborted)).rejects.toThrow('enough')
    await expect(log.read(0, 1, aborted)).rejects.toThrow('enough')
    await expect(log.head(aborted)).rejects.toThrow('enough')
    await expect(log.collect(1, aborted)).rejects.toThrow('enough')
    expect(await log.head()).toBe(0)
  })

  test(`${name}: a damaged record does not decode`, async () => {
    await using opened = await open()
    const [log] = opened.logs
    await append(log, 3)
    if (!opened.damage) return
    await opened.damage(2)
    const records = await log.read(0, 10)
    expect(() => decodeRecord(records[0]!)).not.toThrow()
    expect(() => decodeRecord(records[1]!)).toThrow('damaged')
  })
}
