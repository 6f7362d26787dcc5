// Several instances over one log and one bucket, while everything fails that can: what clients were told is compared with a
// sequential model, and every state of every instance, every manifest and what is left in the bucket after the loss of
// everything else with what the records say.

import { errorMessage, isSlipwayError } from '../../lib/errors.ts'
import { decodeRecord } from '../record.ts'
import { coldBranches, recoveryBranches } from '../recovery.ts'
import { checkImage, checkManifest } from './check-storage.ts'
import { Clients, clientEvents } from './clients.ts'
import { Coverage } from './coverage.ts'
import { endings, endingsOf, importInterruptions } from './endings.ts'
import { networkFaults } from './faulty-network.ts'
import { checkChanges, checkHistory, SimulationFailure } from './history.ts'
import {
  crashMoments,
  Installation,
  type Member,
  overtaken,
  restarts,
  storageFaults,
  type Tally,
  timersMax,
  unwritten,
} from './installation.ts'
import { LostAnswer } from './memory-log.ts'
import { anOrderWithDeals } from './workload.ts'

/** Messages of the code under test that only come when it recovers from something. */
const recoveries = [
  'the database was restored from object storage',
  'a snapshot is not usable',
  'a snapshot is not complete',
  'a snapshot cannot be read',
  'no snapshot could be made',
  'snapshot made',
] as const

export function sharedCoverage(): Coverage {
  return new Coverage([
    ...networkFaults,
    ...storageFaults,
    ...restarts,
    ...recoveryBranches.map((branch) => `recovery: ${branch}`),
    ...recoveries.map((message) => `said: ${message}`),
    ...['records of the log', 'shipped records', 'data files', 'manifests'].map((what) => `collected: ${what}`),
    ...Object.keys(crashMoments),
    'failure: a stalled writer woke up',
    'failure: a manifest came after its files had been collected',
    overtaken,
    unwritten,
    'failure: an instance stopped when its store answered wrongly',
    'failure: what had rotted was not needed',
    'failure: what had rotted was refused',
    ...Object.keys(endings).map((name) => `ending: ${name}`),
    ...importInterruptions,
    ...clientEvents,
  ])
}

/** The same installation, with families that become cold. */
export function coldCoverage(): Coverage {
  return new Coverage([
    ...coldBranches.map((branch) => `recovery: ${branch}`),
    'cold: in a snapshot',
    'client: a cold family could not be read',
    ...restarts,
    'collected: data files',
  ])
}

export function simulateCold(seed: number, coverage: Coverage): Promise<void> {
  return simulateShared(seed, coverage, { hasFamilies: true })
}

const clients = 4
const ordersEach = 55
const patienceMs = 800
/** What every seed has done at least. */
const least: Readonly<Tally> & { readonly closures: number } = {
  closures: 200,
  calls: 300,
  faults: 5,
  crashes: 1,
  restarts: 1,
  snapshots: 1,
  collections: 1,
}

/** Runs one seed; throws SimulationFailure when a promise of the database was broken. */
export async function simulateShared(
  seed: number,
  coverage: Coverage,
  { hasFamilies = false }: { readonly hasFamilies?: boolean } = {},
): Promise<void> {
  const installation = new Installation(seed, coverage, { hasFamilies })
  const { random, clock, tally } = installation
  installation.onManifest = (key) => {
    try {
      checkManifest(installation, key)
    } catch (error) {
      installation.failure ??= error
    }
  }
  const crowd = new Clients({
    random,
    clock,
    coverage,
    // Now many at once, now one alone, so that there are races and snapshots.
    pauseMs: () => (random.chance(0.7) ? random.below(6) : random.below(900)),
    patienceMs,
    ...(hasFamilies ? { order: anOrderWithDeals } : {}),
    isEnough: () => whatLacks({ ...tally, closures: crowd.closures }) === undefined,
    findInstance: () => {
      const { living } = installation
      installation.consumed = crowd.told.at(-1)?.position ?? 0
      return living.length > 0 ? random.pick(living) : undefined
    },
  })
  try {
    crowd.start(clients, ordersEach)
    installation.background(operate(installation))
    const isOver = () => {
      installation.look()
      installation.acknowledged = crowd.newestPosition
      return crowd.isDone()
    }
    if (!(await clock.run(isOver, timersMax))) throw new SimulationFailure('the clients never came to an end')
    installation.network.rate = 0
    await settle(installation, crowd, isOver)
    crowd.stopConsumer()
    await makeLastSnapshot(installation)
    const records = installation.records.map(decodeRecord)
    const hashes = checkHistory(crowd.seen, records, {
      mayReadStale: installation.kind === 'bucket' && installation.mayLie,
    })
    checkChanges(crowd.told, records)
    installation.look()
    installation.compareObserved(hashes)
    const last = { objects: new Map(installation.bucket.objects), acknowledged: crowd.newestPosition }
    for (const image of [...installation.images, last]) await installation.finish(checkImage(installation, image))
    const lacks = whatLacks({ ...tally, closures: crowd.closures })
    if (lacks) throw new SimulationFailure(`too few ${lacks} for one seed`)
    const ending = random.pick(endingsOf(installation))
    coverage.reached(`ending: ${ending}`)
    await installation.finish(endings[ending]?.(installation) ?? Promise.resolve())
    if (installation.failure !== undefined) throw installation.failure
  } finally {
    await installation.end()
  }
}

/** Somebody begins maintenance and ends it after a while, through whichever instances answer. */
async function operate(installation: Installation): Promise<void> {
  const { clock, random } = installation
  await clock.sleep(500 + random.below(3000))
  await insist(installation, (db) => db.freeze('operator', 'looks'))
  await clock.sleep(random.below(300))
  await insist(installation, (db) => db.unfreeze())
}

async function insist(installation: Installation, act: (db: Member['db']) => Promise<unknown>): Promise<void> {
  const { clock, random } = installation
  for (;;) {
    const { living } = installation
    if (living.length > 0) {
      const member = random.pick(living)
      try {
        await act(member.db)
        if (!member.isDead) return
      } catch (error) {
        if (!isSlipwayError(error) && !(error instanceof LostAnswer)) throw error
      }
    }
    await clock.sleep(5)
  }
}

/** Everything works again: all instances reach the head, and the consumer of changes with them. */
async function settle(installation: Installation, crowd: Clients, isOver: () => boolean): Promise<void> {
  const isSettled = () =>
    isOver() &&
    installation.isWhole &&
    installation.clock.now() > installation.network.quietAt &&
    (crowd.told.at(-1)?.position ?? 0) === installation.head &&
    installation.living.every(({ db }) => db.position === installation.head && db.upkeep?.shipped === installation.head)
  for (let look = 0; look < 2; look++) {
    if (!(await installation.clock.run(isSettled, timersMax)))
      throw new SimulationFailure(
        `the instances never met: at ${installation.living.map(({ db }) => `${db.position}, shipped ${db.upkeep?.shipped}`)} of ${installation.head}, consumer at ${crowd.told.at(-1)?.position}`,
      )
    // What callers did not wait for may still be on its way: this comes after it.
    const reads = installation.living.map(({ db }) => db.do((tx) => tx.count('done')))
    await installation.finish(Promise.all(reads))
  }
}

/** When nothing fails any more a snapshot succeeds; the first may be one that stalled before. Then collects, until it did. */
async function makeLastSnapshot(installation: Installation): Promise<void> {
  const upkeep = installation.living[0]?.db.upkeep
  if (!upkeep) throw new SimulationFailure('no instance lives')
  let newest: number | undefined
  let failed: unknown
  for (let attempt = 0; attempt < 3 && newest !== installation.head; attempt++) {
    const made = upkeep.snapshot().then(
      ({ manifest }) => {
        newest = manifest.position
      },
      (error: unknown) => {
        failed = error
      },
    )
    await installation.finish(made)
  }
  installation.check(
    newest === installation.head,
    `the newest snapshot is at ${newest} of ${installation.head}: ${errorMessage(failed)}`,
  )
  installation.tally.snapshots++
  await installation.finish(upkeep.collect())
}

/** What a seed has not done often enough. */
function whatLacks(done: typeof least): string | undefined {
  return Object.entries(least).find(([what, number]) => done[what as keyof typeof least] < number)?.[0]
}
