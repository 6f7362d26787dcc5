// Several instances over one log and one bucket: records are shipped, snapshots made, old records and files collected, all
// of it several times in each seed. Instances die at any call to the bucket, stay away for longer than their records are
// kept, and lose their disks; answers of the bucket are lost, late, repeated, and its listings old.

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorMessage, isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { type LogFields, silentLogger } from '../../lib/log.ts'
import type { ObjectInfo, ObjectStorage } from '../../objectstorage/object-storage.ts'
import type { AppendResult, EncodedRecord, RecordHash } from '../change-log.ts'
import { openLogDatabase, type SharedDatabase } from '../open-log-database.ts'
import { emptyContentHash } from '../read-model/content-hash.ts'
import { type DecodedRecord, decodeRecord } from '../record.ts'
import { contentHashOf, decodeDataFile } from '../snapshot/data-file.ts'
import { positionOfKey, rowsKey, shippedPrefix } from '../snapshot/keys.ts'
import { decodeManifest, listManifests } from '../snapshot/manifest.ts'
import { restoreDatabase } from '../snapshot/restore.ts'
import { LocalRowSource, type RowSource, type RowSourceOptions } from '../snapshot/row-source.ts'
import type { SnapshotSettings } from '../snapshot/upkeep.ts'
import { Clients, type Instance } from './clients.ts'
import { Coverage } from './coverage.ts'
import { checkChanges, checkHistory, contentHashOfRows, SimulationFailure } from './history.ts'
import { LostAnswer, MemoryChangeLog, MemoryLogStore } from './memory-log.ts'
import {
  Bucket,
  type BucketCall,
  type BucketNetwork,
  MemoryObjectStorage,
  type StoredObject,
} from './memory-storage.ts'
import { type Prng, prng } from './prng.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { type Bank, bankTypes } from './workload.ts'

const bucketCalls = ['put', 'create', 'read', 'stat', 'delete', 'list'] as const satisfies readonly BucketCall[]
const faults = [
  'request lost',
  'answer lost',
  'answer lost, request late',
  'request repeated late',
  'old listing',
  'stalled',
  'crash before',
  'crash after',
] as const

/** Messages of the code under test that only happen when it recovers from something. */
const recoveries = [
  'the database was restored from object storage',
  'no snapshot could be made',
  'snapshot made',
] as const

export function storedCoverage(): Coverage {
  return new Coverage([
    ...bucketCalls.flatMap((call) => [`crash before ${call}`, `crash after ${call}`, `answer lost ${call}`]),
    'request lost',
    'answer lost, request late',
    'request repeated late',
    'old listing',
    'stalled',
    'restarted with its read model',
    'restarted without a read model',
    'away for longer than records are kept',
    'records of the log collected',
    'shipped records collected',
    'data files collected',
    'manifests collected',
    'everything lost but the bucket',
    ...recoveries,
  ])
}

export type StoredSabotage = {
  readonly source?: (source: RowSource) => RowSource
  readonly storage?: (storage: ObjectStorage) => ObjectStorage
  readonly store?: () => MemoryLogStore
  readonly settings?: Partial<SnapshotSettings>
}

const clients = 4
const ordersEach = 40
const faultRate = 0.05
/** Calls that are made seldom fail more often. */
const rarity: Partial<Record<BucketCall, number>> = { stat: 6, delete: 3, put: 1.5, create: 1.5 }
const delayMsMax = 3
const lateMsMax = 60
/** Of the small world: everything below is in proportion to it. */
const settings: SnapshotSettings = {
  records: 12,
  logBytes: 1_000_000,
  ms: 2000,
  pauseMs: 50,
  fileBytes: 1200,
  graceMs: 2000,
  shippedKeptMs: 1000,
}
const stallMsMax = 2500
const timersMax = 120_000
const identity = { store: 'simulated', generation: 'first' }
const base = 'database'

/** Remembers what the log forgets. */
export class ArchivedStore extends MemoryLogStore {
  readonly archive = new Map<number, EncodedRecord>()

  override append(record: EncodedRecord, prev: RecordHash): AppendResult {
    const result = super.append(record, prev)
    if (result.kind === 'created') this.archive.set(record.position, record)
    return result
  }
}

type Life = { isDead: boolean; number: number | undefined }
type Member = Life & Instance & { readonly db: SharedDatabase<Bank>; readonly path: string; readonly number: number }

/** Runs one seed; throws SimulationFailure when a promise of the database was broken. */
export async function simulateStored(seed: number, coverage: Coverage, sabotage: StoredSabotage = {}): Promise<void> {
  const random = prng(seed)
  const clock = new SimulatedClock()
  const folder = mkdtempSync(join(memoryFolder(), 'slipway-simulation-'))
  const store = new ArchivedStore()
  const bucket = new Bucket(clock)
  const members: (Member | undefined)[] = Array.from({ length: 2 }, () => undefined)
  const images: ReadonlyMap<string, StoredObject>[] = []
  let files = 0
  let rate = faultRate
  let failure: unknown
  let underway = 0
  let crowd: Clients | undefined
  let listed: ObjectInfo[] = []

  const background = (work: Promise<void>) => {
    underway++
    work
      .catch((error: unknown) => {
        failure ??= error
      })
      .finally(() => underway--)
  }
  const check = (message: string, isTrue: boolean) => {
    if (!isTrue) failure ??= new SimulationFailure(message)
  }

  bucket.onCreated = (key) => {
    if (!key.includes('/snapshot/')) return
    try {
      checkManifest(bucket, key, store)
    } catch (error) {
      failure ??= error
    }
  }

  const die = (life: Life) => {
    const dead = members.find((member) => member === life)
    life.isDead = true
    if (!dead) return // still starting: its start fails and is tried again
    members[dead.number] = undefined
    if (random.chance(0.2)) {
      coverage.reached('everything lost but the bucket')
      images.push(new Map(bucket.objects))
    }
    background(restart(dead))
  }
  const restart = async (dead: Member) => {
    dead.db.fail(new SlipwayError('database_failed', 'the simulated process has died'))
    await dead.db[Symbol.asyncDispose]()
    const keeps = random.chance(0.6)
    const path = keeps ? dead.path : `${folder}/model-${++files}.db`
    coverage.reached(keeps ? 'restarted with its read model' : 'restarted without a read model')
    const isLong = random.chance(0.3)
    if (isLong && keeps) coverage.reached('away for longer than records are kept')
    await clock.sleep(random.below(isLong ? 4000 : 10))
    await start(dead.number, path)
  }
  const start = async (number: number, path: string): Promise<void> => {
    // A process that dies while it starts, or cannot reach the bucket, is started again.
    for (;;) {
      const life: Life = { isDead: false, number: undefined }
      try {
        const db = await open(number, path, life)
        if (life.isDead) {
          db.fail(new SlipwayError('database_failed', 'the simulated process has died'))
          await db[Symbol.asyncDispose]()
        } else {
          members[number] = Object.assign(life, { db, path, number })
          return
        }
      } catch (error) {
        if (!(error instanceof LostAnswer)) throw error
      }
      await clock.sleep(5)
    }
  }

  const network =
    (life: Life): BucketNetwork =>
    async (call, key, act) => {
      const checkLife = () => {
        if (life.isDead) throw new LostAnswer('the instance is dead')
      }
      checkLife()
      await clock.sleep(random.below(delayMsMax))
      checkLife()
      const fault = random.chance(rate * (rarity[call] ?? 1)) ? random.pick(faults) : undefined
      const before = count(bucket)
      const acted = () => {
        const answer = act()
        if (call === 'delete') noteCollected(coverage, key, before > count(bucket))
        return answer
      }
      switch (fault) {
        case 'request lost':
          coverage.reached(fault)
          throw new LostAnswer(fault)
        case 'answer lost':
          swallow(acted)
          coverage.reached(`${fault} ${call}`)
          throw new LostAnswer(fault)
        case 'answer lost, request late':
          coverage.reached(fault)
          clock.after(random.below(lateMsMax), () => swallow(acted))
          throw new LostAnswer(fault)
        case 'request repeated late':
          // A store may see one request twice, but not after it answered: only creating is safe against that.
          if (call !== 'create') break
          coverage.reached(fault)
          clock.after(random.below(lateMsMax), () => swallow(acted))
          break
        case 'old listing': {
          if (call !== 'list') break
          coverage.reached(fault)
          return listed.filter((info) => info.key.startsWith(key)) as ReturnType<typeof act>
        }
        case 'stalled':
          coverage.reached(fault)
          await clock.sleep(random.below(stallMsMax))
          checkLife()
          break
        case 'crash before':
          coverage.reached(`crash before ${call}`)
          die(life)
          throw new LostAnswer(fault)
        case 'crash after':
          swallow(acted)
          coverage.reached(`crash after ${call}`)
          die(life)
          throw new LostAnswer(fault)
      }
      const answer = acted()
      if (random.chance(0.1)) listed = bucket.list()
      await clock.sleep(random.below(delayMsMax))
      checkLife()
      return answer
    }

  const open = (number: number, path: string, life: Life) => {
    const ost: ObjectStorage = new MemoryObjectStorage(bucket, network(life))
    const log = new MemoryChangeLog(store, async (call, act, signal) => {
      if (life.isDead) throw new LostAnswer('the instance is dead')
      await clock.sleep(random.below(delayMsMax), signal)
      const before = store.records.size
      const answer = act()
      if (call === 'collect' && store.records.size < before) coverage.reached('records of the log collected')
      return answer
    })
    const reached = (message: string, fields: LogFields = {}) => {
      coverage.reached(message)
      // No bucket of this world damages what it holds.
      if (message === 'a snapshot is damaged' && isSlipwayError(fields.error, 'snapshot_corrupt'))
        failure ??= new SimulationFailure(fields.error.message)
    }
    return openLogDatabase<Bank>({
      path,
      types: bankTypes,
      clock,
      instanceId: `instance ${number}`,
      log,
      identity,
      consumed: () => crowd?.told.at(-1)?.position ?? 0,
      storage: {
        place: { ost: sabotage.storage?.(ost) ?? ost, base },
        logger: { ...silentLogger, info: reached, warn: reached, error: reached },
        snapshots: { ...settings, ...sabotage.settings },
        openSource: (options) => {
          const source = new SlowSource(options, clock, random, () => rate > 0)
          return sabotage.source?.(source) ?? source
        },
      },
      seams: {
        defer: (task) => void clock.after(random.below(2), task),
        newId: random.uuid,
        random: random.next,
      },
    })
  }

  try {
    members.forEach((_, number) => {
      background(start(number, `${folder}/model-${++files}.db`))
    })
    const living = () => members.filter((member) => member !== undefined)
    crowd = new Clients({
      random,
      clock,
      coverage,
      pauseMsMax: 300,
      findInstance: () => (living().length > 0 ? random.pick(living()) : undefined),
    })
    crowd.start(clients, ordersEach)
    const isOver = () => {
      if (failure !== undefined) throw failure
      return crowd?.isDone() === true
    }
    if (!(await clock.run(isOver, timersMax))) throw new SimulationFailure('the clients never came to an end')
    rate = 0
    const isSettled = () =>
      isOver() &&
      underway === 0 &&
      (crowd?.told.at(-1)?.position ?? 0) === store.head &&
      living().length === members.length &&
      living().every(({ db }) => db.position === store.head && db.upkeep?.shipped === store.head)
    if (!(await clock.run(isSettled, timersMax)))
      throw new SimulationFailure(
        `the instances never met: at ${living().map(({ db }) => `${db.position}, shipped ${db.upkeep?.shipped}`)} of ${store.head}`,
      )
    crowd.stopConsumer()
    // When nothing fails any more a snapshot succeeds; the first may be one that stalled before.
    let newest: number | undefined
    let failed: unknown
    for (let attempt = 0; attempt < 3 && newest !== store.head; attempt++) {
      let isEnded = false
      living()[0]
        ?.db.upkeep?.snapshot()
        .then(
          ({ manifest }) => {
            newest = manifest.position
          },
          (error: unknown) => {
            failed = error
          },
        )
        .finally(() => {
          isEnded = true
        })
      await clock.run(() => isEnded, timersMax)
    }
    check(`the newest snapshot is at ${newest} of ${store.head}: ${errorMessage(failed)}`, newest === store.head)
    images.push(new Map(bucket.objects))
    const records = [...store.archive.values()].map(decodeRecord)
    const expected = checkHistory(crowd.seen, records)
    checkChanges(crowd.told, records)
    for (const { db, number } of living())
      check(`instance ${number} has another content hash`, db.contentHash === expected)
    for (const image of images) await checkRestore(new Bucket(clock, image), store, `${folder}/restored.db`)
    if (failure !== undefined) throw failure
  } finally {
    rate = 0
    let open = 0
    for (const member of members) {
      if (!member) continue
      open++
      member.db.fail(new SlipwayError('database_closed', 'the simulation has ended'))
      member.db[Symbol.asyncDispose]().then(() => open--)
    }
    await clock.run(() => open === 0 && underway === 0, timersMax)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Nothing here is about real disks, and each of thousands of commits would wait for one. */
function memoryFolder(): string {
  return existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
}

/** Between any two reads of a snapshot there may be commits, and long pauses. */
class SlowSource implements RowSource {
  readonly #source: RowSource
  readonly #clock: SimulatedClock
  readonly #random: Prng
  readonly #mayStall: () => boolean

  constructor(options: RowSourceOptions, clock: SimulatedClock, random: Prng, mayStall: () => boolean) {
    this.#source = new LocalRowSource(options)
    this.#clock = clock
    this.#random = random
    this.#mayStall = mayStall
  }

  types: RowSource['types'] = () => this.#later(() => this.#source.types())
  chooseFamilies: RowSource['chooseFamilies'] = () => this.#later(() => this.#source.chooseFamilies())
  areFamiliesClean: RowSource['areFamiliesClean'] = (range, files) =>
    this.#later(() => this.#source.areFamiliesClean(range, files))
  beginFamilies: RowSource['beginFamilies'] = (range) => this.#later(() => this.#source.beginFamilies(range))
  addFamilies: RowSource['addFamilies'] = (file, rows) => this.#later(() => this.#source.addFamilies(file, rows))
  endFamilies: RowSource['endFamilies'] = () => this.#later(() => this.#source.endFamilies())
  isClean: RowSource['isClean'] = (range, at) => this.#later(() => this.#source.isClean(range, at))
  encode: RowSource['encode'] = (range) => this.#later(() => this.#source.encode(range))
  openCut: RowSource['openCut'] = () => this.#later(() => this.#source.openCut())
  readOverlay: RowSource['readOverlay'] = (keys) => this.#later(() => this.#source.readOverlay(keys))
  planPatches: RowSource['planPatches'] = (files) => this.#later(() => this.#source.planPatches(files))
  patch: RowSource['patch'] = (patch, rows) => this.#later(() => this.#source.patch(patch, rows))
  exportLines: RowSource['exportLines'] = (file, rows) => this.#later(() => this.#source.exportLines(file, rows))
  encodeTransactions: RowSource['encodeTransactions'] = (position, after) =>
    this.#later(() => this.#source.encodeTransactions(position, after))
  close: RowSource['close'] = () => this.#source.close()

  async #later<T>(act: () => Promise<T>): Promise<T> {
    await this.#clock.sleep(this.#random.below(this.#mayStall() && this.#random.chance(0.01) ? stallMsMax : delayMsMax))
    const result = await act()
    await this.#clock.sleep(this.#random.below(delayMsMax))
    return result
  }
}

/** A manifest names files that are there and hold exactly the rows of its position. */
function checkManifest(bucket: Bucket, key: string, store: ArchivedStore): void {
  const position = positionOfKey(key) ?? -1
  const manifest = decodeManifest(bucket.read(key), identity, position)
  const records = [...store.archive.values()].slice(0, position).map(decodeRecord)
  const expected = contentHashOfRows(replay(records))
  const fail = (what: string) => {
    throw new SimulationFailure(`snapshot ${position} ${what}`)
  }
  if (records.at(-1)?.hash !== manifest.hash) fail('has another record hash')
  for (const file of manifest.files) decodeDataFile(file, bucket.read(rowsKey(base, identity.generation, file.name)))
  if (contentHashOf(manifest.files) !== expected) fail('has other rows than the model')
}

function replay(records: readonly DecodedRecord[]): Map<string, string> {
  const rows = new Map<string, string>()
  for (const { transactions } of records)
    for (const { operations } of transactions)
      for (const operation of operations) {
        if (operation.kind === 'unknown') continue
        const key = `${operation.type}\0${operation.id}`
        if (operation.kind === 'put') rows.set(key, JSON.stringify(operation.body))
        else rows.delete(key)
      }
  return rows
}

/** With nothing but the bucket: the newest shipped state, from whichever complete snapshot one begins. */
async function checkRestore(bucket: Bucket, store: ArchivedStore, path: string): Promise<void> {
  const place = { ost: new MemoryObjectStorage(bucket), base }
  const shipped = bucket.list(shippedPrefix(base, identity.generation)).map(({ key }) => positionOfKey(key) ?? 0)
  const head = Math.max(0, ...shipped)
  const records = [...store.archive.values()].slice(0, head).map(decodeRecord)
  const expected = contentHashOfRows(replay(records))
  const common = { path, types: bankTypes, place, identity, logger: silentLogger, isEmbedded: true } as const
  const restore = async (from?: number) => {
    const restored = await restoreDatabase({
      ...common,
      firstContentHash: emptyContentHash,
      ...(from === undefined ? {} : { from }),
    })
    if (restored.position !== head || restored.contentHash !== expected)
      throw new SimulationFailure(
        `restored from ${from ?? 'the newest snapshot'}: record ${restored.position} of ${head}, content ${restored.contentHash}`,
      )
  }
  await restore()
  const complete = (await listManifests(place, identity.generation)).filter((position) =>
    isSound(bucket, `${base}/${identity.generation}/snapshot/${position.toString(16).padStart(16, '0')}`, position),
  )
  for (const position of complete.slice(0, 3)) await restore(position)
}

function isSound(bucket: Bucket, key: string, position: number): boolean {
  const manifest = decodeManifest(bucket.read(key), identity, position)
  return manifest.files.every(({ name }) => bucket.objects.has(rowsKey(base, identity.generation, name)))
}

function noteCollected(coverage: Coverage, key: string, isGone: boolean): void {
  if (!isGone) return
  if (key.includes('/log/')) coverage.reached('shipped records collected')
  if (key.includes('/data/')) coverage.reached('data files collected')
  if (key.includes('/snapshot/')) coverage.reached('manifests collected')
}

const count = (bucket: Bucket) => bucket.objects.size

/** Nobody hears of it. */
function swallow(act: () => unknown): void {
  try {
    act()
  } catch {
    // The answer is lost either way.
  }
}
