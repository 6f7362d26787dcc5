// One stream with the exports of several databases, one after the other: replaces all of them, or none.

import { SlipwayError } from '../../lib/errors.ts'
import type { LogKind } from '../log/log-kind.ts'
import { type ExportHeader, invalid, parseExportHeader } from './export-format.ts'
import type { SecretsImport } from './export-secrets.ts'
import { type Imported, type ImportOptions, type PreparedImport, prepareImport } from './import-database.ts'

/** A header is short; what is longer is none. */
const headerBytesMax = 64 * 1024
const trailerStart = Buffer.from('{"end":true')

export type ImportTarget = Pick<ImportOptions, 'place' | 'types' | 'maintenance' | 'closeOld'>

export type ImportRequest = {
  readonly signal: AbortSignal
  /** As ImportOptions.openSecrets. */
  readonly openSecrets?: (header: ExportHeader) => SecretsImport | undefined
  /** As ImportOptions.logKind, for all of them. */
  readonly logKind?: LogKind
  /** The stream must be of this database alone. */
  readonly only?: string
}

/**
 * Reads, verifies and writes all of them before the first is put in force. `targetOf`: where a database is; what it throws ends
 * the import. Errors: as importDatabase, and nothing was changed; an error after the first was put in force is of the
 * storage or the log, and the import is completed when the databases are opened or by repeating it.
 */
export async function importExports(
  stream: AsyncIterable<Uint8Array>,
  targetOf: (database: string) => Promise<ImportTarget> | ImportTarget,
  { signal, openSecrets, only, logKind, now }: ImportRequest & { readonly now: number },
): Promise<readonly Imported[]> {
  const prepared = new Map<string, PreparedImport>()
  try {
    for await (const part of splitExports(stream)) {
      const { database } = part.header
      if (only !== undefined && database !== only) throw invalid(`it is of the database "${database}", not "${only}"`)
      if (prepared.has(database)) throw invalid(`it has the database "${database}" twice`)
      const target = await targetOf(database)
      const options = { ...target, database, stream: part.stream, now, signal, ...(logKind ? { logKind } : {}) }
      prepared.set(database, await prepareImport({ ...options, ...(openSecrets ? { openSecrets } : {}) }))
    }
    if (prepared.size === 0) throw invalid('it is empty')
    const imported: Imported[] = []
    for (const one of prepared.values()) imported.push(await one.commit())
    return imported
  } catch (error) {
    for (const one of prepared.values()) if (!one.isCommitting) await one.discard()
    throw error
  }
}

type Part = { readonly header: ExportHeader; readonly stream: AsyncIterable<Uint8Array> }

/** The exports in a stream; each must be read to its end before the next. */
export async function* splitExports(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Part> {
  const chunks = stream[Symbol.asyncIterator]()
  let rest: Buffer = Buffer.alloc(0)
  let isDone = false
  const more = async () => {
    const next = await chunks.next()
    if (next.done) isDone = true
    else rest = Buffer.concat([rest, next.value])
  }
  async function* untilTrailer(): AsyncGenerator<Uint8Array> {
    /** Where in `rest` the line begins that is looked at, and whether it is the trailer. */
    let lineStart = 0
    for (;;) {
      const end = rest.indexOf(0x0a, lineStart)
      if (end >= 0) {
        const isTrailer = rest.subarray(lineStart, lineStart + trailerStart.length).equals(trailerStart)
        lineStart = end + 1
        if (!isTrailer) continue
        const last = rest.subarray(0, lineStart)
        rest = rest.subarray(lineStart)
        yield last
        return
      }
      if (lineStart > 0) {
        yield rest.subarray(0, lineStart)
        rest = rest.subarray(lineStart)
        lineStart = 0
      }
      if (isDone) {
        // Without a trailer: whoever reads it says so.
        if (rest.length > 0) yield rest
        rest = Buffer.alloc(0)
        return
      }
      // A line without end would be gathered for ever.
      if (rest.length > lineBytesMax) throw invalid('a line is longer than any row')
      await more()
    }
  }
  try {
    for (;;) {
      while (rest.indexOf(0x0a) < 0 && !isDone && rest.length <= headerBytesMax) await more()
      if (rest.length === 0 && isDone) return
      const end = rest.indexOf(0x0a)
      if (end < 0) throw invalid(isDone ? 'its last line has no end, so it is cut off' : 'its header is too long')
      yield { header: parseExportHeader(rest.subarray(0, end).toString()), stream: untilTrailer() }
    }
  } finally {
    await chunks.return?.()
  }
}

/** As in import-database.ts, where what is too long is refused by number. */
const lineBytesMax = 1024 * 1024

/** For those who take exactly one database by name. */
export function unknownDatabase(name: string, known: readonly string[]): SlipwayError {
  return new SlipwayError('usage', `there is no database ${JSON.stringify(name)} here, but ${known.join(', ')}`)
}
