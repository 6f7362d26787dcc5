// What is in the bucket, compared with the sequential model.

import { isSlipwayError } from '../../lib/errors.ts'
import { silentLogger } from '../../lib/log.ts'
import { decodeFamilyFile } from '../cold/family-file.ts'
import type { Position } from '../database.ts'
import { emptyContentHash } from '../read-model/content-hash.ts'
import { type DecodedRecord, decodeRecord } from '../record.ts'
import { contentHashOf, decodeDataFile, familiesType } from '../snapshot/data-file.ts'
import { positionOfKey, rowsKey, shippedPrefix } from '../snapshot/keys.ts'
import { decodeManifest, isComplete, listData, listManifests, readManifest } from '../snapshot/manifest.ts'
import { restoreDatabase } from '../snapshot/restore.ts'
import { contentHashOfRows, SimulationFailure } from './history.ts'
import { base, type Image, type Installation, identity } from './installation.ts'
import { Bucket, MemoryObjectStorage } from './memory-storage.ts'

/** Between the last look at the files and the creation of the manifest, repeated after failures, besides what was late. */
const publishingMsMax = 3000

/** A manifest names files that are there and hold exactly the rows of its position. */
export function checkManifest(installation: Installation, key: string): void {
  const { bucket, clock, network, coverage, deletedAt } = installation
  const position = positionOfKey(key) ?? -1
  const manifest = decodeManifest(bucket.read(key), identity, position)
  const records = recordsUpTo(installation, position)
  const fail = (what: string) => {
    throw new SimulationFailure(`snapshot ${position} ${what}`)
  }
  if (records.at(-1)?.hash !== manifest.hash) fail('has another record hash')
  const keys = manifest.files.map(({ name }) => rowsKey(base, identity.generation, name))
  const missing = keys.filter((name) => !bucket.objects.has(name))
  if (missing.length > 0) {
    // Collected after its writer had looked for them the last time: nobody may take it for a snapshot.
    const since = clock.now() - publishingMsMax - network.lateMs
    for (const name of missing) if ((deletedAt.get(name) ?? 0) < since) fail(`names ${name}, which was not there`)
    coverage.reached('failure: a manifest came after its files had been collected')
    return
  }
  for (const file of manifest.files) {
    const bytes = bucket.read(rowsKey(base, identity.generation, file.name))
    if (file.type !== familiesType) decodeDataFile(file, bytes)
    else if ([...decodeFamilyFile(file, bytes)].length > 0) coverage.reached('cold: in a snapshot')
  }
  if (contentHashOf(manifest.files) !== contentHashOfRows(replay(records))) fail('has other rows than the model')
}

/** With nothing but the bucket: all of its log, from whichever complete snapshot one begins. */
export async function checkImage(installation: Installation, { objects, acknowledged }: Image): Promise<void> {
  const bucket = new Bucket(installation.clock, objects)
  if (installation.kind === 'bucket') await checkOpened(installation, bucket, acknowledged)
  else await checkRestored(installation, bucket)
}

/** Where the log is in the bucket, nothing that was acknowledged is missing. */
async function checkOpened(installation: Installation, bucket: Bucket, acknowledged: Position): Promise<void> {
  if (bucket.list(`${base}/root/`).length === 0) return // lost before it existed
  await using db = await installation.openBeside({ bucket })
  const expected = contentHashOfRows(replay(recordsUpTo(installation, db.position)))
  if (db.position < acknowledged || db.contentHash !== expected)
    throw new SimulationFailure(
      `what was left in the bucket has record ${db.position} of ${acknowledged}, content ${db.contentHash}`,
    )
}

async function checkRestored(installation: Installation, bucket: Bucket): Promise<void> {
  const place = { ost: new MemoryObjectStorage(bucket), base }
  const shipped = bucket.list(shippedPrefix(base, identity.generation)).map(({ key }) => positionOfKey(key) ?? 0)
  const head = Math.max(0, ...shipped)
  const expected = contentHashOfRows(replay(recordsUpTo(installation, head)))
  const restore = async (from?: Position) => {
    const restored = await restoreDatabase({
      ...{ path: installation.newFile(), types: installation.types, place, identity, logger: silentLogger },
      isEmbedded: true,
      firstContentHash: emptyContentHash,
      ...(from === undefined ? {} : { from }),
    })
    if (restored.position !== head || restored.contentHash !== expected)
      throw new SimulationFailure(
        `restored from ${from ?? 'the newest snapshot'}: record ${restored.position} of ${head}, content ${restored.contentHash}`,
      )
  }
  await restore()
  const data = await listData(place, identity.generation)
  let complete = 0
  for (const position of await listManifests(place, identity.generation)) {
    if (!isComplete(await readManifest(place, identity, position), data)) continue
    await restore(position)
    if (++complete === 3) return
  }
}

/** One object of the bucket is damaged, cut or gone: what is made of the rest is right, or nothing is. */
export async function checkRotten(installation: Installation): Promise<void> {
  const { random, coverage, bucket } = installation
  const rotten = new Bucket(installation.clock, bucket.objects)
  const keys = [...bucket.objects.keys()].filter((key) => key.includes(`/${identity.generation}/`))
  const key = random.pick(keys)
  const { bytes, modifiedAt } = bucket.objects.get(key)! // one of its keys
  const how = random.pick(['a bit', 'its end', 'all of it'] as const)
  if (how === 'all of it') rotten.objects.delete(key)
  else {
    const changed = Buffer.from(how === 'its end' ? bytes.subarray(0, random.below(bytes.length)) : bytes)
    if (how === 'a bit' && bytes.length > 0) changed[random.below(bytes.length)]! ^= 1 << random.below(8)
    rotten.objects.set(key, { bytes: changed, modifiedAt })
  }
  // Without footers, as MemoryObjectStorage is, what has no hash of its own can change unseen: only marks of the log.
  if (key.includes('/low/')) return
  try {
    await using db = await installation.openBeside({ bucket: rotten })
    const expected = contentHashOfRows(replay(recordsUpTo(installation, db.position)))
    if (db.contentHash !== expected)
      throw new SimulationFailure(`without ${how} of ${key}: other rows at record ${db.position}`)
    coverage.reached('failure: what had rotted was not needed')
  } catch (error) {
    if (!isSlipwayError(error)) throw error
    coverage.reached('failure: what had rotted was refused')
  }
}

function recordsUpTo(installation: Installation, position: Position): DecodedRecord[] {
  return installation.records.slice(0, position).map(decodeRecord)
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
