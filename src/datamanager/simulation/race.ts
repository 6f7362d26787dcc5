// Several processes write to one shared log of a real backend while they and it are disturbed; afterwards the log itself is
// compared with what each of them was told.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../lib/clock.ts'
import { isSlipwayError } from '../../lib/errors.ts'
import type { Json } from '../../lib/json.ts'
import { type ObjectStorageSettings, openObjectStorage } from '../../objectstorage/open-object-storage.ts'
import { type ChangeLog, genesisHash } from '../change-log.ts'
import { openDatabaseBackend, parseDatabaseSettings } from '../database-config.ts'
import { openLogDatabase, type SharedDatabase } from '../open-log-database.ts'
import { decodeRecord } from '../record.ts'
import { SimulationFailure } from './history.ts'
import {
  type Racing,
  type RacingRows,
  racingBase,
  racingIdentity,
  racingService,
  racingSnapshots,
  racingTypes,
} from './racing-rows.ts'

export type RaceOptions = {
  readonly settings: Json
  /** Where large records and a log in object storage are; a directory of its own by default. */
  readonly storage?: ObjectStorageSettings
  readonly writers: number
  readonly callers?: number
  readonly largeBytes?: number
  /** Writers make snapshots and collect records all the time: what is compared is what the rows say. */
  readonly makesSnapshots?: boolean
  /** Disturbs; the race ends when it has. */
  readonly disturb: (race: Race) => Promise<unknown>
}

export type RaceReport = { readonly acknowledged: number; readonly records: number }

/** One writer: a process, and after its death the next one. */
export class RacingWriter {
  readonly #start: (life: number) => ChildProcess
  readonly #lines: string[] = []
  #child: ChildProcess
  #lives = 1
  #ended: Promise<number | null>
  #errors = ''
  #rest = ''

  constructor(start: (life: number) => ChildProcess) {
    this.#start = start
    this.#child = start(1)
    this.#ended = this.#follow()
  }

  /** Whole lines that were printed so far, of all lives. */
  get lines(): readonly string[] {
    return this.#lines
  }

  get acknowledged(): number {
    return this.#lines.filter((line) => line.startsWith('ok ')).length
  }

  /**
   * Resolves when so many more transactions were acknowledged to this writer. One that was overtaken by the collection has
   * ended, and is started again.
   */
  async progress(count: number): Promise<void> {
    const goal = this.acknowledged + count
    while (this.acknowledged < goal) {
      if (this.#child.exitCode !== null) {
        if (!this.#errors.includes("'history_collected'"))
          throw new SimulationFailure(`a writer has ended: ${this.#errors}`)
        this.#errors = ''
        await this.restart()
      }
      await systemClock.sleep(20)
    }
  }

  pause(): void {
    this.#child.kill('SIGSTOP')
  }

  resume(): void {
    this.#child.kill('SIGCONT')
  }

  /** As `kill -9`, and starts the next life with the read model it had. */
  async restart(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
    this.#rest = '' // a line that was cut off was not told
    this.#child = this.#start(++this.#lives)
    this.#ended = this.#follow()
  }

  /** Resolves when it commits nothing any more. */
  async stop(): Promise<void> {
    this.#child.stdin?.write('stop\n')
    while (this.#lines.at(-1) !== 'done') {
      if (this.#child.exitCode !== null) throw new SimulationFailure(`a writer has ended: ${this.#errors}`)
      await systemClock.sleep(20)
    }
  }

  /** Lets it come to its end, when all have stopped. */
  async finish(): Promise<void> {
    this.#child.stdin?.end()
    const code = await this.#ended
    if (code !== 0) throw new SimulationFailure(`a writer ended with ${code}: ${this.#errors}`)
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  #follow(): Promise<number | null> {
    const child = this.#child
    child.stdout?.on('data', (chunk: Buffer) => {
      const lines = (this.#rest + chunk.toString()).split('\n')
      this.#rest = lines.pop() ?? ''
      this.#lines.push(...lines)
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-2000)
    })
    return new Promise((resolve) => child.once('close', resolve))
  }
}

export type Race = {
  readonly writers: readonly RacingWriter[]
  /** Resolves when the log has collected what is its newest record now. */
  collected(): Promise<void>
}

/** Throws SimulationFailure when a promise was broken. */
export async function race(options: RaceOptions): Promise<RaceReport> {
  const { settings, disturb, callers = 8, largeBytes = 0, makesSnapshots = false } = options
  const folder = mkdtempSync(join(tmpdir(), 'slipway-race-'))
  const storage: ObjectStorageSettings = options.storage ?? { type: 'posix', path: join(folder, 'storage') }
  const program = join(import.meta.dirname, 'racing-process.ts')
  const writers = Array.from({ length: options.writers }, (_, number) => {
    const modelPath = join(folder, `model-${number}.db`)
    return new RacingWriter((life) => {
      const racing: Racing = {
        name: `w${number}.${life}`,
        settings,
        storage,
        modelPath,
        callers,
        largeBytes,
        makesSnapshots,
      }
      return spawn(process.execPath, [program, JSON.stringify(racing)], { stdio: ['pipe', 'pipe', 'pipe'] })
    })
  })
  try {
    await disturb({ writers, collected: () => untilCollected(settings, storage) })
    await Promise.all(writers.map((writer) => writer.stop()))
    await Promise.all(writers.map((writer) => writer.finish()))
    return await compare(options, writers, storage, join(folder, 'judge.db'))
  } finally {
    await Promise.all(writers.map((writer) => writer.kill()))
    rmSync(folder, { recursive: true, force: true })
  }
}

async function compare(
  { settings, makesSnapshots = false }: RaceOptions,
  writers: readonly RacingWriter[],
  storageSettings: ObjectStorageSettings,
  modelPath: string,
): Promise<RaceReport> {
  await using opened = await openRaced(settings, storageSettings)
  const { log, storage } = opened
  await using judge = await openLogDatabase<RacingRows>({
    ...{ path: modelPath, types: racingTypes, clock: systemClock, instanceId: 'judge', log, identity: racingIdentity },
    ...(makesSnapshots
      ? {
          shipsLog: false,
          storage: {
            place: { ost: storage, base: `${racingBase}/${racingService}` },
            snapshots: { ...racingSnapshots, records: Number.MAX_SAFE_INTEGER },
          },
        }
      : {}),
  })
  const { positionOf, head } = makesSnapshots ? readRows(judge) : await readLog(log)

  // What each was told: it is there, where they were told; and one position has one content everywhere.
  const contentAt = new Map<string, string>()
  const numbers = new Set<string>()
  let acknowledged = 0
  for (const writer of writers)
    for (const line of writer.lines) {
      const [word = '', first = '', second = '', third = ''] = line.split(' ')
      if (word === 'ok') {
        acknowledged++
        if (positionOf.get(first) !== Number(second))
          throw new SimulationFailure(
            `${first} was acknowledged at ${second}, the log has it at ${positionOf.get(first)}`,
          )
        if (numbers.has(third)) throw new SimulationFailure(`the counter was ${third} for two`)
        numbers.add(third)
      }
      if (word === 'lost' && positionOf.has(first))
        throw new SimulationFailure(`${first} was refused and is in the log`)
      if (word === 'at' || word === 'end') {
        const known = contentAt.get(first)
        if (known !== undefined && known !== second) throw new SimulationFailure(`two contents at position ${first}`)
        contentAt.set(first, second)
      }
      if (word === 'end' && Number(first) !== head)
        throw new SimulationFailure(`a writer ended at ${first}, the log at ${head}`)
    }
  if (judge.contentHash !== contentAt.get(String(head)))
    throw new SimulationFailure(`the log replayed from its start has another content at ${head}`)
  return { acknowledged, records: head }
}

type Found = { readonly positionOf: ReadonlyMap<string, number>; readonly head: number }

/** The rows say where they were written, and nobody writes one twice: as many as the counter has counted. */
function readRows(judge: Pick<SharedDatabase<RacingRows>, 'view' | 'position'>): Found {
  const { lines, counted } = judge.view((tx) => ({
    lines: tx.list('line').filter(({ id }) => !id.startsWith('large-')),
    counted: tx.get('counter', 'all')?.value ?? 0,
  }))
  if (lines.length !== counted) throw new SimulationFailure(`there are ${lines.length} lines, counted are ${counted}`)
  return { positionOf: new Map(lines.map(({ id, changedAt }) => [id, changedAt])), head: judge.position }
}

/** The log by itself: no gap, no fork, no transaction twice, a counter that misses none. */
async function readLog(log: ChangeLog): Promise<Found> {
  const positionOf = new Map<string, number>()
  let prev = genesisHash
  let head = 0
  let counted = 0
  for (;;) {
    const records = await log.read(head, 16)
    if (records.length === 0) break
    for (const record of records) {
      const decoded = decodeRecord(record)
      if (decoded.prev !== prev || record.position !== head + 1)
        throw new SimulationFailure(`record ${record.position} does not follow record ${head}`)
      head = record.position
      prev = record.hash
      for (const { operations } of decoded.transactions)
        for (const operation of operations) {
          if (operation.kind !== 'put') continue
          if (operation.type === 'counter' && (operation.body as { value: number }).value !== ++counted)
            throw new SimulationFailure(`at ${head} the counter is not ${counted}`)
          if (operation.type !== 'line' || operation.id.startsWith('large-')) continue
          if (positionOf.has(operation.id)) throw new SimulationFailure(`${operation.id} is in the log twice`)
          positionOf.set(operation.id, head)
        }
    }
  }

  return { positionOf, head }
}

async function openRaced(settings: Json, storageSettings: ObjectStorageSettings) {
  await using undo = new AsyncDisposableStack()
  const storage = undo.use(await openObjectStorage(storageSettings))
  const components = { storage, base: racingBase, clock: systemClock }
  const backend = undo.use(await openDatabaseBackend(parseDatabaseSettings(settings), components))
  const log = await backend.openLog(racingService, racingIdentity)
  if (!log) throw new Error('the embedded log is not shared')
  const owned = undo.move()
  return { storage, log, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

async function untilCollected(settings: Json, storageSettings: ObjectStorageSettings): Promise<void> {
  await using opened = await openRaced(settings, storageSettings)
  const newest = await opened.log.head()
  for (;;)
    try {
      await opened.log.read(newest - 1, 1)
      await systemClock.sleep(50)
    } catch (error) {
      if (!isSlipwayError(error, 'history_collected')) throw error
      return
    }
}
