// What `slipway maintenance` does and says.

import { userInfo } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { SlipwayError } from '../../lib/errors.ts'
import { type MaintenanceStatus, openStoppedInstallation } from '../../server/stopped-installation.ts'
import { exitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'
import { formatDuration } from '../run/format-duration.ts'
import type { Place } from './place-options.ts'

type Shown = Place & { readonly output: 'plain' | 'json' }

/** How often instances are asked whether they have entered. */
const askMs = 500

export async function showMaintenance({ directory, config, output }: Shown, io: Io): Promise<number> {
  await using installation = await openStoppedInstallation({ directory, settingsFile: config }, { mustExist: true })
  await using joined = await installation.join()
  show(await joined.maintenance.status(), output, io)
  return exitStatus.success
}

export async function enterMaintenance(
  { directory, config, output, why, timeout }: Shown & { readonly why: string; readonly timeout: string },
  io: Io,
): Promise<number> {
  const timeoutMs = Number(timeout) * 1000
  if (!(timeoutMs >= 0)) throw new SlipwayError('usage', `--timeout ${timeout}: it is a number of seconds`)
  await using installation = await openStoppedInstallation({ directory, settingsFile: config }, { mustExist: true })
  await using joined = await installation.join()
  await joined.maintenance.enter(userInfo().username, why)
  const deadline = Date.now() + timeoutMs
  let status = await joined.maintenance.status()
  while (!status.isEverywhere && Date.now() < deadline) {
    await sleep(askMs)
    status = await joined.maintenance.status()
  }
  show(status, output, io)
  return status.isEverywhere ? exitStatus.success : exitStatus.runFailed
}

export async function leaveMaintenance({ directory, config }: Place, io: Io): Promise<number> {
  await using installation = await openStoppedInstallation({ directory, settingsFile: config }, { mustExist: true })
  await using joined = await installation.join()
  await joined.maintenance.leave()
  io.stdout.write('maintenance has ended\n')
  return exitStatus.success
}

function show(status: MaintenanceStatus, output: 'plain' | 'json', io: Io): void {
  if (output === 'json') {
    io.stdout.write(`${JSON.stringify(status)}\n`)
    return
  }
  const now = Date.now()
  const lines = status.databases.map(({ service, position, maintenance }) =>
    maintenance
      ? `${service}: in maintenance since ${new Date(maintenance.since).toISOString()}, by ${maintenance.by}: ${maintenance.why}; record ${position}`
      : `${service}: open; record ${position}`,
  )
  for (const instance of status.instances) {
    const { instanceId, version, hasEntered, isPresent, stoppedAt, seenAt, databases } = instance
    const where = Object.entries(databases)
      .map(([service, { position, generation }]) => `${service} ${position} of ${generation}`)
      .join(', ')
    const seen = `seen ${formatDuration(Math.max(0, now - seenAt))} ago`
    const there = isPresent ? seen : stoppedAt === undefined ? `gone, ${seen}` : `stopped, ${seen}`
    lines.push(
      `instance ${instanceId} ${version}: ${hasEntered ? 'has entered' : 'has not entered'}; ${there}; ${where}`,
    )
  }
  if (status.instances.length === 0) lines.push('no instance in the last hour')
  io.stdout.write(`${lines.join('\n')}\n`)
}
