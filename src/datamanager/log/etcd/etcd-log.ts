// The change log in etcd (docs/storage.md, "In etcd"). The key `head` names position and hash of the newest record, and one
// transaction compares it, writes it anew and puts the record: so etcd itself refuses gaps, forks and stalled writers.

import type { Clock } from '../../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../../lib/errors.ts'
import type { EtcdClient, EtcdKeyValue, EtcdOperation } from '../../../lib/etcd/client.ts'
import type { AppendResult, ChangeLog, EncodedRecord, RecordHash } from '../../change-log.ts'
import { genesisHash } from '../../change-log.ts'
import type { Position } from '../../database.ts'
import { encodePosition } from '../../snapshot/keys.ts'
import { type Head, HeadWatch } from '../head-watch.ts'
import type { Payloads } from '../payloads.ts'

export type EtcdChangeLogOptions = {
  /** Shared with others; not closed here. */
  readonly client: EtcdClient
  /** Of all keys of this log; ends with a slash. */
  readonly prefix: string
  readonly clock: Clock
  /** Where large records go; without it they are cut into parts. */
  readonly payloads?: Payloads
}

/** etcd refuses requests above 1.5 MiB; a part and the rest of its request stay well below. */
const partBytes = 1024 * 1024
/** Records of one answer: each may have `partBytes`. */
const pageRecords = 16
/** A lost watch costs so much. */
const pollMs = 5000

const empty: Head = { position: 0, hash: genesisHash }

export class EtcdChangeLog implements ChangeLog {
  readonly #options: EtcdChangeLogOptions
  readonly #head: HeadWatch
  readonly #closing = new AbortController()
  #watching: Promise<void> | undefined

  constructor(options: EtcdChangeLogOptions) {
    this.#options = options
    this.#head = new HeadWatch(options.clock, pollMs, { hasNews: true })
  }

  async append(record: EncodedRecord, prev: RecordHash, signal?: AbortSignal): Promise<AppendResult> {
    signal?.throwIfAborted()
    const { client } = this.#options
    const { position, hash } = record
    if (position === 1 && prev !== genesisHash) return { kind: 'exists' }
    const before = this.#head.newest
    try {
      const value = await this.#storeBytes(record, signal)
      const key = this.#recordKey(position)
      const { succeeded, found } = await client.transact(
        {
          compare: [
            position === 1
              ? { kind: 'absent', key: this.#headKey }
              : { kind: 'value', key: this.#headKey, value: encodeHead({ position: position - 1, hash: prev }) },
            { kind: 'absent', key },
          ],
          success: [
            { kind: 'put', key, value },
            { kind: 'put', key: this.#headKey, value: Buffer.from(encodeHead({ position, hash })) },
          ],
          failure: [{ kind: 'range', key: this.#headKey }],
        },
        signal,
      )
      if (succeeded) {
        this.#head.saw({ position, hash })
        return { kind: 'created' }
      }
      this.#head.check(decodeHead(found[0]?.[0]), before)
      return { kind: 'exists' }
    } catch (cause) {
      if (isSlipwayError(cause) && cause.code !== 'backend_unavailable') throw cause
      return { kind: 'unknown', cause }
    }
  }

  async read(from: Position, limit: number, signal?: AbortSignal): Promise<readonly EncodedRecord[]> {
    signal?.throwIfAborted()
    const records: EncodedRecord[] = []
    while (records.length < limit) {
      const start = from + records.length
      const wanted = Math.min(pageRecords, limit - records.length)
      const page = await this.#readPage(start, wanted, signal)
      records.push(...page)
      if (page.length < wanted) break
    }
    return records
  }

  async head(signal?: AbortSignal): Promise<Position> {
    signal?.throwIfAborted()
    const before = this.#head.newest
    const [found] = await this.#options.client.range({ key: this.#headKey }, signal)
    const head = decodeHead(found)
    this.#head.check(head, before)
    return head.position
  }

  async changed(from: Position, signal: AbortSignal): Promise<void> {
    this.#watching ??= this.#watch()
    await this.#head.changed(from, () => this.head(signal), signal)
  }

  async collect(position: Position, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const { client, payloads } = this.#options
    const last = Math.min(position, (await this.head(signal)) - 1)
    if (last < 1) return
    const success: EtcdOperation[] = [
      { kind: 'delete', key: `${this.#options.prefix}log/`, end: this.#recordKey(last + 1) },
      {
        kind: 'delete',
        key: `${this.#options.prefix}part/`,
        end: `${this.#options.prefix}part/${encodePosition(last + 1)}`,
      },
    ]
    await client.transact({ compare: [], success }, signal, true)
    await payloads?.collect(last, signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    this.#head.look()
    await this.#watching
  }

  get #headKey(): string {
    return `${this.#options.prefix}head`
  }

  #recordKey(position: Position): string {
    return `${this.#options.prefix}log/${encodePosition(position)}`
  }

  /** Puts what does not fit into the record's key elsewhere, and returns the value of that key. */
  async #storeBytes(record: EncodedRecord, signal: AbortSignal | undefined): Promise<Buffer> {
    const { client, payloads } = this.#options
    const { hash, bytes } = record
    if (payloads?.isWanted(record)) {
      await payloads.save(record, signal)
      return encodeValue({ hash, bytes: bytes.length, in: 'object' })
    }
    if (bytes.length <= partBytes) return encodeValue({ hash, bytes: bytes.length, in: 'value' }, bytes)
    const prefix = this.#partPrefix(record.position, hash)
    const parts = Math.ceil(bytes.length / partBytes)
    for (let part = 0; part < parts; part++) {
      const value = bytes.subarray(part * partBytes, (part + 1) * partBytes)
      const put: EtcdOperation = { kind: 'put', key: `${prefix}${partName(part)}`, value }
      await client.transact({ compare: [], success: [put] }, signal, true)
    }
    return encodeValue({ hash, bytes: bytes.length, in: 'parts' })
  }

  async #readPage(from: Position, limit: number, signal: AbortSignal | undefined): Promise<EncodedRecord[]> {
    const before = this.#head.newest
    const success: EtcdOperation[] = [
      { kind: 'range', key: this.#headKey },
      { kind: 'range', key: this.#recordKey(from + 1), end: this.#recordKey(from + 1 + limit) },
    ]
    const { found } = await this.#options.client.transact({ compare: [], success }, signal, true)
    const head = decodeHead(found[0]?.[0])
    this.#head.check(head, before)
    const entries = found[1] ?? []
    const expected = Math.max(0, Math.min(limit, head.position - from))
    if (entries.length < expected) {
      // Collecting deletes from the front: nothing else may be missing.
      if (entries[0]?.key !== this.#recordKey(from + 1))
        throw new SlipwayError('history_collected', `record ${from + 1} of the log was collected`)
      throw new SlipwayError('database_corrupt', `the log has a gap after record ${from + entries.length}`)
    }
    const records: EncodedRecord[] = []
    for (const [index, entry] of entries.entries()) records.push(await this.#decode(from + 1 + index, entry, signal))
    return records
  }

  async #decode(position: Position, entry: EtcdKeyValue, signal: AbortSignal | undefined): Promise<EncodedRecord> {
    const { hash, bytes: size, in: place, rest } = decodeValue(position, entry.value)
    switch (place) {
      case 'value':
        return { position, hash, bytes: rest }
      case 'object': {
        const { payloads } = this.#options
        if (payloads) return { position, hash, bytes: await payloads.load(position, hash, signal) }
        throw new SlipwayError('database_corrupt', `record ${position} lies on object storage, and none is configured`)
      }
      case 'parts': {
        const prefix = this.#partPrefix(position, hash)
        const parts: Buffer[] = []
        for (let read = 0; read < size; ) {
          const [part] = await this.#options.client.range({ key: `${prefix}${partName(parts.length)}` }, signal)
          if (!part || part.value.length === 0)
            throw new SlipwayError('history_collected', `part ${parts.length} of record ${position} is not there`)
          parts.push(part.value)
          read += part.value.length
        }
        return { position, hash, bytes: Buffer.concat(parts) }
      }
    }
  }

  #partPrefix(position: Position, hash: RecordHash): string {
    return `${this.#options.prefix}part/${encodePosition(position)}/${hash}/`
  }

  /** Tells of new heads. What it misses the next poll finds. */
  async #watch(): Promise<void> {
    const { client, clock } = this.#options
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        for await (const { events } of client.watch({ key: this.#headKey }, 0, signal)) {
          if (events.length === 0) this.#head.look()
          for (const { kind, entry } of events) if (kind === 'put') this.#head.told(decodeHead(entry).position)
        }
        return
      } catch {
        // Compacted, or not permitted for a while: a new watch begins at now, and the poll asks for what lies between.
        await clock.sleep(pollMs, signal).catch(() => undefined)
      }
    }
  }
}

function encodeHead({ position, hash }: Head): string {
  return `${encodePosition(position)} ${hash}`
}

function decodeHead(entry: EtcdKeyValue | undefined): Head {
  if (!entry) return empty
  const text = entry.value.toString()
  if (!/^[0-9a-f]{16} [0-9a-f]{64}$/.test(text))
    throw new SlipwayError('database_corrupt', `${entry.key} in etcd is no head of a change log`)
  return { position: Number.parseInt(text.slice(0, 16), 16), hash: text.slice(17) }
}

type Value = { readonly hash: RecordHash; readonly bytes: number; readonly in: 'value' | 'parts' | 'object' }

function encodeValue(value: Value, rest: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.from(`${value.in} ${value.hash} ${value.bytes}\n`), rest])
}

function decodeValue(position: Position, value: Buffer): Value & { readonly rest: Buffer } {
  const end = value.indexOf(0x0a)
  const match = /^(value|parts|object) ([0-9a-f]{64}) (\d+)$/.exec(value.subarray(0, Math.max(end, 0)).toString())
  if (!match) throw new SlipwayError('database_corrupt', `the value of record ${position} in etcd has no header`)
  const place = match[1] as Value['in'] // the expression allows nothing else
  return { in: place, hash: match[2]!, bytes: Number(match[3]), rest: value.subarray(end + 1) }
}

const partName = (part: number) => part.toString(16).padStart(4, '0')
