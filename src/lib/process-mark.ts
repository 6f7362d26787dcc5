// A name for the things one process makes for itself, so that another one can tell whether their maker still lives: on this
// machine, since this boot, in this pid namespace. Of anything else nobody here can know.

import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { identifyProcess } from './process-identity.ts'

/** The mark of this process: letters, digits and dots; `unknown` where the system does not tell (only Linux does). */
export function markOfThisProcess(): string {
  const here = whereWeAre()
  const self = here === undefined ? undefined : identifyProcess(process.pid)
  return self === undefined ? 'unknown' : `${here}.${self.pid}.${self.startTime}`
}

/** True only when the process with that mark has certainly ended. */
export function hasMarkedProcessEnded(mark: string): boolean {
  const [where, pid, startTime] = mark.split('.')
  if (where === undefined || where !== whereWeAre() || !/^\d+$/.test(pid ?? '')) return false
  return identifyProcess(Number(pid))?.startTime !== startTime
}

/** The boot and the pid namespace, in which a pid means something. */
function whereWeAre(): string | undefined {
  try {
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    const namespace = readlinkSync('/proc/self/ns/pid')
    return createHash('sha256').update(`${bootId} ${namespace}`).digest('hex').slice(0, 12)
  } catch {
    return undefined
  }
}
