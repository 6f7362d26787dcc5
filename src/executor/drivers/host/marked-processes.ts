// Finds processes by a variable of their environment, wherever they went: the only trace without a pid namespace.

import { readdirSync, readFileSync } from 'node:fs'
import type { Clock } from '../../../lib/clock.ts'
import { identifyProcess, killProcess } from '../../../lib/process-identity.ts'

/**
 * Kills every process that was started with one of `markers` (`NAME=value`) in its environment and waits until none is
 * left. Processes of users whose environment we may not read are not found.
 */
export async function killMarkedProcesses(
  markers: ReadonlySet<string>,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  if (markers.size === 0) return
  for (let found = markedProcesses(markers); found.length > 0; found = markedProcesses(markers)) {
    for (const process of found) killProcess(process)
    await clock.sleep(1, signal)
  }
}

function markedProcesses(markers: ReadonlySet<string>) {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || !hasMarker(name, markers)) return []
    return identifyProcess(Number(name)) ?? []
  })
}

function hasMarker(pid: string, markers: ReadonlySet<string>): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .some((entry) => markers.has(entry))
  } catch {
    // It has ended, or belongs to somebody else.
    return false
  }
}
