// What a task may ask of the host driver. Pure.

import { SlipwayError } from '../../../lib/errors.ts'
import type { Arch } from '../../../pipeline/run-config.ts'
import type { PodSpec } from '../../driver.ts'

/** Why the host driver cannot make this pod, as text for the setup log and the run's reason; undefined when it can. */
export function needsDocker(spec: PodSpec, arch: Arch): string | undefined {
  const services = spec.containers.length - 1
  if (services > 0) return `needs docker: the task has ${services} service container${services === 1 ? '' : 's'}`
  if (spec.containers[0]?.privileged === true) return 'needs docker: the task wants a privileged container'
  if (spec.arch !== undefined && spec.arch !== arch)
    return `needs docker: the task wants the architecture ${spec.arch}, this machine is ${arch}`
  return undefined
}

/** Lines for the setup log about what of the definition has no meaning here. */
export function ignoredSettings(spec: PodSpec): readonly string[] {
  const main = spec.containers[0]
  if (main === undefined) return []
  return [
    ...(main.image === '' ? [] : [`host driver: the image ${main.image} is not used, the task runs on this machine`]),
    ...(spec.user === '' ? [] : [`host driver: the user ${spec.user} is not used, each task has a user of its own`]),
  ]
}

/** Fails with `setup_failed` for an id that cannot name a directory. */
export function checkPodId(id: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(id))
    throw new SlipwayError('setup_failed', `host driver: ${JSON.stringify(id)} cannot be the id of a pod`)
}
