// An embedded log is in the directory of one machine, and object storage elsewhere may be reached by others: a second machine on the
// same storage would begin from what the first has shipped, and both would go on from there. So the one that works says so in object
// storage, now and then, and another one waits until it has been silent for long enough, or gives up. What slips through (a machine that
// was suspended meanwhile) is found when its next record is shipped.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { BucketCoordination } from '../coordination/bucket.ts'
import { type CoordinationTiming, defaultTiming } from '../coordination/coordination.ts'
import type { Clock } from '../lib/clock.ts'
import { SlipwayError } from '../lib/errors.ts'
import { newUuid } from '../lib/uuid.ts'
import type { ObjectStorage } from '../objectstorage/object-storage.ts'

export type OnlyHostParts = {
  readonly storage: ObjectStorage
  /** Of the installation's databases in object storage. */
  readonly base: string
  /** With the files of the databases. */
  readonly directory: string
  readonly clock: Clock
  /** Of this machine; default its own. */
  readonly hostName?: string
  readonly timing?: CoordinationTiming
  /** Whether it only looks, and says nothing of itself. */
  readonly isHidden?: boolean
}

/**
 * Resolves when no other machine works on the storage; until it is disposed, others see that this one does. After a machine was lost
 * that takes half a minute. Errors: `database_locked` when another one works on it all that time, those of the storage.
 */
export async function becomeOnlyHost(parts: OnlyHostParts, signal?: AbortSignal): Promise<AsyncDisposable> {
  const { storage, base, clock, timing = defaultTiming, isHidden = false, hostName = hostname() } = parts
  const host = `${directoryId(parts)}.${hostName.replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 100)}`
  const open = () => new BucketCoordination({ storage, prefix: `${base}/host/`, clock, timing })
  const lookUntil = clock.now() + timing.expireMs + 2 * timing.renewMs
  for (;;) {
    await using undo = new AsyncDisposableStack()
    const coordination = undo.use(open())
    // First said, then looked: of two that do so at once at least one sees the other.
    if (!isHidden) await coordination.announce(host, hostName)
    const others = (await coordination.present(signal)).filter(({ instanceId }) => instanceId !== host)
    const owned = undo.move()
    if (others.length === 0) return owned
    await owned.disposeAsync()
    if (clock.now() >= lookUntil)
      throw new SlipwayError(
        'database_locked',
        `another machine works on this object storage with an embedded database (${others.map(({ data }) => data).join(', ')}): stop it, or configure database.log etcd, postgres or bucket for several machines`,
      )
    // Not in step with another one that begins as well.
    await clock.sleep(timing.renewMs * (0.2 + 0.3 * Math.random()), signal)
  }
}

/** Stays with the directory, so that a restart after a kill does not wait for itself. */
function directoryId({ directory }: OnlyHostParts): string {
  const path = join(directory, 'host')
  if (!existsSync(path)) {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    writeFileSync(path, `${newUuid()}\n`, { mode: 0o600 })
  }
  return readFileSync(path, 'utf8').trim()
}
