// An export of Agola as an export of Slipway, and what was dropped. Objects come in an order of their own, rows are wanted in
// the order of types and ids, and there may be a million: so both go through a temporary SQLite file.

import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { type ConfigstoreSchema, configstoreRowTypes } from '../../configstore/row-types.ts'
import { Keyring } from '../../configstore/secrets/keyring.ts'
import type { User } from '../../configstore/types.ts'
import { genesisHash } from '../../datamanager/change-log.ts'
import { encodeExportHeader, encodeExportRow, encodeExportTrailer } from '../../datamanager/export/export-format.ts'
import { openDatabase } from '../../datamanager/open-database.ts'
import { encodeSum, moveSum, rowHash } from '../../datamanager/read-model/content-hash.ts'
import { systemClock } from '../../lib/clock.ts'
import type { Json } from '../../lib/json.ts'
import { limits } from '../../lib/limits.ts'
import type { SealingKey } from '../../lib/sealing.ts'
import { newUuid } from '../../lib/uuid.ts'
import type { AgolaService } from './agola-services.ts'
import { type ConfigRow, configKinds, configRows } from './config-rows.ts'
import { type AgolaImportReport, ReportBuilder } from './import-report.ts'
import { type AgolaObject, invalid, readAgolaExport } from './read-agola-export.ts'
import { droppedRunKinds, type ImportedRow, readRunCounter, runConfigIdOf, runRows, sequenceOf } from './run-rows.ts'

export type ConvertOptions = {
  readonly service: AgolaService
  /** Of the database that takes the rows: sealed values are bound to it. */
  readonly storeId: string
  readonly key: SealingKey
  /** Milliseconds. */
  readonly now: number
  readonly signal?: AbortSignal
}

export type ConvertedExport = AsyncDisposable & {
  readonly report: AgolaImportReport
  /** As `slipway export` writes it. Read once. */
  readonly stream: AsyncIterable<Uint8Array>
}

/** Objects that are written in one transaction; each may seal some values. */
const batchRows = 50
/** Rows that one chunk of the stream has. */
const chunkRows = 256

/** Reads everything. Errors: `import_invalid`, `limit_exceeded`; disposing removes the temporary file. */
export async function convertAgolaExport(
  stream: AsyncIterable<Uint8Array>,
  options: ConvertOptions,
): Promise<ConvertedExport> {
  await using undo = new AsyncDisposableStack()
  const staging = undo.use(new Staging())
  const report = new ReportBuilder()
  for await (const object of readAgolaExport(stream)) {
    options.signal?.throwIfAborted()
    report.format = object.format
    report.read(object.kind)
    staging.add(object)
  }
  if (options.service === 'configstore') await stageConfigRows(staging, report, options)
  else stageRunRows(staging, report, options)
  const { contentHash, count } = staging.sum()
  const { service: database, storeId: store, now: createdAt } = options
  const place = { store, generation: newUuid(createdAt), position: 0, hash: genesisHash }
  const header = encodeExportHeader({ database, ...place, contentHash, count, createdAt })
  const owned = undo.move()
  return {
    report: report.build(),
    stream: encodeStream(header, staging),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function stageRunRows(staging: Staging, report: ReportBuilder, options: ConvertOptions): void {
  const sealing = { storeId: options.storeId, key: options.key }
  const write = ({ type, id, body }: ImportedRow) => {
    staging.write(type, id, JSON.stringify(body))
    report.wrote(type)
  }
  const counters = new Map<string, number>()
  const count = (name: string, value: number) => counters.set(name, Math.max(counters.get(name) ?? 0, value))
  for (const object of staging.objects('RunCounter')) {
    const counter = readRunCounter(object, report)
    if (counter) count(counter.name, counter.value)
  }
  let sequence = 0
  for (const object of staging.runs()) {
    const configId = runConfigIdOf(object)
    // Agola v0.7 has no sequence; its ids are in the order of creation.
    sequence = Math.max(sequence + 1, sequenceOf(object) ?? 0)
    const config = staging.take('RunConfig', configId)
    for (const row of runRows(object, config, { sequence, report, sealing })) {
      write(row)
      if (row.type !== 'run') continue
      const { group, counter } = row.body as { readonly group: string; readonly counter: number }
      count(group.split('/')[2] ?? '', counter)
    }
  }
  for (const { id } of staging.objects('RunConfig')) report.drop('RunConfig', 'no run has it', id)
  for (const [name, value] of counters) write({ type: 'counter', id: name, body: { value } })
  if (sequence > 0) write({ type: 'sequence', id: 'run', body: { value: sequence } })
  const events = staging.highest('RunEvent', 'Sequence')
  if (events > 0) write({ type: 'sequence', id: 'runevent', body: { value: events } })
  for (const kind of staging.kinds()) {
    if (['Run', 'RunConfig', 'RunCounter'].includes(kind)) continue
    const why = Object.hasOwn(droppedRunKinds, kind) ? droppedRunKinds[kind] : undefined
    for (const { id } of staging.objects(kind)) report.drop(kind, why ?? 'it is not known', id)
  }
}

/** Through a configstore's own keyring, on a database that is thrown away: so its keys are made where they always are. */
async function stageConfigRows(staging: Staging, report: ReportBuilder, options: ConvertOptions): Promise<void> {
  const types = configstoreRowTypes
  const path = join(staging.folder, 'configstore.db')
  await using db = await openDatabase<ConfigstoreSchema>({ path, types, clock: systemClock })
  const keyring = await Keyring.open(db, [options.key], options.now)
  const write = async (rows: readonly ConfigRow[]) => {
    await db.do((tx) => {
      for (const { type, id, body, sealed = [] } of rows) {
        tx.put(type as 'user', id, body as User) // config-rows.ts gives each type its body
        for (const value of sealed) keyring.put(tx, value.type, id, value.field, value.value)
      }
    })
  }
  let batch: ConfigRow[] = []
  for (const row of configRows(staging, { report, now: options.now })) {
    options.signal?.throwIfAborted()
    if (Buffer.byteLength(JSON.stringify(row.body)) > limits.rowBytes.value) {
      report.drop(row.type, `it has more than ${limits.rowBytes.value} bytes`, row.id)
      continue
    }
    batch.push(row)
    if (batch.length < batchRows) continue
    await write(batch)
    batch = []
  }
  await write(batch)
  for (const type of Object.keys(types) as (keyof typeof types)[])
    for (const { id, body } of db.view((tx) => tx.list(type))) {
      staging.write(type, id, JSON.stringify(body))
      report.wrote(type)
    }
  for (const kind of staging.kinds()) {
    if (configKinds.some((known) => known === kind)) continue
    for (const { id } of staging.objects(kind)) report.drop(kind, 'it is not known', id)
  }
}

async function* encodeStream(header: string, staging: Staging): AsyncGenerator<Uint8Array> {
  const digest = createHash('sha256')
  const counts: Record<string, number> = {}
  let lines = header
  let pending = 0
  const flush = () => {
    const bytes = Buffer.from(lines)
    lines = ''
    pending = 0
    digest.update(bytes)
    return bytes
  }
  for (const { type, id, body } of staging.rows()) {
    lines += encodeExportRow(JSON.stringify(type), JSON.stringify(id), body)
    counts[type] = (counts[type] ?? 0) + 1
    if (++pending >= chunkRows) yield flush()
  }
  yield flush()
  yield Buffer.from(encodeExportTrailer({ counts, sha256: digest.digest('hex') }))
}

/** Objects of Agola by kind and id, and rows by type and id. Names are compared as UTF-8 bytes, as SQLite does. */
class Staging implements Disposable {
  readonly folder: string
  readonly #db: DatabaseSync
  readonly #insert: StatementSync
  readonly #write: StatementSync
  readonly #take: StatementSync

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'slipway-agola-'))
    this.#db = new DatabaseSync(join(this.folder, 'staging'))
    // Nothing of it has to survive anything; values of secrets are in it, so it is this process's alone.
    this.#db.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;
      CREATE TABLE object (kind TEXT, id TEXT, format TEXT, value TEXT, sequence INTEGER, PRIMARY KEY (kind, id));
      CREATE TABLE row (type TEXT, id TEXT, body TEXT, PRIMARY KEY (type, id)) WITHOUT ROWID;
      BEGIN`)
    this.#insert = this.#db.prepare('INSERT OR IGNORE INTO object VALUES (?, ?, ?, ?, ?)')
    this.#write = this.#db.prepare('INSERT OR IGNORE INTO row VALUES (?, ?, ?)')
    this.#take = this.#db.prepare('DELETE FROM object WHERE kind = ? AND id = ? RETURNING *')
  }

  add(object: AgolaObject): void {
    const { kind, id, format, value } = object
    const { changes } = this.#insert.run(kind, id, format, JSON.stringify(value), sequenceOf(object) ?? null)
    if (Number(changes) === 0) throw invalid(`it has ${kind} ${id} twice`)
  }

  *objects(kind: string): Generator<AgolaObject> {
    yield* this.#select('SELECT * FROM object WHERE kind = ? ORDER BY id', kind)
  }

  /** In the order of creation. */
  *runs(): Generator<AgolaObject> {
    yield* this.#select('SELECT * FROM object WHERE kind = ? ORDER BY ifnull(sequence, 0), id', 'Run')
  }

  /** The object, which then is gone. */
  take(kind: string, id: string): AgolaObject | undefined {
    const [found] = this.#take.all(kind, id)
    return found && asObject(found)
  }

  kinds(): readonly string[] {
    return this.#db
      .prepare('SELECT DISTINCT kind FROM object ORDER BY kind')
      .all()
      .map(({ kind }) => String(kind))
  }

  highest(kind: string, member: string): number {
    const sql = 'SELECT max(json_extract(value, ?)) AS highest FROM object WHERE kind = ?'
    const { highest } = this.#db.prepare(sql).get(`$.${member}`, kind) ?? {}
    return typeof highest === 'number' && Number.isSafeInteger(highest) ? highest : 0
  }

  write(type: string, id: string, body: string): void {
    if (Number(this.#write.run(type, id, body).changes) === 0) throw invalid(`two of its objects are ${type} ${id}`)
  }

  *rows(): Generator<{ readonly type: string; readonly id: string; readonly body: string }> {
    const select = this.#db.prepare('SELECT type, id, body FROM row ORDER BY type, id')
    yield* select.iterate() as Iterable<{ type: string; id: string; body: string }>
  }

  sum(): { readonly contentHash: string; readonly count: number } {
    let sum = 0n
    let count = 0
    for (const { type, id, body } of this.rows()) {
      sum = moveSum(sum, rowHash(type, id, body), undefined)
      count++
    }
    return { contentHash: encodeSum(sum), count }
  }

  [Symbol.dispose](): void {
    this.#db.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  *#select(sql: string, kind: string): Generator<AgolaObject> {
    for (const found of this.#db.prepare(sql).iterate(kind)) yield asObject(found)
  }
}

function asObject(found: Record<string, unknown>): AgolaObject {
  const { kind, id, format, value } = found as { kind: string; id: string; format: 'v0.7'; value: string }
  return { kind, id, format, value: JSON.parse(value) as Json }
}
