// Several instances over one log in memory, with a network between that delays, loses, repeats and reorders, and instances
// that die at any call and come back with the read model they had, or with none.

import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SlipwayError } from '../../lib/errors.ts'
import type { LogDatabase } from '../log-database.ts'
import { openLogDatabase } from '../open-log-database.ts'
import type { StorageCall } from '../read-model/read-model.ts'
import { decodeRecord } from '../record.ts'
import { recoveryBranches } from '../recovery.ts'
import type { Seams } from '../seams.ts'
import { Clients, clientEvents, type Instance } from './clients.ts'
import { Coverage } from './coverage.ts'
import { checkChanges, checkHistory, SimulationFailure } from './history.ts'
import { LostAnswer, MemoryChangeLog, MemoryLogStore, type Network } from './memory-log.ts'
import { prng } from './prng.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { type Bank, bankTypes } from './workload.ts'

const networkFaults = [
  'request lost',
  'answer lost',
  'answer lost, request late',
  'request repeated late',
  'request repeated at once',
  'stale read',
  'crash before the call',
  'crash after the call',
] as const
const storageFaults = ['disk full while applying', 'crash before apply', 'crash after apply'] as const

export function sharedCoverage(): Coverage {
  return new Coverage([
    ...networkFaults,
    ...storageFaults,
    'restarted with its read model',
    'restarted without a read model',
    ...recoveryBranches,
    ...clientEvents,
  ])
}

export type Sabotage = Pick<Seams, 'replaceCommit'> & {
  readonly store?: () => MemoryLogStore
}

const clients = 5
const ordersEach = 24
const networkFaultRate = 0.06
const storageFaultRate = 0.02
const delayMsMax = 4
const lateMsMax = 30
const timersMax = 60_000
const identity = { store: 'simulated', generation: 'first' }

/** `number` is set when it has started. */
type Life = { isDead: boolean; number: number | undefined }
type Member = Life & Instance & { readonly db: LogDatabase<Bank>; readonly path: string; readonly number: number }

/** Runs one seed; throws SimulationFailure when a promise of the database was broken. */
export async function simulateShared(seed: number, coverage: Coverage, sabotage: Sabotage = {}): Promise<void> {
  const random = prng(seed)
  const clock = new SimulatedClock()
  const folder = mkdtempSync(join(tmpdir(), 'slipway-simulation-'))
  const store = sabotage.store?.() ?? new MemoryLogStore()
  const members: (Member | undefined)[] = Array.from({ length: 2 + random.below(2) }, () => undefined)
  let files = 0
  let faults = 1
  let failure: unknown
  let underway = 0

  const background = (work: Promise<void>) => {
    underway++
    work.then(
      () => underway--,
      (error: unknown) => {
        failure ??= error
        underway--
      },
    )
  }

  const die = (life: Life) => {
    const dead = members.find((member) => member === life)
    if (!dead) return // still starting: its start fails and is tried again
    dead.isDead = true
    members[dead.number] = undefined
    const keeps = random.chance(0.6)
    const path = `${folder}/model-${++files}.db`
    if (keeps) {
      copyFileSync(dead.path, path)
      if (existsSync(`${dead.path}-wal`)) copyFileSync(`${dead.path}-wal`, `${path}-wal`)
    }
    coverage.reached(keeps ? 'restarted with its read model' : 'restarted without a read model')
    background(restart(dead, path))
  }
  const restart = async (dead: Member, path: string) => {
    await clock.sleep(random.below(10))
    dead.db.fail(new SlipwayError('database_failed', 'the simulated process has died'))
    await dead.db[Symbol.asyncDispose]()
    for (const end of ['', '-wal', '-shm', '.lock']) rmSync(`${dead.path}${end}`, { force: true })
    await start(dead.number, path)
  }
  const start = async (number: number, path: string): Promise<void> => {
    const life: Life = { isDead: false, number: undefined }
    // A process that cannot reach the log at its start is started again.
    for (;;) {
      try {
        const db = await open(number, path, life)
        members[number] = Object.assign(life, { db, path, number })
        return
      } catch (error) {
        if (!(error instanceof LostAnswer)) throw error
        await clock.sleep(5)
      }
    }
  }
  const network =
    (life: Life): Network =>
    async (call, act, signal) => {
      const checkLife = () => {
        if (life.isDead) throw new LostAnswer('the instance is dead')
      }
      checkLife()
      await clock.sleep(random.below(delayMsMax), signal)
      checkLife()
      const fault = random.chance(networkFaultRate * faults) ? random.pick(networkFaults) : undefined
      if (fault && !(fault === 'stale read' && call !== 'read')) coverage.reached(fault)
      switch (fault) {
        case 'request lost':
          throw new LostAnswer(fault)
        case 'answer lost':
          act()
          throw new LostAnswer(fault)
        case 'answer lost, request late':
          clock.after(random.below(lateMsMax), act)
          throw new LostAnswer(fault)
        case 'request repeated late':
          clock.after(random.below(lateMsMax), act)
          break
        case 'request repeated at once':
          act()
          break
        case 'stale read':
          if (call === 'read') return [] as ReturnType<typeof act>
          break
        case 'crash before the call':
          die(life)
          throw new LostAnswer(fault)
        case 'crash after the call':
          act()
          die(life)
          throw new LostAnswer(fault)
      }
      const answer = act()
      await clock.sleep(random.below(delayMsMax), signal)
      checkLife()
      return answer
    }

  const storageCalls =
    (life: Life) =>
    <T>(name: StorageCall, call: () => T): T => {
      if (life.isDead) throw new LostAnswer('the instance is dead')
      if (name !== 'apply' || life.number === undefined || !random.chance(storageFaultRate * faults)) return call()
      const fault = random.pick(storageFaults)
      coverage.reached(fault)
      if (fault === 'disk full while applying')
        throw Object.assign(new Error('simulated'), { code: 'ERR_SQLITE_ERROR', errcode: 13 })
      if (fault === 'crash after apply') call()
      die(life)
      throw new LostAnswer(fault)
    }

  const open = (number: number, path: string, life: Life) =>
    openLogDatabase<Bank>({
      path,
      types: bankTypes,
      clock,
      instanceId: `instance ${number}`,
      log: new MemoryChangeLog(store, network(life)),
      identity,
      seams: {
        storageCalls: storageCalls(life),
        defer: (task) => void clock.after(random.below(2), task),
        newId: random.uuid,
        random: random.next,
        onBranch: (branch) => coverage.reached(branch),
        ...(sabotage.replaceCommit ? { replaceCommit: sabotage.replaceCommit } : {}),
      },
    })

  try {
    members.forEach((_, number) => {
      background(start(number, `${folder}/model-${++files}.db`))
    })
    const living = () => members.filter((member) => member !== undefined)
    const crowd = new Clients({
      random,
      clock,
      coverage,
      findInstance: () => (living().length > 0 ? random.pick(living()) : undefined),
    })
    crowd.start(clients, ordersEach)
    const check = () => {
      if (failure !== undefined) throw failure
      return crowd.isDone()
    }
    if (!(await clock.run(check, timersMax))) throw new SimulationFailure('the clients never came to an end')
    faults = 0
    const isSettled = () =>
      check() &&
      underway === 0 &&
      (crowd.told.at(-1)?.position ?? 0) === store.head &&
      living().length === members.length &&
      living().every(({ db }) => db.position === store.head)
    if (!(await clock.run(isSettled, timersMax)))
      throw new SimulationFailure(
        `the instances never met: at ${living().map(({ db }) => db.position)} of ${store.head}, consumer at ${crowd.told.at(-1)?.position}`,
      )
    crowd.stopConsumer()
    const records = [...store.records.values()].sort((a, b) => a.position - b.position).map(decodeRecord)
    const expected = checkHistory(crowd.seen, records)
    checkChanges(crowd.told, records)
    for (const { db, number } of living())
      if (db.contentHash !== expected)
        throw new SimulationFailure(`instance ${number} has the content hash ${db.contentHash}, not ${expected}`)
  } finally {
    faults = 0
    let open = 0
    for (const member of members) {
      if (!member) continue
      open++
      member.db.fail(new SlipwayError('database_closed', 'the simulation has ended'))
      member.db[Symbol.asyncDispose]().then(() => open--)
    }
    await clock.run(() => open === 0, timersMax)
    rmSync(folder, { recursive: true, force: true })
  }
}
