// The two export formats of Agola, as a stream of objects (docs/storage.md, "Exports of Agola"):
//
//   v0.7    {"id":"...","data_type":"run","data":"<base64 of the object's JSON>"}
//   newer   {"exportMeta":{"kind":"Run"},"id":"...", ...the object's own members}
//
// Objects follow each other with or without white space between. There is no header, count or checksum: a stream that is cut
// between two objects cannot be told from a whole one, so what refers to something that is missing is reported.

import { SlipwayError } from '../../lib/errors.ts'
import type { Json, JsonObject } from '../../lib/json.ts'

export type AgolaFormat = 'v0.7' | 'newer'

export type AgolaObject = {
  readonly format: AgolaFormat
  /** As the newer format names it, also for objects of the older one. */
  readonly kind: string
  readonly id: string
  readonly value: Json
}

/** Agola has no limit; a run of ten thousand tasks stays below. */
const objectBytesMax = 256 * 1024 * 1024

/** Names of v0.7's data types in the newer format. */
const kindOfDataType: Readonly<Record<string, string>> = {
  run: 'Run',
  runconfig: 'RunConfig',
  runcounter: 'RunCounter',
  user: 'User',
  org: 'Organization',
  orgmember: 'OrganizationMember',
  projectgroup: 'ProjectGroup',
  project: 'Project',
  remotesource: 'RemoteSource',
  secret: 'Secret',
  variable: 'Variable',
}

/** Errors: `import_invalid` with the number of the object and what is wrong with it. */
export async function* readAgolaExport(stream: AsyncIterable<Uint8Array>): AsyncGenerator<AgolaObject> {
  let number = 0
  let format: AgolaFormat | undefined
  for await (const text of splitObjects(stream)) {
    number++
    const object = parseObject(text, number)
    if (format !== undefined && object.format !== format)
      throw invalid(`object ${number} is of the format ${object.format}, those before it are of ${format}`)
    format = object.format
    yield object
  }
  if (format === undefined) throw invalid('it is empty')
}

function parseObject(text: string, number: number): AgolaObject {
  const value = parseJson(text, `object ${number}`)
  if (!isObject(value)) throw invalid(`object ${number} is no object`)
  if (isObject(value.exportMeta)) {
    const { exportMeta, ...members } = value
    const { kind } = exportMeta as JsonObject // asked above
    if (typeof kind !== 'string' || typeof members.id !== 'string')
      throw invalid(`object ${number} has no kind or no id`)
    return { format: 'newer', kind, id: members.id, value: members }
  }
  const { id, data_type: type, data } = value
  if (typeof id !== 'string' || typeof type !== 'string' || typeof data !== 'string')
    throw invalid(`object ${number} is neither of Agola v0.7 nor of a newer version`)
  const decoded = Buffer.from(data, 'base64')
  // Damaged base64 decodes to something else, or to less.
  if (decoded.toString('base64').replace(/=+$/, '') !== data.replace(/=+$/, ''))
    throw invalid(`the data of object ${number} is no base64`)
  const kind = kindOfDataType[type] ?? type
  return { format: 'v0.7', kind, id, value: parseJson(decoded.toString(), `the data of object ${number}`) }
}

/** The texts of the objects, found by their braces. */
async function* splitObjects(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const parts: Buffer[] = []
  let size = 0
  let depth = 0
  let isInString = false
  let isEscaped = false
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    let start = 0
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at]
      if (isInString) {
        if (isEscaped) isEscaped = false
        else if (byte === 0x5c) isEscaped = true
        else if (byte === 0x22) isInString = false
      } else if (byte === 0x22 && depth > 0) isInString = true
      else if (byte === 0x7b) {
        if (depth === 0) start = at
        depth++
      } else if (byte === 0x7d && depth > 0) {
        depth--
        if (depth > 0) continue
        parts.push(bytes.subarray(start, at + 1))
        yield Buffer.concat(parts).toString()
        parts.length = 0
        size = 0
        start = at + 1
      } else if (depth === 0 && byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)
        throw invalid('there is something that is no object between two objects, or before the first')
    }
    if (depth === 0) continue
    parts.push(Buffer.from(bytes.subarray(start)))
    size += bytes.length - start
    if (size > objectBytesMax) throw invalid('an object does not end')
  }
  if (depth > 0) throw invalid('its last object does not end, so it is cut off')
}

function parseJson(text: string, what: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (cause) {
    throw invalid(`${what} is no JSON`, cause)
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function invalid(what: string, cause?: unknown): SlipwayError {
  return new SlipwayError('import_invalid', `import of Agola's export: ${what}; nothing was changed`, { cause })
}
