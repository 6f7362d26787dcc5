// A small installation that a seed determines: two to four instances of one database over one log and one bucket. They die
// at any call, stay away for longer than their records are kept, come back with the read model they had, an older one, a
// damaged one or none, with other clocks and as another version of the program.

import { hash } from 'node:crypto'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Clock, Timestamp } from '../../lib/clock.ts'
import { errorMessage, isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { type LogFields, silentLogger } from '../../lib/log.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import type { ChangeLog, EncodedRecord } from '../change-log.ts'
import type { Position, RowTypes } from '../database.ts'
import { BucketChangeLog } from '../log/bucket/bucket-log.ts'
import { openLogDatabase, type SharedDatabase } from '../open-log-database.ts'
import type { StorageCall } from '../read-model/read-model.ts'
import type { Identity } from '../read-model/sqlite.ts'
import { positionOfKey } from '../snapshot/keys.ts'
import { decodeManifest } from '../snapshot/manifest.ts'
import { LocalRowSource, type RowSource, type RowSourceOptions } from '../snapshot/row-source.ts'
import type { SnapshotSettings } from '../snapshot/upkeep.ts'
import type { Instance } from './clients.ts'
import type { Coverage } from './coverage.ts'
import { FaultyNetwork, type Life as NetworkLife, type StoreCall } from './faulty-network.ts'
import { type ContentHashes, SimulationFailure } from './history.ts'
import { LostAnswer, MemoryChangeLog, MemoryLogStore, type Network } from './memory-log.ts'
import { Bucket, type BucketNetwork, MemoryObjectStorage, type StoredObject } from './memory-storage.ts'
import { type Prng, prng } from './prng.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { type Bank, bankTypes, bankTypesWithDeals, otherBankTypes, otherBankTypesWithDeals } from './workload.ts'

export const storageFaults = ['disk full while applying', 'crash before apply', 'crash after apply'] as const
export const restarts = [
  'restarted with its read model',
  'restarted with an old copy of its read model',
  'restarted with a damaged read model',
  'restarted without a read model',
  'restarted as another version of the program',
  'away for longer than records are kept',
  'everything lost but the bucket',
  'clock jumped',
] as const

/** It is in the log, and nowhere else here. */
export const unwritten = 'failure: crash before a record is written whose callers were answered'
/** It begins anew, with a snapshot. */
export const overtaken = 'failure: a slow reader was overtaken by the collection'

/** Of the small world: everything in it is in proportion. */
export const snapshotSettings: SnapshotSettings = {
  records: 12,
  logBytes: 1_000_000,
  ms: 2000,
  pauseMs: 50,
  fileBytes: 1200,
  familyFileBytes: 900,
  graceMs: 2000,
  shippedKeptMs: 1000,
}
const storageFaultRate = 0.02
const awayMsMax = 4000
const clockJumpMsMax = 3_600_000
const delayMsMax = 3
const stallMsMax = 2500
/** After so many timers nothing useful happens any more. */
export const timersMax = 200_000
/** Looks between two into the files. */
const looksPerFile = 40
/** Looks between two at what the instances show: whoever looks makes them write what they have deferred. */
const looksPerState = 25
/** A task that is to run soon runs within so many milliseconds, now and then within more. */
const soonMsMax = 2
const notSoSoonMsMax = 60
/** Every seed dies at one of its first so many calls, the next seed at the next one. */
const callsCrashedAt = 300
export const identity: Identity = { store: 'simulated', generation: 'first' }
export const base = 'database'

/** One process from its start to its death. `number` is set when it has started. */
export type Life = NetworkLife & { clockOffsetMs: number }
export type Member = Life &
  Instance & { readonly db: SharedDatabase<Bank>; readonly path: string; number: number; newest: Position }

/** What was in the bucket when everything else was lost, and what had been acknowledged by then. */
export type Image = { readonly objects: ReadonlyMap<string, StoredObject>; readonly acknowledged: Position }

/** What a seed has done. */
export type Tally = {
  calls: number
  faults: number
  crashes: number
  restarts: number
  snapshots: number
  collections: number
}

/** Crashes that leave something half done, by what the instance was about. */
export const crashMoments: Readonly<Record<string, RegExp>> = {
  'failure: crash while the files of a snapshot are written': /put .*\/data\//,
  'failure: crash between the files of a snapshot and its manifest': /before create .*\/snapshot\//,
  'failure: crash while old files and records are collected': /delete|after create .*\/low\/|collect/,
}

export class Installation {
  readonly kind: 'server' | 'bucket'
  readonly random: Prng
  readonly clock = new SimulatedClock()
  readonly coverage: Coverage
  readonly folder = mkdtempSync(join(memoryFolder(), 'slipway-simulation-'))
  readonly server = new MemoryLogStore()
  readonly bucket = new Bucket(this.clock)
  readonly network: FaultyNetwork
  /** Every record that was ever committed, whatever was collected since. */
  readonly archive = new Map<Position, EncodedRecord>()
  /** What stores were right about only a while ago may be read. */
  readonly mayLie: boolean
  readonly members: (Member | undefined)[]
  readonly images: Image[] = []
  readonly tally: Tally = { calls: 0, faults: 0, crashes: 0, restarts: 0, snapshots: 0, collections: 0 }
  /** Content hashes that instances had, by position. */
  readonly observed = new Map<Position, string>()
  /** Data files that a manifest has named. */
  readonly #published = new Set<string>()
  #looks = 0
  /** When objects were deleted, by their keys. */
  readonly deletedAt = new Map<string, Timestamp>()
  /** The newest position that a client was told. */
  acknowledged: Position = 0
  /** Up to where a consumer of changes has come. */
  consumed: Position = 0
  failure: unknown
  readonly types: RowTypes
  readonly #otherTypes: RowTypes
  readonly #crashAt: number
  readonly #oldFiles: string[] = []
  readonly #writers = new Map<string, Life>()
  readonly #madeAt = new Map<string, number>()
  #files = 0
  #underway = 0

  constructor(seed: number, coverage: Coverage, { hasFamilies = false }: { readonly hasFamilies?: boolean } = {}) {
    this.types = hasFamilies ? bankTypesWithDeals : bankTypes
    this.#otherTypes = hasFamilies ? otherBankTypesWithDeals : otherBankTypes
    this.random = prng(seed)
    this.coverage = coverage
    this.kind = seed % 2 === 0 ? 'bucket' : 'server'
    this.mayLie = this.random.chance(0.4)
    this.members = Array.from({ length: 2 + this.random.below(3) }, () => undefined)
    this.#crashAt = 30 + (seed % callsCrashedAt)
    this.network = new FaultyNetwork({
      random: this.random,
      clock: this.clock,
      coverage,
      mayLie: this.mayLie,
      die: (life, when) => {
        for (const [name, pattern] of Object.entries(crashMoments)) if (pattern.test(when)) coverage.reached(name)
        this.die(life as Life) // it gets only those made here
      },
      onCall: (call) => this.#onCall(call),
      onFault: () => this.tally.faults++,
    })
    this.server.listeners.add((head) => this.#archived(this.server.records.get(head)))
    this.bucket.onCreated = (key, bytes) => this.#onCreated(key, bytes)
    for (const number of this.members.keys()) this.background(this.#start(number, this.newFile()))
  }

  /** Called when a manifest was created. */
  onManifest: (key: string) => void = () => {}

  get living(): readonly Member[] {
    return this.members.filter((member) => member !== undefined)
  }

  /** The newest record that was committed. */
  get head(): Position {
    return this.archive.size
  }

  get records(): readonly EncodedRecord[] {
    return [...this.archive.values()].sort((a, b) => a.position - b.position)
  }

  /** All live, and nothing is being started. */
  get isWhole(): boolean {
    return this.#underway === 0 && this.living.length === this.members.length
  }

  get isIdle(): boolean {
    return this.#underway === 0
  }

  newFile(): string {
    return `${this.folder}/model-${++this.#files}.db`
  }

  check(isTrue: boolean, message: string): void {
    if (!isTrue) this.failure ??= new SimulationFailure(message)
  }

  /** Something that goes on by itself and must not fail. */
  background(work: Promise<void>): void {
    this.#underway++
    work
      .catch((error: unknown) => {
        this.failure ??= error
      })
      .finally(() => this.#underway--)
  }

  /** To be called now and then: what each instance shows, and whether one has stopped. Throws what was wrong. */
  look(): void {
    if (this.failure !== undefined) throw this.failure
    if (++this.#looks % looksPerFile === 0) for (const member of this.living) this.#lookIntoFile(member)
    for (const member of this.living) this.#lookAtPosition(member)
    if (this.#looks % looksPerState !== 0) return
    for (const member of this.living) {
      const stopped = observe(member, (position, contentHash) => {
        const known = this.observed.get(position)
        this.check(
          known === undefined || known === contentHash,
          `instance ${member.number} has another content hash at position ${position} than another one had`,
        )
        this.observed.set(position, contentHash)
      })
      if (!stopped || member.isDead) continue // It may have died while it was looked at.
      if (isSlipwayError(stopped, 'history_collected')) this.coverage.reached(overtaken)
      else {
        // Only what it was told can make an instance stop: there is nothing wrong with the stores.
        this.check(member.wasLiedTo, `instance ${member.number} has stopped: ${errorMessage(stopped)}`)
        this.coverage.reached('failure: an instance stopped when its store answered wrongly')
      }
      this.die(member)
    }
  }

  /** What counted once counts for as long as the process lives. */
  #lookAtPosition(member: Member): void {
    const { position } = member.db
    this.check(
      position >= member.newest,
      `instance ${member.number} was at position ${member.newest} and is at ${position}`,
    )
    member.newest = position
  }

  /** Rows leave an instance only for files that a manifest names. */
  #lookIntoFile({ path, number }: Member): void {
    if (this.types === bankTypes) return
    const file = new DatabaseSync(path, { readOnly: true })
    const names = file.prepare('SELECT name FROM cold_file WHERE families > 0').all()
    file.close()
    for (const { name } of names)
      this.check(
        this.#published.has(String(name)),
        `instance ${number} has let rows go that are in ${String(name)}, which no manifest names`,
      )
  }

  compareObserved(hashes: ContentHashes): void {
    for (const [position, contentHash] of this.observed)
      if (hashes.get(position) !== contentHash)
        throw new SimulationFailure(
          `an instance had the content hash ${contentHash} at ${position}, not ${hashes.get(position)}`,
        )
  }

  /** Opens one more instance, with no faults of its own, over what the stores have now or `parts` say. */
  async openBeside(
    parts: {
      readonly path?: string
      readonly identity?: Identity
      readonly bucket?: Bucket
      readonly log?: ChangeLog
    } = {},
  ): Promise<SharedDatabase<Bank>> {
    const ost = new MemoryObjectStorage(parts.bucket ?? this.bucket)
    const whose = parts.identity ?? identity
    return await openLogDatabase<Bank>({
      path: parts.path ?? this.newFile(),
      types: this.types,
      clock: this.clock,
      instanceId: 'beside',
      log: parts.log ?? this.plainLog(ost, whose),
      identity: whose,
      shipsLog: this.kind === 'server',
      storage: {
        place: { ost, base },
        snapshots: snapshotSettings,
        openSource: (options) => new LocalRowSource(options),
      },
      seams: { defer: (task) => void this.clock.after(0, task), newId: this.random.uuid, random: this.random.next },
    })
  }

  /** The log without faults. */
  plainLog(ost: ObjectStorage, { generation }: Identity = identity): ChangeLog {
    if (this.kind === 'server') return new MemoryChangeLog(this.server, undefined, this.clock)
    return new BucketChangeLog({ storage: ost, prefix: `${base}/${generation}/bucket/`, clock: this.clock })
  }

  die(life: Life): void {
    const dead = this.members.find((member) => member === life)
    life.isDead = true
    if (!dead) return // still starting: its start fails and is tried again
    this.tally.crashes++
    this.members[dead.number] = undefined
    if (this.random.chance(0.2)) {
      this.coverage.reached('everything lost but the bucket')
      this.images.push({ objects: new Map(this.bucket.objects), acknowledged: this.acknowledged })
    }
    const image = this.newFile()
    copyDatabase(dead.path, image)
    this.background(this.#restart(dead, image))
  }

  async #restart(dead: Member, image: string): Promise<void> {
    dead.db.fail(new SlipwayError('database_failed', 'the simulated process has died'))
    await dead.db[Symbol.asyncDispose]()
    removeDatabase(dead.path)
    const isLong = this.random.chance(0.3)
    await this.clock.sleep(this.random.below(isLong ? awayMsMax : 10))
    const path = this.#fileOfRestart(image, isLong)
    this.tally.restarts++
    await this.#start(dead.number, path)
  }

  #fileOfRestart(image: string, isLong: boolean): string {
    const { random, coverage } = this
    const chance = random.next()
    if (random.chance(0.3)) {
      const kept = this.newFile()
      copyDatabase(image, kept)
      this.#oldFiles.push(kept)
    }
    if (chance < 0.5) {
      coverage.reached('restarted with its read model')
      if (isLong) coverage.reached('away for longer than records are kept')
      return image
    }
    if (chance < 0.65 && this.#oldFiles.length > 0) {
      coverage.reached('restarted with an old copy of its read model')
      const path = this.newFile()
      copyDatabase(random.pick(this.#oldFiles), path)
      return path
    }
    if (chance < 0.75) {
      coverage.reached('restarted with a damaged read model')
      const path = this.newFile()
      writeFileSync(path, damage)
      return path
    }
    coverage.reached('restarted without a read model')
    return this.newFile()
  }

  /** A process that dies while it starts, or cannot reach its stores, is started again. */
  async #start(number: number, first: string): Promise<void> {
    for (let path = first; ; ) {
      const life: Life = {
        isDead: false,
        wasLiedTo: false,
        stoppedUntil: 0,
        number: undefined,
        clockOffsetMs: this.random.below(clockJumpMsMax) - clockJumpMsMax / 2,
      }
      try {
        const db = await this.#open(number, path, life)
        if (!life.isDead) {
          this.members[number] = Object.assign(life, { db, path, number, newest: db.position })
          return
        }
        db.fail(new SlipwayError('database_failed', 'the simulated process has died'))
        await db[Symbol.asyncDispose]()
      } catch (error) {
        // Whoever runs it removes a read model that is no database any more: it is derived.
        if (isSlipwayError(error, 'database_corrupt') && isDamaged(path)) path = this.newFile()
        else if (isSlipwayError(error, 'history_collected')) this.coverage.reached(overtaken)
        else if (!(error instanceof LostAnswer) && !life.wasLiedTo && !isSlipwayError(error, 'disk_full')) throw error
      }
      await this.clock.sleep(5)
    }
  }

  #open(number: number, path: string, life: Life): Promise<SharedDatabase<Bank>> {
    const { random, clock, coverage } = this
    const ost: ObjectStorage = new MemoryObjectStorage(this.bucket, this.#bucketNetwork(life))
    const isOther = random.chance(0.2)
    if (isOther) coverage.reached('restarted as another version of the program')
    const logger = { ...silentLogger, info: this.#said, warn: this.#said, error: this.#said }
    return openLogDatabase<Bank>({
      path,
      types: isOther ? this.#otherTypes : this.types,
      clock: this.#clockOf(life),
      instanceId: `instance ${number}`,
      log: this.#logOf(life, ost),
      identity,
      shipsLog: this.kind === 'server',
      consumed: () => this.consumed,
      storage: {
        place: { ost, base },
        logger,
        snapshots: snapshotSettings,
        openSource: (options) => slowSource(options, clock, random, () => this.network.rate > 0),
      },
      seams: {
        storageCalls: this.#storageCalls(life),
        defer: (task) => void clock.after(random.below(random.chance(0.9) ? soonMsMax : notSoSoonMsMax), task),
        newId: random.uuid,
        random: random.next,
        onBranch: (branch) => coverage.reached(`recovery: ${branch}`),
      },
    })
  }

  readonly #said = (message: string, fields: LogFields = {}): void => {
    this.coverage.reached(`said: ${message}`)
    if (message === 'snapshot made') this.tally.snapshots++
    // No bucket of this world keeps other bytes than it was given; an answer may have them.
    if (message === 'a snapshot is damaged' && isSlipwayError(fields.error, 'snapshot_corrupt'))
      this.check(this.mayLie, errorMessage(fields.error))
  }

  #logOf(life: Life, ost: ObjectStorage): ChangeLog {
    if (this.kind === 'bucket')
      return new BucketChangeLog({
        storage: ost,
        prefix: `${base}/${identity.generation}/bucket/`,
        clock: this.clock,
        pollMs: 200,
        onBranch: (branch) => this.coverage.reached(`recovery: ${branch}`),
      })
    const network: Network = async (call, request, signal) => {
      const before = this.server.records.size
      const answer = await this.network.call(life, call, '', request, signal)
      if (call === 'collect' && this.server.records.size < before) this.#collected('records of the log')
      return answer
    }
    return new MemoryChangeLog(this.server, network, this.clock)
  }

  #bucketNetwork(life: Life): BucketNetwork {
    return async (call, key, request) => {
      const act = () => {
        const found = this.bucket.stat(key)
        const answer = request.act()
        if (call === 'put') this.#writers.set(key, life)
        // A put that comes twice makes nothing new: names are never used again.
        if (call === 'put' && !found) this.#madeAt.set(key, this.clock.now())
        if (call === 'delete' && found) this.#deleted(life, key, this.#madeAt.get(key) ?? found.modifiedAt)
        return answer
      }
      const answer = await this.network.call(life, call, key, { ...request, act })
      if (this.random.chance(0.1)) this.bucket.rememberListing()
      return answer
    }
  }

  #deleted(life: Life, key: string, madeAt: number): void {
    const now = this.clock.now()
    this.deletedAt.set(key, now)
    // Whoever gives up a snapshot removes its files at once; everybody else waits.
    if (key.includes('/data/') && this.#writers.get(key) !== life)
      this.check(now - madeAt >= snapshotSettings.graceMs, `${key} was collected ${now - madeAt} ms after it was made`)
    if (key.includes('/bucket/log/')) this.#collected('records of the log')
    else if (key.includes('/log/')) this.#collected('shipped records')
    else if (key.includes('/data/')) this.coverage.reached('collected: data files')
    else if (key.includes('/snapshot/')) this.#collected('manifests')
  }

  #collected(what: string): void {
    this.coverage.reached(`collected: ${what}`)
    this.tally.collections++
  }

  #storageCalls(life: Life): <T>(name: StorageCall, call: () => T) => T {
    return (name, call) => {
      if (life.isDead) throw new LostAnswer('the instance is dead')
      const { random, coverage } = this
      const isApply = name === 'apply' || name === 'apply deferred'
      if (!isApply || life.number === undefined || !random.chance(storageFaultRate * this.network.rate)) return call()
      const fault = random.pick(storageFaults)
      coverage.reached(fault)
      if (fault === 'crash before apply' && name === 'apply deferred') coverage.reached(unwritten)
      this.tally.faults++
      if (fault === 'disk full while applying')
        throw Object.assign(new Error('simulated'), { code: 'ERR_SQLITE_ERROR', errcode: 13 })
      if (fault === 'crash after apply') call()
      this.die(life)
      throw new LostAnswer(fault)
    }
  }

  #clockOf(life: Life): Clock {
    const { clock, random, coverage } = this
    const now = (): Timestamp => {
      if (random.chance(0.001 * this.network.rate)) {
        coverage.reached('clock jumped')
        life.clockOffsetMs = random.below(clockJumpMsMax) - clockJumpMsMax / 2
      }
      return clock.now() + life.clockOffsetMs
    }
    return { now, sleep: (ms, signal) => clock.sleep(ms, signal), timeout: (ms) => clock.timeout(ms) }
  }

  #onCall(_call: StoreCall): boolean {
    this.tally.calls++
    return this.tally.calls === this.#crashAt
  }

  #onCreated(key: string, bytes: Buffer): void {
    if (key.includes(`${identity.generation}/snapshot/`)) {
      const { files } = decodeManifest(bytes, identity, positionOfKey(key) ?? -1)
      for (const { name } of files) this.#published.add(name)
      this.onManifest(key)
    }
    const position = positionOfKey(key)
    if (position === undefined || !key.includes(`${identity.generation}/bucket/log/`)) return
    // In a slot that was taken and collected: no record, and whoever made it must find out.
    if (this.archive.has(position)) this.coverage.reached('failure: a stalled writer woke up')
    else this.#archived(recordOf(position, bytes))
  }

  #archived(record: EncodedRecord | undefined): void {
    if (record) this.archive.set(record.position, record)
  }

  /** Lets simulated time pass until `work` has ended. */
  async finish<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const done = () => {
      isDone = true
    }
    work.then(done, done)
    // What does not wait for a timer may still need some turns of the event loop.
    for (let turn = 0; turn < 100 && !isDone; turn++) await this.clock.run(() => isDone, timersMax)
    if (!isDone) throw new SimulationFailure('something never ended')
    return await work
  }

  /** Ends all instances and removes what they left. */
  async end(): Promise<void> {
    this.network.rate = 0
    let open = 0
    for (const { db } of this.living) {
      open++
      db.fail(new SlipwayError('database_closed', 'the simulation has ended'))
      db[Symbol.asyncDispose]().then(() => open--)
    }
    await this.clock.run(() => open === 0 && this.#underway === 0, timersMax)
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Shows its state. Returns why it serves nothing any more; undefined while it does, or only waits for something. */
function observe({ db }: Member, see: (position: Position, contentHash: string) => void): unknown {
  try {
    db.view(() => undefined)
    see(db.position, db.contentHash)
    return undefined
  } catch (error) {
    return isSlipwayError(error, 'database_behind') ? undefined : error
  }
}

/** What a new process finds when the old one is gone at this moment. */
function copyDatabase(path: string, copy: string): void {
  for (const end of ['', '-wal']) if (existsSync(`${path}${end}`)) copyFileSync(`${path}${end}`, `${copy}${end}`)
}

function removeDatabase(path: string): void {
  for (const end of ['', '-wal', '-shm', '.lock']) rmSync(`${path}${end}`, { force: true })
}

const damage = Buffer.alloc(8192, 0xa5)

function isDamaged(path: string): boolean {
  return existsSync(path) && readFileSync(path).equals(damage)
}

function recordOf(position: Position, bytes: Buffer): EncodedRecord {
  return { position, hash: hash('sha256', bytes), bytes }
}

/** Nothing here is about real disks, and each of thousands of commits would wait for one. */
function memoryFolder(): string {
  return existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
}

/** Between any two reads of a snapshot there may be commits, and long pauses. */
function slowSource(
  options: RowSourceOptions,
  clock: SimulatedClock,
  random: Prng,
  mayStall: () => boolean,
): RowSource {
  const source = new LocalRowSource(options)
  const slow = async <T>(act: () => Promise<T>): Promise<T> => {
    await clock.sleep(random.below(mayStall() && random.chance(0.01) ? stallMsMax : delayMsMax))
    const result = await act()
    await clock.sleep(random.below(delayMsMax))
    return result
  }
  return new Proxy(source, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      const bound = method.bind(target) as (...args: unknown[]) => Promise<unknown>
      return name === 'close' ? bound : (...args: unknown[]) => slow(() => bound(...args))
    },
  })
}
