// Reads an export and verifies it: its hash, the order and number of its rows, and that each can be a row of this version.
// Whether the rows have the content hash of the header is known when they are written (import-database.ts).

import { createHash } from 'node:crypto'
import { compareUtf8 } from '../../lib/compare-utf8.ts'
import { limits } from '../../lib/limits.ts'
import type { RowTypes } from '../database.ts'
import { moveSum, rowHash } from '../read-model/content-hash.ts'
import { encodeIndexKey } from '../read-model/index-key.ts'
import { type ExportHeader, type ExportRow, invalid, parseExportHeader, parseExportLine } from './export-format.ts'
import type { SecretsImport } from './export-secrets.ts'

/** A line is a row, perhaps with its sealed values once more; what is longer cannot be one. */
const lineBytesMax = 4 * limits.rowBytes.value + 16 * 1024

export type ReadExportOptions = {
  readonly stream: AsyncIterable<Uint8Array>
  /** Which one it must be of. */
  readonly database: string
  readonly types: RowTypes
  /** Of the database that is replaced; undefined takes the one of the export. */
  readonly store: string | undefined
  /** As ImportOptions.openSecrets. */
  readonly openSecrets: ((header: ExportHeader) => SecretsImport | undefined) | undefined
  readonly signal: AbortSignal | undefined
  /** Takes each row and its body as it is to be stored, in order; what it returns is awaited before the next one. */
  readonly onRow: (row: ExportRow, body: string) => Promise<void> | undefined
}

export type ReadExport = {
  readonly header: ExportHeader
  readonly store: string
  /** What the content hash of the rows that were given is more than that of the header, for secrets were sealed anew. */
  readonly difference: bigint
}

/** Errors: `import_invalid`, `database_too_new`, what `openSecrets` and `onRow` throw. */
export async function readExport(options: ReadExportOptions): Promise<ReadExport> {
  const { stream, database, types, openSecrets, signal, onRow } = options
  const digest = createHash('sha256')
  const counts = new Map<string, number>()
  let header: ExportHeader | undefined
  let secrets: SecretsImport | undefined
  let store = ''
  let difference = 0n
  let isEnded = false
  let number = 0
  let before: RowPlace = { type: '', id: undefined }
  for await (const lines of wholeLines(stream)) {
    signal?.throwIfAborted()
    let hashedTo = 0
    for (let at = 0, end = lines.indexOf(lineFeed); end >= 0; at = end + 1, end = lines.indexOf(lineFeed, at)) {
      number++
      if (isEnded) throw invalid('something follows its trailer')
      const text = lines.toString('utf8', at, end)
      if (!header) {
        header = parseExportHeader(text)
        if (header.database !== database) throw invalid(`it is of the database "${header.database}", not "${database}"`)
        store = options.store ?? header.store
        secrets = openSecrets?.(header)
        continue
      }
      const plain = parsePlainRow(text, before.type)
      const parsed = plain ?? parseExportLine(text, number)
      if (parsed.kind === 'trailer') {
        digest.update(lines.subarray(hashedTo, at))
        hashedTo = lines.length
        checkTrailer(parsed.trailer, { sha256: digest.digest('hex'), counts })
        isEnded = true
        continue
      }
      const { row } = parsed
      checkRow(row, before, number)
      checkIndexes(row, types, number)
      let body = plain?.body ?? JSON.stringify(row.body)
      if (secrets && row.secrets) {
        const hashBefore = rowHash(row.type, row.id, body)
        body = JSON.stringify(secrets.unwrap({ ...row, store }, row.secrets))
        difference = moveSum(difference, rowHash(row.type, row.id, body), hashBefore)
      }
      if (isLonger(body, limits.rowBytes.value)) throw invalid(`line ${number}: the row is too large`)
      counts.set(row.type, (counts.get(row.type) ?? 0) + 1)
      before = row
      const taking = onRow(row, body)
      if (taking) await taking
    }
    if (!isEnded) digest.update(lines.subarray(hashedTo))
  }
  if (!header) throw invalid('it is empty')
  if (!isEnded) throw invalid('it ends without its trailer, so it is cut off')
  return { header, store, difference }
}

const lineFeed = 0x0a
type RowPlace = { readonly type: string; readonly id: string | undefined }

type PlainRow = { readonly kind: 'row'; readonly row: ExportRow; readonly body: string }

/**
 * A row as encodeExportRow writes it, of the type of the row before and with a plain id, without secrets; undefined for every
 * other line. Its body stays the text it is, which saves half of the work.
 */
function parsePlainRow(line: string, type: string): PlainRow | undefined {
  if (type === '') return undefined
  const begin = `{"type":${JSON.stringify(type)},"id":"`
  const idEnd = line.indexOf(between, begin.length)
  if (!line.startsWith(begin) || idEnd < 0 || !line.endsWith('}')) return undefined
  const id = line.slice(begin.length, idEnd)
  if (!plainId.test(id)) return undefined
  const body = line.slice(idEnd + between.length, -1)
  try {
    return { kind: 'row', row: { type, id, body: JSON.parse(body) as ExportRow['body'] }, body }
  } catch {
    return undefined // It says what is wrong when it is read as any other line.
  }
}

const between = '","body":'
/** Characters that stand for themselves in JSON. */
const plainId = /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/

type Trailer = { readonly sha256: string; readonly counts: Readonly<Record<string, number>> }

function checkTrailer(
  trailer: Trailer,
  { sha256, counts }: { readonly sha256: string; readonly counts: ReadonlyMap<string, number> },
): void {
  if (trailer.sha256 !== sha256) throw invalid('its bytes do not have the hash of its trailer')
  const isSame =
    Object.keys(trailer.counts).length === counts.size &&
    [...counts].every(([name, count]) => trailer.counts[name] === count)
  if (!isSame) throw invalid('it has other rows than its trailer says')
}

function checkRow(row: ExportRow, before: RowPlace, number: number): void {
  const isName = row.type !== '' && !row.type.startsWith('$') && !row.type.includes('\0')
  const isId = row.id !== '' && row.id.length <= 512 && row.id.isWellFormed() && !row.id.includes('\0')
  if (!isName || !isId) throw invalid(`line ${number}: type or id is none`)
  const order = row.type === before.type ? 0 : compareUtf8(before.type, row.type)
  const isAfter = order < 0 || (order === 0 && (before.id === undefined || compareUtf8(before.id, row.id) < 0))
  if (!isAfter) throw invalid(`line ${number} is not after the line before it`)
}

function checkIndexes({ type, id, body }: ExportRow, types: RowTypes, number: number): void {
  // A name of an export must not find what every object has.
  const { indexes, family } = (Object.hasOwn(types, type) ? types[type] : undefined) ?? {}
  for (const name in indexes)
    try {
      const key = indexes[name]!(body as never) // its type is what is found out here
      if (key !== undefined) encodeIndexKey(1, key, id)
    } catch (cause) {
      throw invalid(`line ${number}: ${type} ${id} does not fit the index "${name}" of this version`, cause)
    }
  if (!family) return
  try {
    family.isFinal(body as never) // as above
    family.entry(body as never)
  } catch (cause) {
    throw invalid(`line ${number}: ${type} ${id} does not fit the lists of this version`, cause)
  }
}

/** In UTF-8. */
function isLonger(text: string, bytesMax: number): boolean {
  return text.length > bytesMax || (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax)
}

/** Pieces that end with a line; a last line that has no end is none. */
async function* wholeLines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0)
  for await (const chunk of stream) {
    const bytes = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk])
    const end = bytes.lastIndexOf(lineFeed) + 1
    if (end > 0) yield bytes.subarray(0, end)
    rest = bytes.subarray(end)
    if (rest.length > lineBytesMax) throw invalid('a line is longer than any row')
  }
  if (rest.length > 0) throw invalid('its last line has no end, so it is cut off')
}
