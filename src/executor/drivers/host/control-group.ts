// Memory and process limits of one task through control groups, version 1 or 2, when the executor may make them (as root).
// Without them a task's processes are limited by the helper (RLIMIT_NPROC) and its memory is not.

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../../lib/clock.ts'

export type ControlGroups = { readonly version: 1 | 2; readonly root: string }

export type ControlGroupLimits = { readonly memoryBytesMax: number; readonly processesMax: number }

const folder = 'slipway'

/** What this machine offers, tried by making our folder; undefined when it cannot be used. */
export function findControlGroups(root = '/sys/fs/cgroup'): ControlGroups | undefined {
  try {
    if (existsSync(join(root, 'cgroup.controllers'))) {
      writeFileSync(join(root, 'cgroup.subtree_control'), '+memory +pids')
      mkdirSync(join(root, folder), { recursive: true })
      writeFileSync(join(root, folder, 'cgroup.subtree_control'), '+memory +pids')
      return { version: 2, root }
    }
    mkdirSync(join(root, 'memory', folder), { recursive: true })
    mkdirSync(join(root, 'pids', folder), { recursive: true })
    return existsSync(join(root, 'memory', folder, 'cgroup.procs')) ? { version: 1, root } : undefined
  } catch {
    // Not root, a read-only mount, or controllers that somebody else owns: said in the driver's description.
    return undefined
  }
}

/** Makes the group `name`, in which nothing is yet. */
export function createControlGroup(groups: ControlGroups, name: string, limits: ControlGroupLimits): void {
  const [memoryDir, pidsDir] = groupDirs(groups, name)
  for (const dir of new Set([memoryDir, pidsDir])) mkdirSync(dir, { recursive: true })
  const memoryFile = groups.version === 1 ? 'memory.limit_in_bytes' : 'memory.max'
  writeFileSync(join(memoryDir, memoryFile), String(limits.memoryBytesMax))
  forbidSwap(groups, memoryDir, limits.memoryBytesMax)
  writeFileSync(join(pidsDir, 'pids.max'), String(limits.processesMax))
}

/**
 * Files in which a thread that starts something puts itself first. None with version 2, where only `moveToControlGroup` is
 * left: moving a process waits for all processors (about 10 ms), which a single thread that moves itself need not; that
 * exists in version 1 only.
 */
export function controlGroupTasks(groups: ControlGroups, name: string): readonly string[] {
  return groups.version === 2 ? [] : groupDirs(groups, name).map((dir) => join(dir, 'tasks'))
}

/** Moves a process into the group: everything it starts from then on is limited with it. */
export async function moveToControlGroup(groups: ControlGroups, name: string, pid: number): Promise<void> {
  for (const dir of new Set(groupDirs(groups, name))) await writeFile(join(dir, 'cgroup.procs'), String(pid))
}

/** Else a task over its limit would fill the swap before it is out of memory. Kernels without swap accounting lack it. */
function forbidSwap(groups: ControlGroups, dir: string, memoryBytesMax: number): void {
  const path = join(dir, groups.version === 1 ? 'memory.memsw.limit_in_bytes' : 'memory.swap.max')
  if (existsSync(path)) writeFileSync(path, String(groups.version === 1 ? memoryBytesMax : 0))
}

/** How many processes of the group the kernel has killed for want of memory; 0 when the group is gone. */
export function countMemoryKills(groups: ControlGroups, name: string): number {
  const file = groups.version === 1 ? 'memory.oom_control' : 'memory.events'
  try {
    return parseMemoryKills(readFileSync(join(groupDirs(groups, name)[0], file), 'latin1'))
  } catch {
    return 0
  }
}

export function parseMemoryKills(text: string): number {
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0)
}

/** Removes the group, whose processes have been killed. Idempotent. */
export async function removeControlGroup(groups: ControlGroups, name: string, clock: Clock): Promise<void> {
  for (const dir of new Set(groupDirs(groups, name))) {
    for (let attempt = 0; !tryRemove(dir, attempt >= removeAttempts); attempt++) await clock.sleep(attempt + 1)
  }
}

// A process that is being reaped keeps its group busy for a moment; 30 attempts are half a second.
const removeAttempts = 30

function tryRemove(dir: string, isLastAttempt: boolean): boolean {
  try {
    rmdirSync(dir)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error) {
      if (error.code === 'ENOENT') return true
      if (error.code === 'EBUSY' && !isLastAttempt) return false
    }
    throw error
  }
}

/** Folder of the memory limit and of the process limit; the same one in version 2. */
function groupDirs(groups: ControlGroups, name: string): readonly [string, string] {
  return groups.version === 1
    ? [join(groups.root, 'memory', folder, name), join(groups.root, 'pids', folder, name)]
    : [join(groups.root, folder, name), join(groups.root, folder, name)]
}
