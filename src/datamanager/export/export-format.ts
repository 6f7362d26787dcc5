// An export as text: a header, one line for each row, a trailer. Byte by byte: docs/storage.md, "Export".

import { errorMessage, SlipwayError } from '../../lib/errors.ts'
import type { Json, JsonObject } from '../../lib/json.ts'
import type { RecordHash } from '../change-log.ts'
import type { Position } from '../database.ts'
import type { Identity } from '../read-model/sqlite.ts'
import type { RowFrame } from '../snapshot/data-file.ts'

export const exportFormat = 1
const exportKind = 'slipway-export'

export type ExportHeader = Identity & {
  /** Which database of an installation, such as `runservice`. */
  readonly database: string
  readonly position: Position
  /** Of the record at `position`. */
  readonly hash: RecordHash
  /** Of the rows that follow. */
  readonly contentHash: string
  /** How many they are. */
  readonly count: number
  /** When the snapshot was made. */
  readonly createdAt: number
  /** How the passphrase of the `secrets` of the rows becomes a key; undefined when there are none. */
  readonly secrets?: JsonObject
}

export type ExportTrailer = {
  /** Rows of each type. */
  readonly counts: Readonly<Record<string, number>>
  /** SHA-256 of everything before the trailer's line. */
  readonly sha256: string
}

export type ExportRow = {
  readonly type: string
  readonly id: string
  readonly body: Json
  /** Its sealed values, under the passphrase of the export. */
  readonly secrets?: JsonObject
}
export type ExportLine =
  | { readonly kind: 'row'; readonly row: ExportRow }
  | { readonly kind: 'trailer'; readonly trailer: ExportTrailer }

export function encodeExportHeader(header: ExportHeader): string {
  return `${JSON.stringify({ kind: exportKind, format: exportFormat, ...header })}\n`
}

/** All are JSON text. */
export function encodeExportRow(type: string, id: string, body: string, secrets?: string): string {
  return `{"type":${type},"id":${id},"body":${body}${secrets === undefined ? '' : `,"secrets":${secrets}`}}\n`
}

/** What encodeExportRow puts around id and body of rows of a type, each byte of it as one character. */
export function exportRowFrame(type: string): RowFrame {
  return [`{"type":${Buffer.from(JSON.stringify(type)).toString('latin1')},"id":`, ',"body":', '}\n']
}

export function encodeExportTrailer(trailer: ExportTrailer): string {
  return `${JSON.stringify({ end: true, ...trailer })}\n`
}

/** Errors: `import_invalid` for what is no export, `database_too_new` for one of a later format. */
export function parseExportHeader(line: string): ExportHeader {
  const value = parseLine(line, 'the header')
  if (value.kind !== exportKind) throw invalid('it does not begin with the header of an export of Slipway')
  if (typeof value.format !== 'number') throw invalid('its header has no format')
  if (value.format > exportFormat)
    throw new SlipwayError(
      'database_too_new',
      `import: the export has format ${value.format}, this version reads ${exportFormat}: upgrade`,
    )
  const text = (name: string): string => {
    const found = value[name]
    if (typeof found !== 'string') throw invalid(`its header has no ${name}`)
    return found
  }
  const number = (name: string): number => {
    const found = value[name]
    if (typeof found !== 'number') throw invalid(`its header has no ${name}`)
    return found
  }
  if (!/^[0-9a-f]{64}$/.test(text('contentHash'))) throw invalid('the content hash of its header is none')
  return {
    database: text('database'),
    store: text('store'),
    generation: text('generation'),
    position: number('position'),
    hash: text('hash'),
    contentHash: text('contentHash'),
    count: number('count'),
    createdAt: number('createdAt'),
    ...(isObject(value.secrets) ? { secrets: value.secrets } : {}),
  }
}

/** Errors: `import_invalid`. */
export function parseExportLine(line: string, number: number): ExportLine {
  const value = parseLine(line, `line ${number}`)
  const { type, id, body, secrets, end, counts, sha256 } = value
  if (end === true) {
    if (typeof sha256 !== 'string' || typeof counts !== 'object' || counts === null)
      throw invalid(`line ${number} is no trailer`)
    return { kind: 'trailer', trailer: { counts: counts as Readonly<Record<string, number>>, sha256 } }
  }
  if (typeof type !== 'string' || typeof id !== 'string' || body === undefined)
    throw invalid(`line ${number} is no row`)
  return { kind: 'row', row: { type, id, body, ...(isObject(secrets) ? { secrets } : {}) } }
}

export function invalid(what: string, cause?: unknown): SlipwayError {
  return new SlipwayError('import_invalid', `import: ${what}; nothing was changed`, { cause })
}

function parseLine(line: string, what: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw invalid(`${what} is no JSON (${errorMessage(cause).slice(0, 100)})`, cause)
  }
  if (!isObject(value)) throw invalid(`${what} is no object`)
  return value
}

/** For what JSON.parse made. */
function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
