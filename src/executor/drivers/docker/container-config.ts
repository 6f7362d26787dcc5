// What the engine is told about the containers of a pod. Pure.

import { invariant } from '../../../lib/errors.ts'
import type { PodContainer, PodId, PodSpec } from '../../driver.ts'
import type { Image } from './image-store.ts'

export const labels = {
  /** Who cleans it up: the id of the executor. */
  owner: 'dev.slipway.owner',
  pod: 'dev.slipway.pod',
  index: 'dev.slipway.container-index',
  /** How many containers the pod has when it is complete. */
  containers: 'dev.slipway.containers',
  /** User of the pod's steps, resolved. */
  user: 'dev.slipway.user',
  /** Name of the image as the definition has it; the container is made from its id. */
  image: 'dev.slipway.image',
} as const

/** Where the helper's volume is mounted in the main container. */
export const helperDir = '/.slipway/bin'
export const helperPath = `${helperDir}/slipway-pod`
/** The pod's private directory, in the main container's own layer. */
export const podDir = '/.slipway/pod'

/** Of a service's own output, kept for people who enter a kept pod. */
const serviceLogMax = '10m'

export type ContainerRequest = {
  readonly ownerId: string
  readonly spec: PodSpec
  readonly index: number
  readonly image: Image
  /** Network of the main container as the engine names it; empty means the engine's default. */
  readonly network: string
  readonly helperVolume: string
  readonly memoryBytes: number | undefined
}

export function containerName(id: PodId, index: number): string {
  invariant(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(id), `the pod id ${JSON.stringify(id)} cannot be in a container's name`)
  return `slipway-${id}-${index}`
}

/** The body of ContainerCreate. */
export function containerConfig(request: ContainerRequest): Readonly<Record<string, unknown>> {
  const { ownerId, spec, index, image, network, helperVolume, memoryBytes } = request
  const container = spec.containers[index]!
  const isMain = index === 0
  return {
    Image: image.id,
    ...processConfig(container, spec, isMain),
    Env: Object.entries(container.environment).map(([name, value]) => `${name}=${value}`),
    Labels: {
      [labels.owner]: ownerId,
      [labels.pod]: spec.id,
      [labels.index]: String(index),
      [labels.containers]: String(spec.containers.length),
      [labels.image]: container.image,
      ...(isMain ? { [labels.user]: stepUser(spec, image) } : {}),
    },
    HostConfig: {
      // By name, not by id: services can be made while the main container starts.
      NetworkMode: isMain ? network || 'default' : `container:${containerName(spec.id, 0)}`,
      Privileged: container.privileged,
      Mounts: [
        ...(isMain ? [{ Type: 'volume', Source: helperVolume, Target: helperDir, ReadOnly: true }] : []),
        ...container.volumes.map(({ path, tmpfs }) => ({
          Type: 'tmpfs',
          Target: path,
          ...(tmpfs.sizeBytes > 0 ? { TmpfsOptions: { SizeBytes: tmpfs.sizeBytes } } : {}),
        })),
      ],
      ...(memoryBytes === undefined ? {} : { Memory: memoryBytes, MemorySwap: memoryBytes }),
      // Steps write to their spool; only a process that is not ours has output of its own.
      LogConfig:
        isMain && container.entrypoint.length === 0
          ? { Type: 'none', Config: {} }
          : { Type: 'json-file', Config: { 'max-size': serviceLogMax } },
    },
  }
}

/** True when the main container runs the helper, whose standard streams are then a line to it. */
export function hasLine(spec: PodSpec): boolean {
  return spec.containers[0]!.entrypoint.length === 0
}

/** User of every step: the task's, else the image's; empty means root. */
export function stepUser(spec: PodSpec, image: Image): string {
  return spec.user === '' ? image.user : spec.user
}

function processConfig(container: PodContainer, spec: PodSpec, isMain: boolean): Readonly<Record<string, unknown>> {
  const user = isMain ? spec.user : container.user
  if (isMain && container.entrypoint.length === 0)
    // As root, because the helper changes to the step's user and keeps the spool out of its reach.
    // Its input stays open when nobody is attached: it is the line of line-transport.ts.
    return { Entrypoint: [helperPath, 'init', '--line'], Cmd: [], User: '0', OpenStdin: true, StdinOnce: false }
  // A terminal keeps a shell alive that would otherwise read the end of its input and leave.
  return {
    Tty: true,
    ...(container.entrypoint.length === 0 ? {} : { Entrypoint: container.entrypoint, Cmd: [] }),
    ...(user === '' ? {} : { User: user }),
  }
}
