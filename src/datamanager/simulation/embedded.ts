// One embedded database on a real SQLite file. At every lasting call the process may die before or after it, the power may
// fail while the commit is written, the disk may be full, or an error may hide whether the commit was made.

import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SlipwayError } from '../../lib/errors.ts'
import type { EncodedRecord } from '../change-log.ts'
import { type EmbeddedDatabase, openDatabase } from '../open-database.ts'
import type { StorageCall } from '../read-model/read-model.ts'
import { openReadConnection } from '../read-model/sqlite.ts'
import { decodeRecord } from '../record.ts'
import { Clients, clientEvents, type Instance } from './clients.ts'
import { Coverage } from './coverage.ts'
import { checkChanges, checkHistory, SimulationFailure } from './history.ts'
import { prng } from './prng.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { type Bank, bankTypes } from './workload.ts'

/** What only happens where there are several instances. */
const ofSeveral: ReadonlySet<string> = new Set([
  'client: told by Database.outcome',
  'client: refused in maintenance',
  'client: did not wait long enough for it',
])

const calls = ['begin', 'append', 'commit'] as const satisfies readonly StorageCall[]

export function embeddedCoverage(): Coverage {
  return new Coverage([
    ...calls.flatMap((call) => [`crash before ${call}`, `crash after ${call}`]),
    'power cut while the commit is written',
    'disk full at begin',
    'disk full at append',
    'disk full at commit',
    'error at commit, nothing written',
    'error at commit, all written',
    ...clientEvents.filter((name) => !ofSeveral.has(name)),
  ])
}

const clients = 4
const ordersEach = 30
const faultRate = 0.04
const timersMax = 20_000

class Crash extends Error {}

/** Runs one seed; throws SimulationFailure when a promise of the database was broken. */
export async function simulateEmbedded(seed: number, coverage: Coverage): Promise<void> {
  const random = prng(seed)
  const clock = new SimulatedClock()
  const folder = mkdtempSync(join(tmpdir(), 'slipway-simulation-'))
  let life = 0
  let path = join(folder, 'life-0.db')
  let current: (Instance & { db: EmbeddedDatabase<Bank> }) | undefined
  let restarting: Promise<void> | undefined
  let rate = faultRate
  let failure: unknown
  let isFailing = false

  const die = (from: string, image: string | undefined) => {
    const dead = current
    if (!dead) return
    dead.isDead = true
    current = undefined
    if (image) path = image
    restarting = restart(dead, from).catch((error: unknown) => {
      failure ??= error
    })
  }
  const restart = async (dead: Instance & { db: EmbeddedDatabase<Bank> }, from: string) => {
    await clock.sleep(1)
    dead.db.fail(new SlipwayError('database_failed', 'the simulated process has died'))
    await dead.db[Symbol.asyncDispose]()
    if (from !== path) for (const end of ['', '-wal', '-shm', '.lock']) rmSync(`${from}${end}`, { force: true })
    current = await open()
  }

  const storageCalls = <T>(name: StorageCall, call: () => T): T => {
    if (!current) throw new Crash('dead')
    if (!random.chance(rate)) return call()
    const fault = random.pick(name === 'commit' ? commitFaults : otherFaults)
    switch (fault) {
      case 'crash before':
        coverage.reached(`crash before ${name}`)
        die(path, crashImage(path, `${folder}/life-${++life}.db`))
        throw new Crash(fault)
      case 'crash after':
        call()
        coverage.reached(`crash after ${name}`)
        die(path, crashImage(path, `${folder}/life-${++life}.db`))
        throw new Crash(fault)
      case 'power cut': {
        const before = walBytes(path)
        call()
        const after = walBytes(path)
        const image = crashImage(path, `${folder}/life-${++life}.db`)
        if (after > before) {
          coverage.reached('power cut while the commit is written')
          truncateSync(`${image}-wal`, before + random.below(after - before))
        }
        die(path, image)
        throw new Crash(fault)
      }
      case 'disk full':
        coverage.reached(`disk full at ${name}`)
        throw sqliteFailure(13)
      case 'error before':
      case 'error after':
        if (fault === 'error after') call()
        coverage.reached(`error at commit, ${fault === 'error after' ? 'all' : 'nothing'} written`)
        // Whoever runs the process sees it stop, and starts it again on the same file.
        isFailing = true
        clock.after(0, () => {
          isFailing = false
          die(path, undefined)
        })
        throw sqliteFailure(10)
    }
  }

  const open = async () => {
    const db = await openDatabase<Bank>({
      path,
      types: bankTypes,
      clock,
      seams: {
        storageCalls,
        defer: (task) => void clock.after(random.below(2), task),
        newId: random.uuid,
      },
    })
    const problems = db.verify().problems
    if (problems.length > 0) throw new SimulationFailure(`after opening: ${problems.join('; ')}`)
    return { db, isDead: false }
  }

  try {
    current = await open()
    const crowd = new Clients({ random, clock, coverage, findInstance: () => current })
    crowd.start(clients, ordersEach)
    const check = () => {
      if (failure !== undefined) throw failure
      return crowd.isDone()
    }
    if (!(await clock.run(check, timersMax))) throw new SimulationFailure('the clients never came to an end')
    rate = 0
    const consumed = () => {
      check()
      return current !== undefined && !isFailing && (crowd.told.at(-1)?.position ?? 0) >= current.db.position
    }
    if (!(await clock.run(consumed, timersMax))) throw new SimulationFailure('the consumer never came to the end')
    crowd.stopConsumer()
    await restarting
    const { db } = current
    const { contentHash } = db
    const problems = db.verify().problems
    if (problems.length > 0) throw new SimulationFailure(`at the end: ${problems.join('; ')}`)
    const records = readRecords(path).map(decodeRecord)
    const expected = checkHistory(crowd.seen, records).get(records.length)
    checkChanges(crowd.told, records)
    if (contentHash !== expected) throw new SimulationFailure(`the content hash is ${contentHash}, not ${expected}`)
  } finally {
    rate = 0
    const closing = current?.db[Symbol.asyncDispose]()
    let isClosed = closing === undefined
    closing?.then(() => {
      isClosed = true
    })
    await clock.run(() => isClosed, timersMax)
    rmSync(folder, { recursive: true, force: true })
  }
}

const otherFaults = ['crash before', 'crash after', 'disk full'] as const
const commitFaults = [
  'crash before',
  'crash after',
  'power cut',
  'power cut',
  'disk full',
  'error before',
  'error after',
] as const

/** What a new process finds when the old one is gone at this moment. */
function crashImage(path: string, image: string): string {
  copyFileSync(path, image)
  if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${image}-wal`)
  return image
}

function walBytes(path: string): number {
  return existsSync(`${path}-wal`) ? statSync(`${path}-wal`).size : 0
}

/** As node:sqlite throws it. */
function sqliteFailure(errcode: number): Error {
  return Object.assign(new Error(`simulated error ${errcode}`), { code: 'ERR_SQLITE_ERROR', errcode })
}

function readRecords(path: string): EncodedRecord[] {
  const connection = openReadConnection(path)
  try {
    const rows = connection.prepare('SELECT position, hash, bytes FROM log ORDER BY position').all()
    return rows.map((row) => ({
      position: Number(row.position),
      hash: String(row.hash),
      bytes: row.bytes as Uint8Array, // a BLOB column
    }))
  } finally {
    connection.close()
  }
}
