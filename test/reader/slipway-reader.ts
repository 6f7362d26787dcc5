// A reader of what Slipway stores, written from docs/storage.md alone: it imports nothing of Slipway, so it says whether the
// page is enough. Whatever does not fit throws.

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { crc32, zstdDecompressSync } from 'node:zlib'

export type Rows = Map<string, { readonly type: string; readonly id: string; readonly text: string }>

export type LogRecord = {
  readonly position: number
  readonly hash: string
  readonly store: string
  readonly generation: string
  readonly transactions: readonly Transaction[]
}

type Transaction = {
  readonly tx?: string
  readonly at: number
  readonly result?: unknown
  readonly operations: readonly {
    readonly kind: string
    readonly type: string
    readonly id: string
    readonly body?: unknown
  }[]
}

export type ManifestFile = {
  readonly name: string
  readonly type: string
  readonly first: string
  readonly last: string
  readonly count: number
  readonly rawBytes: number
  readonly sum: string
  readonly bytes: number
  readonly sha256: string
  readonly indexBytes: number
  readonly indexSha256: string
  readonly rows?: number
  readonly types?: readonly string[]
}

export type Manifest = {
  readonly store: string
  readonly generation: string
  readonly position: number
  readonly hash: string
  readonly contentHash: string
  readonly count: number
  readonly files: readonly ManifestFile[]
}

export type Family = { readonly id: string; readonly entry: readonly unknown[]; readonly sum: string }

const noHash = '0'.repeat(64)
const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex')

function expectTrue(isTrue: boolean, what: string): asserts isTrue {
  if (!isTrue) throw new Error(`it does not fit: ${what}`)
}

/** "Object storage", "In a directory": all objects by their keys, without footers. */
export function readObjects(root: string): Map<string, Buffer> {
  const objects = new Map<string, Buffer>()
  const walk = (folder: string, key: Buffer) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const name = Buffer.from(
        entry.name.slice(1).replace(/%(..)/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
        'latin1',
      )
      const path = join(folder, entry.name)
      const longer = Buffer.concat([key, name])
      if (entry.name[0] === 'd') walk(path, Buffer.concat([longer, Buffer.from('/')]))
      else if (entry.name[0] === 'c') walk(path, longer)
      else if (entry.name[0] === 'f') objects.set(longer.toString(), contentOf(readFileSync(path)))
    }
  }
  walk(join(root, 'data'), Buffer.alloc(0))
  return objects
}

function contentOf(stored: Buffer): Buffer {
  const footer = stored.subarray(-48)
  const content = stored.subarray(0, -48)
  expectTrue(footer.subarray(40).toString() === 'slipobj1', 'the end of an object')
  expectTrue(footer.readBigUInt64BE(32) === BigInt(content.length), 'the length of an object')
  expectTrue(footer.subarray(0, 32).toString('hex') === sha256(content), 'the hash of an object')
  return content
}

/** "Record": those that follow one another in `bytes`, and what follows them. */
function takeRecords(bytes: Buffer): { readonly records: LogRecord[]; readonly rest: Buffer } {
  const records: LogRecord[] = []
  let rest = bytes
  while (rest.length > 0) {
    const headerEnd = rest.indexOf(0x0a) + 1
    const header = JSON.parse(rest.subarray(0, headerEnd).toString())
    if (header.end === true) break
    const whole = rest.subarray(0, headerEnd + header.bytes)
    const body = whole.subarray(headerEnd)
    expectTrue(header.format === 1 && sha256(body) === header.sha256, `the body of record ${header.position}`)
    const lines = body.toString().split('\n').slice(0, -1)
    expectTrue(lines.length === header.count, `the lines of record ${header.position}`)
    const before = records.at(-1)
    expectTrue(
      (!before || before.hash === header.prev) && (header.position === 1) === (header.prev === noHash),
      `what record ${header.position} follows`,
    )
    const { position, store, generation } = header
    records.push({
      ...{ position, store, generation, hash: sha256(whole) },
      transactions: lines.map((line) => JSON.parse(line)),
    })
    rest = rest.subarray(whole.length)
  }
  return { records, rest }
}

/** One record, as a log in the bucket or in SQLite has it. */
export function readRecord(bytes: Buffer): LogRecord {
  const { records, rest } = takeRecords(bytes)
  const [record] = records
  expectTrue(record !== undefined && records.length === 1 && rest.length === 0, 'one record and nothing else')
  return record
}

/** "Shipped records": the object of the key that names `position`. */
export function readShipped(bytes: Buffer, position: number): readonly LogRecord[] {
  const { records, rest } = takeRecords(bytes)
  const end = JSON.parse(rest.toString())
  const before = bytes.subarray(0, bytes.length - rest.length)
  expectTrue(end.count === records.length && end.sha256 === sha256(before), 'the end of shipped records')
  expectTrue(records.at(-1)?.position === position, 'the newest record is that of the key')
  return records
}

/** All rows after these records, which begin with the first of the log. */
export function replay(records: readonly LogRecord[]): Rows {
  const rows: Rows = new Map()
  for (const { transactions } of records)
    for (const { operations } of transactions)
      for (const { kind, type, id, body } of operations)
        if (kind === 'put') rows.set(`${type}\0${id}`, { type, id, text: JSON.stringify(body) })
        else if (kind === 'delete') rows.delete(`${type}\0${id}`)
  return rows
}

/** "Row hash and content hash". */
export function contentHash(rows: Rows): string {
  return sumOf([...rows.values()].map(({ type, id, text }) => sha256(`${type}\0${id}\0${text}`)))
}

/** Modulo 2^256, as 64 hex digits. */
function sumOf(hashes: readonly string[]): string {
  const sum = hashes.reduce((total, hash) => total + BigInt(`0x${hash}`), 0n)
  return (sum % (1n << 256n)).toString(16).padStart(64, '0')
}

/** "Manifest". */
export function readManifest(bytes: Buffer): Manifest {
  const [first = '', ...second] = bytes.toString().split(/(?<=\n)/)
  const text = second.join('')
  const head = JSON.parse(first)
  expectTrue(head.format <= 2 && head.bytes === Buffer.byteLength(text) && head.sha256 === sha256(text), 'a manifest')
  const manifest: Manifest = JSON.parse(text)
  const counted = manifest.files.filter(({ type }) => type !== '$transactions')
  expectTrue(sumOf(counted.map(({ sum }) => sum)) === manifest.contentHash, 'the sums of a manifest')
  return manifest
}

type Blocks = { readonly lengths: readonly (readonly [number, number])[]; readonly body: Buffer }

/** Pairs of lengths and what is before the trailer. */
function readTrailer(bytes: Buffer, name: string): Blocks {
  expectTrue(bytes.subarray(-8).toString() === name, `the end ${name}`)
  const numbers = bytes.readUInt32BE(bytes.length - 12)
  const start = bytes.length - 12 - 4 * numbers
  const lengths = Array.from({ length: numbers / 2 }, (_, at) => {
    const place = start + 8 * at
    return [bytes.readUInt32BE(place), bytes.readUInt32BE(place + 4)] as const
  })
  return { lengths, body: bytes.subarray(0, start) }
}

function unpack(packed: Buffer, length: number): Buffer {
  const unpacked = zstdDecompressSync(packed)
  expectTrue(unpacked.length === length, 'the length of a block')
  return unpacked
}

function unpackBlocks({ lengths, body }: Blocks): readonly Buffer[] {
  let at = 0
  return lengths.map(([packed, unpacked]) => {
    at += packed
    return unpack(body.subarray(at - packed, at), unpacked)
  })
}

function checkFile(file: ManifestFile, bytes: Buffer): void {
  expectTrue(bytes.length === file.bytes && sha256(bytes) === file.sha256, `data file ${file.name}`)
}

function checkIndex(file: ManifestFile, bytes: Buffer): void {
  expectTrue(bytes.length === file.indexBytes && sha256(bytes) === file.indexSha256, `index file ${file.name}`)
}

export type StoredRow = {
  readonly type: string
  readonly id: string
  readonly changedAt: number
  readonly text: string
}

/** "Data files": the rows of one, in order. */
export function readDataFile(file: ManifestFile, bytes: Buffer): readonly StoredRow[] {
  checkFile(file, bytes)
  const text = Buffer.concat(unpackBlocks(readTrailer(bytes, 'sliprow1'))).toString()
  expectTrue(Buffer.byteLength(text) === file.rawBytes, `the length of ${file.name}`)
  const rows = linesOf(text).map((line) => {
    const [id = '', changedAt = '', body = ''] = line.split('\t')
    return { type: file.type, id: JSON.parse(id) as string, changedAt: Number(changedAt), text: body }
  })
  expectTrue(rows.length === file.count && rows[0]?.id === file.first && rows.at(-1)?.id === file.last, 'its rows')
  const isOrdered = rows.every(
    ({ id }, at) => at === 0 || Buffer.compare(Buffer.from(rows[at - 1]!.id), Buffer.from(id)) < 0,
  )
  expectTrue(isOrdered, `the order of ${file.name}`)
  return rows
}

const linesOf = (text: string) => text.split('\n').slice(0, -1)

/** "The index file says where each row is": one row by its range of the data file, verified. */
export function readByIndex(file: ManifestFile, data: Buffer, index: Buffer, wanted: string): string | undefined {
  checkIndex(file, index)
  const { lengths, body } = readTrailer(index, 'slipidx1')
  const [packed, unpacked] = lengths.at(-1)!
  const lines = linesOf(unpack(body.subarray(0, packed), unpacked).toString())
  const place = lines.findIndex((line) => line.startsWith(`${JSON.stringify(wanted)}\t`))
  if (place < 0) return undefined
  const [, block = 0, offset = 0, length = 0] = lines[place]!.split('\t').map(Number)
  const start = lengths.slice(0, block).reduce((sum, [bytes]) => sum + bytes, 0)
  const [blockPacked, blockUnpacked] = lengths[block]!
  const line = unpack(data.subarray(start, start + blockPacked), blockUnpacked).subarray(offset, offset + length)
  const [id = '', , text = ''] = line.toString().trimEnd().split('\t')
  const hash = body.subarray(packed + 32 * place, packed + 32 * (place + 1)).toString('hex')
  expectTrue(JSON.parse(id) === wanted && sha256(`${file.type}\0${wanted}\0${text}`) === hash, `the row ${wanted}`)
  return text
}

/** "Files of families": entries, sums and rows of each, read by the index. */
export function readFamilies(
  file: ManifestFile,
  data: Buffer,
  index: Buffer,
): readonly (Family & { readonly rows: readonly StoredRow[] })[] {
  checkFile(file, data)
  checkIndex(file, index)
  const blocks = unpackBlocks(readTrailer(data, 'slipfam1'))
  const { lengths, body } = readTrailer(index, 'slipfix1')
  const [packed, unpacked] = lengths.at(-1)!
  return linesOf(unpack(body.subarray(0, packed), unpacked).toString()).map((line, number) => {
    const [id, block, offset, length, count, entry] = JSON.parse(line) as [
      string,
      number,
      number,
      number,
      number,
      unknown[],
    ]
    const [head = '', ...lines] = linesOf(blocks[block]!.subarray(offset, offset + length).toString())
    const [mark, family, zero, ...rest] = head.split('\t')
    expectTrue(mark === '"$entry"' && JSON.parse(family!) === id && zero === '0', `the entry of ${id}`)
    expectTrue(JSON.stringify(JSON.parse(rest.join('\t'))) === JSON.stringify(entry), `the two entries of ${id}`)
    const rows = lines.map((text) => {
      const [type = '', rowId = '', changedAt = '', rowText = ''] = text.split('\t')
      return { type: JSON.parse(type), id: JSON.parse(rowId), changedAt: Number(changedAt), text: rowText }
    })
    const sum = sumOf(rows.map((row) => sha256(`${row.type}\0${row.id}\0${row.text}`)))
    const stored = body.subarray(packed + 32 * number, packed + 32 * (number + 1)).toString('hex')
    expectTrue(rows.length === count && sum === stored, `the rows of ${id}`)
    return { id, entry, sum, rows }
  })
}

export type Export = {
  readonly header: Readonly<Record<string, unknown>>
  readonly rows: Rows
  readonly counts: Readonly<Record<string, number>>
}

/** "Export". */
export function readExport(bytes: Buffer): Export {
  const lines = linesOf(bytes.toString())
  const last = lines.pop() ?? ''
  const end = JSON.parse(last)
  const before = bytes.subarray(0, bytes.length - Buffer.byteLength(last) - 1)
  expectTrue(end.end === true && end.sha256 === sha256(before), 'the end of an export')
  const header = JSON.parse(lines.shift() ?? '')
  expectTrue(header.kind === 'slipway-export' && header.format === 1, 'the beginning of an export')
  const rows: Rows = new Map()
  for (const line of lines) {
    const { type, id, body } = JSON.parse(line)
    rows.set(`${type}\0${id}`, { type, id, text: JSON.stringify(body) })
  }
  expectTrue(contentHash(rows) === header.contentHash && rows.size === header.count, 'the rows of an export')
  return { header, rows, counts: end.counts }
}

/** "The file": its records, and its rows with those of cold families as a sum. */
export function readDatabaseFile(path: string): {
  readonly position: number
  readonly records: readonly LogRecord[]
  readonly rows: Rows
  readonly contentHash: string
} {
  const db = new DatabaseSync(path, { readOnly: true })
  try {
    const meta = db.prepare('SELECT * FROM meta').get()!
    const newest = db.prepare('SELECT * FROM log ORDER BY position DESC LIMIT 1').get()
    const isNewer = newest !== undefined && Number(newest.position) > Number(meta.position)
    const state = isNewer ? newest : meta
    expectTrue(db.prepare('PRAGMA application_id').get()!.application_id === 0x536c6970, 'the application')
    const records = db
      .prepare('SELECT * FROM log ORDER BY position')
      .all()
      .map(({ position, hash, bytes }) => {
        const record = readRecord(Buffer.from(bytes as Uint8Array))
        expectTrue(record.position === position && record.hash === hash, `record ${position}`)
        return record
      })
    const rows: Rows = new Map()
    const hashes: string[] = []
    const query =
      'SELECT t.name AS type, r.id, r.body, r.hash FROM stored_row r JOIN stored_type t ON t.number = r.type'
    for (const { type, id, body, hash } of db.prepare(query).all()) {
      const text = String(body)
      hashes.push(Buffer.from(hash as Uint8Array).toString('hex'))
      expectTrue(sha256(`${type}\0${id}\0${text}`) === hashes.at(-1), `the hash of ${type} ${id}`)
      rows.set(`${type}\0${id}`, { type: String(type), id: String(id), text })
    }
    for (const { sum } of db.prepare('SELECT sum FROM family WHERE file IS NOT NULL').all())
      hashes.push(Buffer.from(sum as Uint8Array).toString('hex'))
    expectTrue(sumOf(hashes) === state.content_hash, 'the content hash')
    expectTrue(records.length === 0 || records.at(-1)!.hash === state.hash, 'the newest record')
    return { position: Number(state.position), records, rows, contentHash: String(state.content_hash) }
  } finally {
    db.close()
  }
}

export type LogFrame = {
  readonly firstByte: number
  readonly firstLine: number
  readonly lines: number
  readonly rawBytes: number
  readonly isWholeLog: boolean
  /** When each line that begins behind the first byte began. */
  readonly lineTimes: readonly number[]
  readonly firstAt: number
  readonly errorLines: readonly number[]
  readonly bytes: Buffer
}

/** "Logs of steps": one frame. */
export function readFrame(object: Buffer): LogFrame {
  expectTrue(object.subarray(0, 4).equals(Buffer.from([0x53, 0x4c, 0x46, 1])), 'the beginning of a frame')
  const [indexBytes, dataBytes] = [object.readUInt32BE(4), object.readUInt32BE(8)]
  const index = object.subarray(20, 20 + indexBytes)
  const data = object.subarray(20 + indexBytes)
  expectTrue(data.length === dataBytes && crc32(data) === object.readUInt32BE(16), 'the data of a frame')
  const covered = Buffer.concat([object.subarray(0, 12), index])
  expectTrue(crc32(covered) === object.readUInt32BE(12), 'the index of a frame')
  let at = 0
  const next = () => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = index[at++]!
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
  }
  const list = (from: number) => {
    let last = from
    return Array.from({ length: next() }, () => (last += next()))
  }
  const [firstByte, sizeBytes, firstLine, lines, rawBytes, flags] = [next(), next(), next(), next(), next(), next()]
  if (flags & 2) at += 32
  const firstAt = next()
  let time = firstAt
  const lineTimes = Array.from({ length: next() }, () => {
    const count = next()
    const moved = next()
    time += moved % 2 === 0 ? moved / 2 : -(moved + 1) / 2
    return Array.from({ length: count }, () => time)
  }).flat()
  list(0)
  const errorLines = list(firstLine)
  expectTrue(at === index.length, 'the end of an index')
  const bytes = zstdDecompressSync(data)
  expectTrue(
    bytes.length === sizeBytes && bytes.filter((byte) => byte === 0x0a).length === lines,
    'the bytes of a frame',
  )
  expectTrue((bytes.at(-1) === 0x0a) === ((flags & 1) === 1), 'whether a frame ends a line')
  return { firstByte, firstLine, lines, rawBytes, isWholeLog: (flags & 4) === 4, lineTimes, firstAt, errorLines, bytes }
}

/** The whole log of a step, from its frames. */
export function readLog(objects: ReadonlyMap<string, Buffer>, runTask: string, step: string): Buffer {
  const folder = `logs/${runTask}/${step}`
  const whole = objects.get(`${folder}.zst`)
  if (whole) {
    const frame = readFrame(whole)
    expectTrue(frame.isWholeLog, 'a log of one frame')
    return frame.bytes
  }
  const keys = [...objects.keys()].filter((key) => key.startsWith(`${folder}/`) && key.endsWith('.zst')).sort()
  const parts: Buffer[] = []
  let length = 0
  for (const key of keys) {
    const frame = readFrame(objects.get(key)!)
    expectTrue(key === `${folder}/${String(frame.firstByte).padStart(16, '0')}.zst`, `the name of ${key}`)
    if (frame.firstByte < length) continue
    expectTrue(frame.firstByte === length, `a gap before ${key}`)
    parts.push(frame.bytes)
    length += frame.bytes.length
  }
  const log = Buffer.concat(parts)
  const end = objects.get(`${folder}/end`)
  if (end) {
    const { sizeBytes, sha256: hash } = JSON.parse(end.toString())
    expectTrue(sizeBytes === length && hash === sha256(log), 'the end of a log')
  }
  return log
}
