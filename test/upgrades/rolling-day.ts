// The day on which a version takes the place of another: half of the processes have the new one from the beginning, the others get
// it one by one while people work and processes are killed. Then what nobody of the old version may have lost or misread.

import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { databaseBase, databaseServices } from '../../src/datamanager/installation-databases.ts'
import { collectBytes } from '../../src/lib/bytes.ts'
import { errorMessage } from '../../src/lib/errors.ts'
import { until } from '../../src/lib/until-fixture.ts'
import { openPosixObjectStorage } from '../../src/objectstorage/posix.ts'
import { type DayReport, spendDay } from '../server/day-of-work.ts'
import { ProcessGroup } from '../server/process-group.ts'
import { startEtcd } from '../support/etcd.ts'
import { temporaryDirectory } from '../support/git-repository.ts'
import { copyThisVersion, makeNextVersion, type Program } from './next-version.ts'

export type RollingDayOptions = {
  readonly runs: number
  readonly killEveryMs: number
  /** 0 to below 1. */
  readonly random: () => number
}

export type RollingDayReport = DayReport & {
  /** Runs that a service of the new version has written, and of the old one. */
  readonly runsOfNext: number
  readonly runsOfOld: number
}

/** In the order of docs/installation.md, "Upgrades". */
const replacedBefore = ['configstore-1', 'runservice-1', 'gateway-1', 'executor-1']
const replacedMeanwhile = ['configstore-2', 'runservice-2', 'gateway-2', 'executor-2', 'executor-3']

export async function spendRollingDay({ runs, killEveryMs, random }: RollingDayOptions): Promise<RollingDayReport> {
  using directory = temporaryDirectory('versions')
  const old = copyThisVersion(join(directory.path, 'old'))
  const next = makeNextVersion(join(directory.path, 'next'))
  const forgetful = makeNextVersion(join(directory.path, 'forgetful'), { isForgetful: true })
  await using etcd = await startEtcd()
  await using group = await ProcessGroup.start(
    { gateways: 2, configstores: 2, runservices: 2, executors: 3, programOf: () => old.file },
    etcd,
  )
  for (const name of replacedBefore) await group.replace(name, next.file)
  const replacements = replacedMeanwhile.map((name) => ({ name, program: next.file }))
  const day = await spendDay(group, { runs, killEveryMs, random, replacements })
  const wrong = [...day.wrong, ...(await faultsOfInstances(group, next))]
  const records = await recordFormats(group)
  if (records.size !== 1 || !records.has(1)) wrong.push(`records have the formats ${[...records].join(', ')}`)
  const rows = await runRows(group)
  wrong.push(...rows.wrong)
  // Nothing newer was written, so one may go back, and forth again.
  await replaceWithoutFile(group, 'configstore-2', old)
  await group.replace('configstore-2', next.file)
  wrong.push(...(await faultsOfTheNewFormat(group, { old, forgetful })))
  return { ...day, wrong, runsOfNext: rows.ofNext, runsOfOld: rows.ofOld }
}

/** Who was killed counts as present until its lease ends. */
async function faultsOfInstances(group: ProcessGroup, next: Program): Promise<readonly string[]> {
  let faults: readonly string[] = []
  await until(async () => {
    faults = await faultsOfInstancesNow(group, next)
    return faults.length === 0
  }).catch(() => undefined) // What still does not hold is returned.
  return faults
}

async function faultsOfInstancesNow(group: ProcessGroup, { version }: Program): Promise<readonly string[]> {
  const { instances } = await group.client(0).call('getMaintenance')
  const present = instances.filter(({ isPresent }) => isPresent)
  const strangers = present.filter((instance) => instance.version !== version)
  return [
    ...(present.length < 6 ? [`only ${present.length} instances are there in the end`] : []),
    ...strangers.map((instance) => `instance ${instance.id} has version ${instance.version} in the end`),
  ]
}

/** Of all records that were shipped. */
async function recordFormats(group: ProcessGroup): Promise<ReadonlySet<number>> {
  await using storage = await openPosixObjectStorage({ root: group.objects })
  const formats = new Set<number>()
  for (const service of databaseServices)
    for await (const { key } of storage.list({ prefix: `${databaseBase}/${service}/` })) {
      if (!/\/log\/[0-9a-f]{16}$/.test(key)) continue
      for (const header of recordHeaders(await collectBytes(storage.read(key)))) formats.add(header.format)
    }
  return formats
}

type RecordHeader = { readonly format: number; readonly bytes: number }

/** As docs/storage.md, "Shipped records", says, whatever version wrote them. */
function* recordHeaders(bytes: Uint8Array): Generator<RecordHeader> {
  for (let start = 0; start < bytes.length; ) {
    const headerEnd = bytes.indexOf(0x0a, start) + 1
    const header = JSON.parse(Buffer.from(bytes.subarray(start, headerEnd)).toString()) as RecordHeader & { end?: true }
    if (header.end) return
    yield header
    start = headerEnd + header.bytes
  }
}

type ExportedRow = { readonly type: string; readonly id: string; readonly body: { readonly [name: string]: unknown } }

/** Whether what the old version does not know is there as the new one wrote it, in rows that both have changed. */
async function runRows(group: ProcessGroup) {
  const text = await group.inspect('runservice-1', ['export', '--database', 'runservice'])
  const rows = text
    .split('\n')
    .slice(1, -2)
    .map((line) => JSON.parse(line) as ExportedRow)
  const ofType = (type: string) => rows.filter((row) => row.type === type)
  const noted = new Set(ofType('runnote').map(({ id }) => id))
  const keeps = ({ body }: ExportedRow) => JSON.stringify(body.sinceNext) === '{"kept":true}'
  const wrong = [
    ...ofType('run').filter((row) => keeps(row) !== noted.has(row.id)),
    ...ofType('runtask').filter((row) => keeps(row) !== noted.has(String(row.body.runId))),
  ].map(({ type, id }) => `${type} ${id} has lost what the old version does not know`)
  return { wrong, ofNext: noted.size, ofOld: ofType('run').length - noted.size }
}

/** Nobody of the old version was there for long enough: records have the new format, and the old version refuses them. */
async function faultsOfTheNewFormat(
  group: ProcessGroup,
  { old, forgetful }: { readonly old: Program; readonly forgetful: Program },
): Promise<readonly string[]> {
  for (const name of group.names) await group.stop(name)
  for (const name of ['configstore-1', 'runservice-1', 'gateway-1']) await group.replace(name, forgetful.file)
  let users = 0
  await until(async () => {
    await group.client(0).call('createUser', { body: { name: `later-${++users}` } })
    return (await recordFormats(group)).has(2)
  }, 'a record of the new format')
  try {
    await replaceWithoutFile(group, 'configstore-2', old)
  } catch (error) {
    const isTold = /has format 2, this version reads 1: upgrade/.test(errorMessage(error))
    return isTold ? [] : [`the old version refuses the new format, but says: ${errorMessage(error)}`]
  }
  return ['the old version works with a log of the new format']
}

/** The file of a later version is not read by an older one: it is made anew from the log. */
async function replaceWithoutFile(group: ProcessGroup, name: string, { file }: Program): Promise<void> {
  await group.stop(name)
  const files = join(group.dataOf(name), 'database')
  for (const entry of readdirSync(files)) rmSync(join(files, entry), { recursive: true })
  await group.replace(name, file)
}
