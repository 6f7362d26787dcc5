// What a task asks of an executor. Tasks that ask for the same form a class: whether an executor can serve them is decided
// once per class, however many tasks wait.

import type { Arch, RunConfigTask } from '../../pipeline/run-config.ts'
import type { Executor, Trust } from '../types.ts'

export type Requirement = {
  /** Names the class; equal exactly for equal requirements. */
  readonly key: string
  /** Undefined means any. */
  readonly arch?: Arch
  /** Labels the executor must have, with these values. */
  readonly labels: Readonly<Record<string, string>>
  readonly privileged: boolean
  /** Driver the executor must offer; undefined means any. */
  readonly driver?: string
  /** Not on the host itself: the executor must offer another driver than `host`. */
  readonly isolated: boolean
}

export type RequiringTask = Pick<RunConfigTask, 'runtime' | 'executorLabels'>

export type RequirementOptions = {
  /** Runs of forks never get the host driver. */
  readonly trust?: Trust
  /** Asked for by the caller of the run, for all of its tasks. */
  readonly driver?: string
}

/** The requirement of a task. */
export function requirementOf(
  task: RequiringTask,
  { trust = 'trusted', driver }: RequirementOptions = {},
): Requirement {
  const arch = task.runtime.arch
  const labels = Object.entries(task.executorLabels).sort(([a], [b]) => (a < b ? -1 : 1))
  const privileged = task.runtime.containers.some((container) => container.privileged)
  const isolated = trust === 'fork'
  return {
    key: JSON.stringify([arch ?? '', labels, privileged, driver ?? '', isolated]),
    ...(arch === undefined ? {} : { arch }),
    labels: Object.fromEntries(labels),
    privileged,
    ...(driver === undefined ? {} : { driver }),
    isolated,
  }
}

export type Capabilities = Pick<Executor, 'archs' | 'labels' | 'allowPrivileged' | 'drivers'>

/** True when the executor could ever serve the class, free slots or not. */
export function canServe(executor: Capabilities, requirement: Requirement): boolean {
  if (requirement.arch !== undefined && !executor.archs.includes(requirement.arch)) return false
  if (requirement.privileged && !executor.allowPrivileged) return false
  if (requirement.driver !== undefined && !executor.drivers.includes(requirement.driver)) return false
  if (requirement.isolated && !executor.drivers.some((driver) => driver !== 'host')) return false
  return Object.entries(requirement.labels).every(
    ([name, value]) => Object.hasOwn(executor.labels, name) && executor.labels[name] === value,
  )
}
