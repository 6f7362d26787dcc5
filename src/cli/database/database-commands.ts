// What `slipway database` does and says.

import { userInfo } from 'node:os'
import { SlipwayError } from '../../lib/errors.ts'
import {
  type DatabaseStatus,
  databaseStatus,
  openStoppedInstallation,
  restoreStopped,
} from '../../server/stopped-installation.ts'
import { type WaitingWork, waitingWork } from '../../server/waiting-work.ts'
import { exitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'
import { formatDuration } from '../run/format-duration.ts'
import type { Place } from './place-options.ts'

type Chosen = Place & { readonly database?: string }

export async function showStatus(
  { directory, config, output }: Place & { readonly output: 'plain' | 'json' },
  io: Io,
): Promise<number> {
  await using installation = await openStoppedInstallation({ directory, settingsFile: config }, { mustExist: true })
  const now = Date.now()
  const databases: Record<string, DatabaseStatus & { readonly waiting: readonly WaitingWork[] }> = {}
  for (const database of await installation.databases())
    databases[database.name] = { ...(await databaseStatus(database)), waiting: waitingWork(database, now) }
  const instances = await installation.instances()
  if (output === 'json') {
    io.stdout.write(`${JSON.stringify({ log: installation.log, databases, instances })}\n`)
    return exitStatus.success
  }
  const lines = Object.entries(databases).flatMap(([name, status]) =>
    [...describeDatabase(status, installation.log), ...status.waiting.map((work) => describeWaiting(work, now))].map(
      (line) => `${name}: ${line}`,
    ),
  )
  for (const { instanceId, version, seenAt, isPresent, databases: positions } of instances) {
    const behind = Object.entries(positions).map(([name, { position }]) => `${name} ${position}`)
    const there = isPresent ? 'there' : 'gone'
    const ago = formatDuration(Math.max(0, now - seenAt))
    lines.push(`instance ${instanceId} ${version}: ${there}, seen ${ago} ago, at record ${behind.join(', ')}`)
  }
  if (lines.length === 0) lines.push('no databases yet')
  io.stdout.write(`${lines.join('\n')}\n`)
  return exitStatus.success
}

function describeDatabase({ file, current, shipped, snapshots, snapshotAgeMs }: DatabaseStatus, log: string): string[] {
  const age = snapshotAgeMs === undefined ? '' : `, ${formatDuration(snapshotAgeMs)} old`
  const lines = [
    file ? `log ${log}, file at record ${file.position}, generation ${file.generation}` : `log ${log}, no file`,
    current ? `object storage: generation ${current.generation}` : 'object storage: nothing of this database',
    shipped === undefined ? 'shipped: nothing' : `shipped: up to record ${shipped}`,
    snapshots[0] === undefined
      ? 'snapshots: none'
      : `snapshots: ${snapshots.length}, the newest at record ${snapshots[0]}${age}`,
  ]
  if (file && current && file.generation !== current.generation)
    lines.push('the file is of an older generation: it is replaced when the installation starts')
  return lines
}

function describeWaiting({ kind, count, oldestAt, lastError }: WaitingWork, now: number): string {
  const why = lastError === undefined ? '' : `: ${lastError}`
  return `${count} ${kind} waiting, the oldest for ${formatDuration(now - oldestAt)}${why}`
}

export async function verify({ directory, config, database: named }: Chosen, io: Io): Promise<number> {
  await using installation = await openStoppedInstallation({ directory, settingsFile: config }, { mustExist: true })
  let problems = 0
  for (const database of await installation.databases(named)) {
    const { file, storage, log } = await installation.verify(database)
    const say = (text: string) => io.stdout.write(`${database.name}: ${text}\n`)
    if (file) say(`${file.rows} rows, ${file.records} records from ${file.oldest} on`)
    for (const { position, count, isSound } of storage?.snapshots ?? [])
      say(`snapshot ${position}: ${isSound ? `${count} rows` : 'damaged'}`)
    if (storage?.shipped) say(`shipped: records ${storage.shipped.oldest} to ${storage.shipped.newest}`)
    if (log?.records) say(`log: records ${log.records.oldest} to ${log.records.newest}`)
    for (const problem of [...(file?.problems ?? []), ...(storage?.problems ?? []), ...(log?.problems ?? [])]) {
      io.stderr.write(`${database.name}: ${problem}\n`)
      problems++
    }
  }
  io.stdout.write(problems === 0 ? 'all of it fits\n' : `${problems} problems\n`)
  return problems === 0 ? exitStatus.success : exitStatus.runFailed
}

export async function restore(
  { directory, config, database: named, from }: Chosen & { readonly from?: string },
  io: Io,
): Promise<number> {
  const position = from === undefined ? undefined : Number(from)
  if (position !== undefined && !(Number.isSafeInteger(position) && position >= 0))
    throw new SlipwayError('usage', `--from ${from}: a position is a whole number`)
  if (position !== undefined && named === undefined)
    throw new SlipwayError('usage', '--from needs --database: positions are of one database')
  await using installation = await openStoppedInstallation({ directory, settingsFile: config }, { mustExist: true })
  if (installation.log !== 'embedded') {
    if (position !== undefined) throw new SlipwayError('usage', '--from is for the embedded log')
    const { signal } = new AbortController()
    for (const database of await installation.databases(named)) {
      if (!(await installation.isLogLost(database))) {
        io.stdout.write(`${database.name}: its log has all that was shipped, it is left as it is\n`)
        continue
      }
      const restored = await installation.recover(database, signal)
      io.stdout.write(
        `${database.name}: restored up to record ${restored.position}, as generation ${restored.generation}; content hash ${restored.contentHash}\n`,
      )
    }
    return exitStatus.success
  }
  for (const database of await installation.databases(named)) {
    const restored = await restoreStopped(database, position)
    io.stdout.write(
      `${database.name}: restored up to record ${restored.position}, from snapshot ${restored.snapshot}; content hash ${restored.contentHash}\n`,
    )
  }
  return exitStatus.success
}

export async function move(
  { directory, config, to, timeout }: Place & { readonly to: string; readonly timeout: string },
  io: Io,
): Promise<number> {
  const timeoutMs = Number(timeout) * 1000
  if (!(timeoutMs >= 0)) throw new SlipwayError('usage', `--timeout ${timeout}: it is a number of seconds`)
  await using installation = await openStoppedInstallation({ directory, settingsFile: config }, { mustExist: true })
  await using target = await openStoppedInstallation({ directory, settingsFile: to }, { mustExist: false })
  const ending = new AbortController()
  using _interrupt = io.onInterrupt(() => ending.abort(new SlipwayError('cancelled', 'the move was interrupted')))
  const by = userInfo().username
  const moved = await installation.move(target, { by, timeoutMs, signal: ending.signal })
  for (const { header, count, contentHash } of moved)
    io.stdout.write(`${header.database}: ${count} rows are in the log ${target.log}; content hash ${contentHash}\n`)
  io.stdout.write(`in maintenance until: slipway maintenance leave ${directory} --config ${to}\n`)
  return exitStatus.success
}
