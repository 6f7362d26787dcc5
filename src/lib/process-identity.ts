// Which process is meant, for ever: pids are reused (often there are only 32,768), start times are not.

import { readFileSync } from 'node:fs'

export type ProcessIdentity = {
  readonly pid: number
  /** Clock ticks since boot, as /proc prints them. */
  readonly startTime: string
  /** Both above mean something else after a reboot. */
  readonly bootId: string
}

/** The process that has this pid now; undefined when there is none or it has ended and waits to be reaped. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const startTime = startTimeOf(pid)
  return startTime === undefined ? undefined : { pid, startTime, bootId: bootId() }
}

export function isAlive(process: ProcessIdentity): boolean {
  return startTimeOf(process.pid) === process.startTime && bootId() === process.bootId
}

/** Kills exactly this process; when it is gone already that is success. */
export function killProcess(identity: ProcessIdentity): void {
  if (!isAlive(identity)) return
  try {
    process.kill(identity.pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** The command name may contain spaces and parentheses, so fields are counted after the last one (proc(5), stat). */
export function parseProcessStat(stat: string): { readonly state: string; readonly startTime: string } | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, startTime] = [fields[0], fields[19]]
  return state === undefined || startTime === undefined ? undefined : { state, startTime }
}

function startTimeOf(pid: number): string | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  const stat = parseProcessStat(text)
  // The first process of a pid namespace is a zombie only after every other process of it has ended.
  return stat === undefined || stat.state === 'Z' || stat.state === 'X' ? undefined : stat.startTime
}

/** Read once: no process outlives a boot. */
let thisBoot: string | undefined

function bootId(): string {
  thisBoot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  return thisBoot
}
