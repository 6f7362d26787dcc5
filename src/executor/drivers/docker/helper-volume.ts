// The volume with the helper: one per engine and helper binary, named after the binary's digest, filled once and mounted
// read-only into every main container.
//
// Several processes may want to fill it at the same moment. The lock is a container (never started) whose name only one can
// take; it is also what the file is put through. Filled means: the file is there in its full size, which is asked once per process
// and volume, and again when a container does not start (someone may have pruned the volume).

import type { Clock, Timestamp } from '../../../lib/clock.ts'
import { SlipwayError } from '../../../lib/errors.ts'
import type { PodId } from '../../driver.ts'
import type { HelperBinary } from '../../helper/helper-binary.ts'
import { helperDir, helperPath, labels } from './container-config.ts'
import { type Engine, isEngineError } from './engine.ts'
import { removeContainer } from './remove-container.ts'
import { encodeTar } from './tar.ts'

const helperLabel = 'dev.slipway.helper'

/** Volumes of other versions are removed when they are unused and older: a version in use fills its own again. */
const otherVersionsKeptMs = 7 * 24 * 60 * 60 * 1000

/** A lock older than this belongs to a process that has died: filling takes a fraction of a second. */
const lockTimeoutMs = 30_000
const lockPollMs = 50

export type VolumeContent = Pick<HelperBinary, 'bytes' | 'sha256'>

export type HelperVolumeOptions = { readonly engine: Engine; readonly clock: Clock; readonly ownerId: string }

/** A container made already, with the volume mounted, in which to look; the pod it belongs to, for the clean-up. */
export type HelperVolumeUse = { readonly containerId: string; readonly podId: PodId; readonly imageId: string }

export class HelperVolume {
  readonly name: string
  readonly #binary: VolumeContent
  readonly #options: HelperVolumeOptions
  #created: Promise<void> | undefined
  #filled: Promise<void> | undefined

  constructor(binary: VolumeContent, options: HelperVolumeOptions) {
    this.name = `slipway-helper-${binary.sha256.slice(0, 12)}`
    this.#binary = binary
    this.#options = options
  }

  /** Makes the volume, at first empty. Cheap after the first time. */
  async create(): Promise<void> {
    this.#created ??= this.#create().catch((error) => {
      this.#created = undefined
      throw error
    })
    await this.#created
  }

  /** Returns when the helper can be executed in `use.containerId`. Nothing to do after the first time in a process. */
  async fill(use: HelperVolumeUse): Promise<void> {
    this.#filled ??= this.#fill(use).catch((error) => {
      this.#filled = undefined
      throw error
    })
    await this.#filled
  }

  /** Fills the volume again when the helper is missing in a container that did not start. False when that was not why. */
  async repair(use: HelperVolumeUse): Promise<boolean> {
    if (await this.#isFilled(use.containerId)) return false
    this.#filled = undefined
    await this.fill(use)
    return true
  }

  async #create(): Promise<void> {
    await this.#options.engine
      .call({
        method: 'POST',
        path: '/volumes/create',
        body: { Name: this.name, Labels: { [helperLabel]: this.#binary.sha256 } },
      })
      .catch((error) => {
        // Docker answers with the volume that is there, some versions of Podman refuse.
        if (!isEngineError(error, 409) && !(isEngineError(error) && /already exists/.test(error.message))) throw error
      })
  }

  async #fill(use: HelperVolumeUse): Promise<void> {
    const { engine, clock } = this.#options
    const lockName = `${this.name}-fill`
    let waitingSince = clock.now()
    while (!(await this.#isFilled(use.containerId))) {
      const lock = await this.#lock(lockName, use)
      if (lock === undefined) {
        if (clock.now() - waitingSince >= lockTimeoutMs) {
          await removeContainer(lockName, { engine, clock })
          waitingSince = clock.now()
        } else {
          await clock.sleep(lockPollMs)
        }
        continue
      }
      try {
        if (await this.#isFilled(lock)) return
        const tar = encodeTar([{ kind: 'file', name: 'slipway-pod', mode: 0o755, data: this.#binary.bytes }])
        const data = (async function* () {
          yield tar
        })()
        await engine.call({ method: 'PUT', path: `/containers/${lock}/archive`, query: { path: helperDir }, data })
        await removeOldHelperVolumes(engine, clock.now())
        if (!(await this.#isFilled(lock)))
          throw new SlipwayError(
            'setup_failed',
            `put the helper into the volume ${this.name}: it is not there afterwards`,
          )
      } finally {
        await removeContainer(lock, { engine, clock })
      }
    }
  }

  /** The id of the container that is the lock, undefined while somebody else has it. */
  async #lock(name: string, { podId, imageId }: HelperVolumeUse): Promise<string | undefined> {
    const { engine, ownerId } = this.#options
    try {
      const { Id: id } = (await engine.call({
        method: 'POST',
        path: '/containers/create',
        query: { name },
        body: {
          Image: imageId,
          Entrypoint: [helperPath],
          // Belongs to the pod that is being made, so that removing that pod removes it after a crash.
          Labels: { [labels.owner]: ownerId, [labels.pod]: podId },
          HostConfig: {
            NetworkMode: 'none',
            Mounts: [{ Type: 'volume', Source: this.name, Target: helperDir }],
          },
        },
      })) as { readonly Id: string }
      return id
    } catch (error) {
      if (isEngineError(error, 409) || (isEngineError(error) && /already in use/.test(error.message))) return undefined
      throw error
    }
  }

  async #isFilled(containerId: string): Promise<boolean> {
    try {
      const headers = await this.#options.engine.head({
        method: 'HEAD',
        path: `/containers/${containerId}/archive`,
        query: { path: helperPath },
      })
      const { size } = JSON.parse(
        Buffer.from(String(headers['x-docker-container-path-stat']), 'base64').toString(),
      ) as {
        readonly size: number
      }
      return size === this.#binary.bytes.length
    } catch (error) {
      if (isEngineError(error, 404)) return false
      throw error
    }
  }
}

/**
 * Removes the helpers of versions that are gone. An upgrade brings a new volume, so this is done when one is filled. What
 * cannot be removed now, being in use or removed by somebody else, stays.
 */
export async function removeOldHelperVolumes(engine: Engine, now: Timestamp): Promise<void> {
  const { Volumes: volumes } = (await engine.call({
    method: 'GET',
    path: '/volumes',
    query: { filters: JSON.stringify({ label: [helperLabel], dangling: ['true'] }) },
  })) as { readonly Volumes: readonly { readonly Name: string; readonly CreatedAt?: string }[] | null }
  for (const { Name: name, CreatedAt: createdAt } of volumes ?? []) {
    if (!(now - Date.parse(createdAt ?? '') > otherVersionsKeptMs)) continue
    await engine.call({ method: 'DELETE', path: `/volumes/${name}` }).catch((error) => {
      if (!isEngineError(error)) throw error
    })
  }
}
