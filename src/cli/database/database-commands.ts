// What `slipway database` does and says.

import { once } from 'node:events'
import { SlipwayError } from '../../lib/errors.ts'
import {
  databaseStatus,
  exportStopped,
  importStopped,
  openStoppedInstallation,
  restoreStopped,
  verifyStopped,
} from '../../server/stopped-installation.ts'
import { exitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'
import { formatDuration } from '../run/format-duration.ts'

type Status = { readonly directory: string; readonly output: 'plain' | 'json' }

export async function showStatus({ directory, output }: Status, io: Io): Promise<number> {
  await using stopped = await openStoppedInstallation(directory, { mustExist: true })
  const status = await databaseStatus(stopped)
  if (output === 'json') {
    io.stdout.write(`${JSON.stringify(status)}\n`)
    return exitStatus.success
  }
  const { file, current, shipped, snapshots, snapshotAgeMs } = status
  const age = snapshotAgeMs === undefined ? '' : `, ${formatDuration(snapshotAgeMs)} old`
  const lines = [
    file ? `database: embedded, record ${file.position}, generation ${file.generation}` : 'database: no file',
    current ? `object storage: generation ${current.generation}` : 'object storage: nothing of this database',
    shipped === undefined ? 'shipped: nothing' : `shipped: up to record ${shipped}`,
    snapshots[0] === undefined
      ? 'snapshots: none'
      : `snapshots: ${snapshots.length}, the newest at record ${snapshots[0]}${age}`,
  ]
  if (file && current && file.generation !== current.generation)
    lines.push('the file is of an older generation: it is replaced when the installation starts')
  io.stdout.write(`${lines.join('\n')}\n`)
  return exitStatus.success
}

export async function verify(directory: string, io: Io): Promise<number> {
  await using stopped = await openStoppedInstallation(directory, { mustExist: true })
  const { file, storage } = await verifyStopped(stopped)
  const problems = [...(file?.problems ?? []), ...(storage?.problems ?? [])]
  if (file) io.stdout.write(`database: ${file.rows} rows, ${file.records} records from ${file.oldest} on\n`)
  for (const { position, count, isSound } of storage?.snapshots ?? [])
    io.stdout.write(`snapshot ${position}: ${isSound ? `${count} rows` : 'damaged'}\n`)
  if (storage?.shipped) io.stdout.write(`shipped: records ${storage.shipped.oldest} to ${storage.shipped.newest}\n`)
  for (const problem of problems) io.stderr.write(`${problem}\n`)
  io.stdout.write(problems.length === 0 ? 'all of it fits\n' : `${problems.length} problems\n`)
  return problems.length === 0 ? exitStatus.success : exitStatus.runFailed
}

export async function restore(
  { directory, from }: { readonly directory: string; readonly from?: string },
  io: Io,
): Promise<number> {
  const position = from === undefined ? undefined : Number(from)
  if (position !== undefined && !(Number.isSafeInteger(position) && position >= 0))
    throw new SlipwayError('usage', `--from ${from}: a position is a whole number`)
  await using stopped = await openStoppedInstallation(directory, { mustExist: true })
  const restored = await restoreStopped(stopped, position)
  io.stdout.write(
    `restored up to record ${restored.position}, from snapshot ${restored.snapshot}; content hash ${restored.contentHash}\n`,
  )
  return exitStatus.success
}

export async function exportRows(directory: string, io: Io): Promise<number> {
  await using stopped = await openStoppedInstallation(directory, { mustExist: true })
  const ending = new AbortController()
  using _interrupt = io.onInterrupt(() => ending.abort(new SlipwayError('cancelled', 'the export was interrupted')))
  for await (const chunk of exportStopped(stopped, ending.signal))
    if (!io.stdout.write(chunk)) await once(io.stdout, 'drain', { signal: ending.signal })
  return exitStatus.success
}

export async function importRows(directory: string, io: Io): Promise<number> {
  await using stopped = await openStoppedInstallation(directory, { mustExist: false })
  const imported = await importStopped(stopped, io.stdin as AsyncIterable<Uint8Array>) // without an encoding: bytes
  io.stdout.write(
    `imported ${imported.count} rows as generation ${imported.generation}; content hash ${imported.contentHash}\n`,
  )
  return exitStatus.success
}
