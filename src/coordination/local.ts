// Coordination where there is one process: the embedded database lets no other in.

import type { Clock } from '../lib/clock.ts'
import type { Coordination, HeldLock, Presence } from './coordination.ts'
import { checkName } from './names.ts'

/** What the parts of a process share. */
export class LocalMeeting {
  readonly present = new Map<string, string>()
  readonly locks = new Set<string>()
}

export class LocalCoordination implements Coordination {
  readonly #meeting: LocalMeeting
  readonly #clock: Clock
  readonly #announced = new Set<string>()
  readonly #held = new Set<HeldLock>()

  constructor(clock: Clock, meeting = new LocalMeeting()) {
    this.#clock = clock
    this.#meeting = meeting
  }

  async announce(instanceId: string, data: string): Promise<void> {
    checkName(instanceId)
    this.#announced.add(instanceId)
    this.#meeting.present.set(instanceId, data)
  }

  async present(): Promise<readonly Presence[]> {
    const seenAt = this.#clock.now()
    const all = [...this.#meeting.present].map(([instanceId, data]) => ({ instanceId, data, seenAt }))
    return all.sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1))
  }

  async tryLock(name: string): Promise<HeldLock | undefined> {
    checkName(name)
    const { locks } = this.#meeting
    if (locks.has(name)) return undefined
    locks.add(name)
    const lock: HeldLock = {
      lost: new AbortController().signal, // never: whoever could take it is this process
      [Symbol.asyncDispose]: async () => {
        if (this.#held.delete(lock)) locks.delete(name)
      },
    }
    this.#held.add(lock)
    return lock
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const lock of [...this.#held]) await lock[Symbol.asyncDispose]()
    for (const instanceId of this.#announced) this.#meeting.present.delete(instanceId)
  }
}
