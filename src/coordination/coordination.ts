// Presence and locks between the instances of an installation. Never needed for correctness: a lock that is lost, or held
// by two for a moment, costs work, not data. Every backend runs coordination-contract.ts.

export type Presence = {
  readonly instanceId: string
  readonly data: string
  /** When it was last renewed, by the backend's clock (by its own with etcd, which has none). */
  readonly seenAt: number
}

export type HeldLock = AsyncDisposable & {
  /** Aborted when the lock was lost: somebody else may have it now. */
  readonly lost: AbortSignal
}

export interface Coordination extends AsyncDisposable {
  /**
   * Publishes `data` of this instance until disposed; renewed in the background. Again replaces the data. Ids: 1 to 200
   * characters of `A-Z a-z 0-9 . _ -`. Resolves when others can see it; trouble with the backend is thrown the first time
   * and tried again later.
   */
  announce(instanceId: string, data: string): Promise<void>
  /** Instances seen lately, in the order of their ids. */
  present(signal?: AbortSignal): Promise<readonly Presence[]>
  /**
   * Takes the named lock, or returns undefined at once when somebody has it; disposing releases it. Names as ids. Where the
   * backend has no locks (object storage) everybody gets it: work is done twice rather than never.
   */
  tryLock(name: string, signal?: AbortSignal): Promise<HeldLock | undefined>
}

/** How the announcements and locks of all instances of an installation live. */
export type CoordinationTiming = {
  /** Time between renewals. */
  readonly renewMs: number
  /** What was not renewed for so long is gone. */
  readonly expireMs: number
}

export const defaultTiming: CoordinationTiming = { renewMs: 10_000, expireMs: 30_000 }
