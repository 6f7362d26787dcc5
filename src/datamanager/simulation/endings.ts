// How the installation of a seed ends, after everything was compared: each time with something that must be noticed.

import { isDeepStrictEqual } from 'node:util'
import { collectBytes } from '../../lib/bytes.ts'
import { errorMessage, isSlipwayError, type SlipwayError } from '../../lib/errors.ts'
import { selfTest } from '../../objectstorage/self-test.ts'
import { completeImport } from '../export/complete-import.ts'
import { exportDatabase } from '../export/export-database.ts'
import { importDatabase } from '../export/import-database.ts'
import { encodeRecord } from '../record.ts'
import { contentHashOf } from '../snapshot/data-file.ts'
import { positionOfKey } from '../snapshot/keys.ts'
import { readManifest } from '../snapshot/manifest.ts'
import { findRoot } from '../snapshot/root.ts'
import { checkRotten } from './check-storage.ts'
import { SimulationFailure } from './history.ts'
import { base, type Installation, identity, type Member } from './installation.ts'
import { MemoryChangeLog, MemoryLogStore } from './memory-log.ts'
import { Bucket, type BucketCall, MemoryObjectStorage } from './memory-storage.ts'

type Ending = (installation: Installation) => Promise<void>

/** Every ending, by what happens. */
export const endings: Readonly<Record<string, Ending | undefined>> = {
  'the log was lost': (installation) => goBack(installation, 0),
  'the log was restored from an old backup': (installation) =>
    goBack(installation, installation.server.head - 1 - installation.random.below(5)),
  'the log was forked': fork,
  'the log has a gap': gap,
  'another bucket, or another log, was configured': mixUp,
  'the store ignores conditions': ignoreConditions,
  'a stored object has rotted': async (installation) => {
    for (let time = 0; time < 8; time++) await checkRotten(installation)
  },
  'an import was interrupted': importInterrupted,
}

/** Those that can happen to this installation. */
export function endingsOf({ kind }: Installation): string[] {
  const notInBucket = ['the log was lost', 'the log was restored from an old backup', 'the log was forked']
  return Object.keys(endings).filter((name) =>
    kind === 'bucket' ? !notInBucket.includes(name) : name !== 'the log has a gap',
  )
}

export const importInterruptions = [
  'failure: crash during an import, before the old generation is closed',
  'failure: crash during an import, between the closing record and the root',
  'failure: crash during an import, after the root',
] as const

/** The log forgets what it had acknowledged: nobody goes on as though nothing had been. */
async function goBack(installation: Installation, position: number): Promise<void> {
  const { server, living } = installation
  const before = installation.newFile()
  await (await installation.openBeside({ path: before }))[Symbol.asyncDispose]()
  server.goBack(Math.max(0, position))
  for (const member of living) await expectStopped(member)
  await expectRefused(installation, { path: before }, ['database_corrupt'])
}

/** The newest record becomes another one. */
async function fork(installation: Installation): Promise<void> {
  const { server, living } = installation
  const record = server.records.get(server.head)
  if (!record) return
  const place = { ...identity, position: server.head, prev: prevOf(installation) }
  server.records.set(server.head, encodeRecord(place, 'fork', ['{"at":0,"operations":[]}\n']))
  for (const member of living) await expectStopped(member)
}

function prevOf({ server, archive }: Installation): string {
  return archive.get(server.head - 1)?.hash ?? '0'.repeat(64)
}

/** A record in the middle is gone; the newest are there. */
async function gap(installation: Installation): Promise<void> {
  const { bucket, living, head, random } = installation
  const [member] = living
  if (!member) return
  // Whoever has a snapshot from behind the gap does not need what is missing.
  const newestSnapshot = () => Math.max(0, ...manifestPositions(bucket))
  let written = 0
  for (; written < 5 || (newestSnapshot() > installation.head - 5 && written < 50); written++)
    await write(member, written)
  installation.check(installation.head >= head + written, 'so many writes made fewer records')
  installation.check(newestSnapshot() <= installation.head - 5, 'there was always a new snapshot')
  const key = bucket.list(`${base}/${identity.generation}/bucket/log/`).at(-2 - random.below(3))?.key ?? ''
  bucket.objects.delete(key)
  await expectRefused(installation, {}, ['backend_unavailable', 'database_corrupt'])
}

function manifestPositions(bucket: Bucket): number[] {
  return bucket.list(`${base}/${identity.generation}/snapshot/`).flatMap(({ key }) => positionOfKey(key) ?? [])
}

async function mixUp(installation: Installation): Promise<void> {
  const { clock } = installation
  const other = { store: 'another', generation: identity.generation }
  await expectRefused(installation, { identity: other }, ['database_foreign'])
  if (installation.kind === 'bucket') return
  const store = new MemoryLogStore()
  const record = encodeRecord({ ...other, position: 1, prev: '0'.repeat(64) }, 'other', [])
  store.append(record, '0'.repeat(64))
  const log = new MemoryChangeLog(store, undefined, clock)
  await expectRefused(installation, { bucket: new Bucket(clock), log }, ['database_foreign'])
}

async function ignoreConditions(installation: Installation): Promise<void> {
  const ost = new MemoryObjectStorage(installation.bucket)
  await selfTest(ost)
  ost.create = (key, data, options) => ost.put(key, data, options)
  const refused = await outcomeOf(selfTest(ost))
  if (!isSlipwayError(refused, 'object_storage_unsafe'))
    throw new SimulationFailure('a store that ignores conditions was taken for one that honours them')
}

/** A process exports, dies somewhere in the import, and the next one brings it to its end. */
async function importInterrupted(installation: Installation): Promise<void> {
  const { random, coverage, clock, bucket, living } = installation
  const [member] = living
  if (!member) return
  const { db } = member
  const place = { ost: new MemoryObjectStorage(bucket), base }
  await db.freeze('operator', 'moves')
  const options = { database: 'bank', place, now: clock.now(), signal: new AbortController().signal }
  const exported = await collectBytes(exportDatabase(db.upkeep!, options)) // it has storage
  const closeOld = (generation: string) => db.closeGeneration(generation)
  const importing = (dying: typeof place, close: typeof closeOld) =>
    importDatabase({
      ...{
        place: dying,
        database: 'bank',
        now: clock.now(),
        types: installation.types,
        closeOld: close,
        fileBytesMax: 1200,
      },
      stream: (async function* () {
        yield exported
      })(),
    })
  const life = mortal(installation, random.pick(deaths), random.below(20))
  const died = await outcomeOf(
    importing({ ...place, ost: life.ost }, (generation) => life.call('close', () => closeOld(generation))),
  )
  const root = await findRoot(place)
  const replacedBy = db.maintenance?.replacedBy
  if (died instanceof Error)
    coverage.reached(importInterruptions[replacedBy === undefined ? 0 : root?.generation === replacedBy ? 2 : 1])
  if (replacedBy === undefined) {
    if (root?.generation !== identity.generation)
      throw new SimulationFailure('the root names what nobody closed the old generation for')
    await importing(place, closeOld)
  } else await completeImport(place, identity, replacedBy)
  const current = await findRoot(place)
  if (!current || current.generation !== db.maintenance?.replacedBy)
    throw new SimulationFailure(
      'after the import another generation is the current one than the old one was closed for',
    )
  const imported = await readManifest(place, current, 0)
  const rows = new TextDecoder().decode(exported).split('\n')[0] ?? ''
  const header = JSON.parse(rows) as { contentHash: string; count: number }
  if (!isDeepStrictEqual([contentHashOf(imported.files), imported.count], [header.contentHash, header.count]))
    throw new SimulationFailure('what was imported is not what was exported')
  for (const old of living)
    if (!isSlipwayError(await outcomeOf(write(old, 0)), 'maintenance', 'outcome_unknown'))
      throw new SimulationFailure('an instance of the old generation has written after the import')
  const log = installation.kind === 'bucket' ? undefined : new MemoryChangeLog(new MemoryLogStore(), undefined, clock)
  await using fresh = await installation.openBeside({ identity: current, ...(log ? { log } : {}) })
  if (fresh.contentHash !== header.contentHash) throw new SimulationFailure('the new generation has other rows')
}

const deaths = ['writing', 'before the root', 'after the root', 'after closing'] as const

/** A bucket as a process sees it that dies at its call number `calls`, or at a certain one. */
function mortal(installation: Installation, death: (typeof deaths)[number], calls: number) {
  let isDead = false
  let isClosed = false
  let made = 0
  const die = (): never => {
    isDead = true
    throw new Error('the importing process is dead')
  }
  const call = async <T>(key: string, act: () => T | Promise<T>): Promise<T> => {
    const isRoot = key.includes('/root/') && made > 2 // the first calls look which one there is
    if (isDead || (death === 'writing' && made === calls) || (death === 'before the root' && isRoot)) die()
    made++
    installation.check(!isRoot || isClosed, 'an import made its root before the old generation was closed')
    const answer = await act()
    isClosed ||= key === 'close'
    if ((death === 'after the root' && isRoot) || (death === 'after closing' && key === 'close')) die()
    return answer
  }
  const ost = new MemoryObjectStorage(
    installation.bucket,
    <T>(_call: BucketCall, key: string, { act }: { act: () => T }) => call(key, act),
  )
  return { ost, call }
}

const write = ({ db }: Member, number: number) =>
  db.do((tx) => tx.put('account', 'ending', { balance: number + (tx.get('account', 'ending')?.balance ?? 0) + 1 }))

async function expectStopped(member: Member): Promise<void> {
  const code = await outcomeOf(write(member, 1))
  const shown = (() => {
    try {
      return member.db.view((tx) => tx.count('done'))
    } catch (error) {
      return error
    }
  })()
  if (!isSlipwayError(code, 'outcome_unknown', 'database_corrupt') || !isSlipwayError(shown, 'database_corrupt'))
    throw new SimulationFailure(
      `instance ${member.number} went on although the log had changed: ${errorMessage(code)}, ${errorMessage(shown)}`,
    )
}

async function expectRefused(
  installation: Installation,
  parts: Parameters<Installation['openBeside']>[0],
  codes: readonly SlipwayError['code'][],
): Promise<void> {
  const opened = await outcomeOf(installation.openBeside(parts))
  if (isSlipwayError(opened, ...codes)) return
  if (opened && typeof opened === 'object' && Symbol.asyncDispose in opened)
    await (opened as AsyncDisposable)[Symbol.asyncDispose]()
  throw new SimulationFailure(
    `a database was opened that must be refused (${codes.join(', ')}): ${errorMessage(opened)}`,
  )
}

function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  return work.catch((error: unknown) => error)
}
