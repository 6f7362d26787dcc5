// Which executors are lost: those that nobody has held for a whole lease, as far as this instance could see. Pure. An instance
// that was out of touch, stopped or asleep has seen nothing: for it every lease begins again, so that no trouble of the control
// plane is ever taken for trouble of the executors.

import type { Executor } from '../types.ts'

export type LeaseTiming = {
  /** An executor that nobody held for so long is lost. */
  readonly leaseMs: number
  /** Two looks further apart mean that this instance did not run in between, or that its clock was set. */
  readonly pauseMs: number
}

/** What this instance has seen so far. */
export type Leases = {
  /** When its looks without a break began; undefined before the first and after one that failed. */
  readonly inTouchSince: number | undefined
  readonly lookedAt: number | undefined
  /** By executor: when it was last seen held, or to have connected since the look before. */
  readonly seen: ReadonlyMap<string, Seen>
}

type Seen = { readonly connection: number; readonly at: number | undefined }

export type Look = {
  readonly now: number
  /** Executors that some instance holds; undefined when that could not be found out. */
  readonly held: ReadonlySet<string> | undefined
  readonly executors: readonly Pick<Executor, 'id' | 'state' | 'connection'>[]
}

export type LostExecutor = {
  readonly executorId: string
  /** The connection that it lost: with another one it is not lost any more. */
  readonly connection: number
  /** When this instance saw it held for the last time. */
  readonly lastSeenAt?: number
}

export const noLeases: Leases = { inTouchSince: undefined, lookedAt: undefined, seen: new Map() }

/** The next state, and the executors whose lease has run out. One that is not declared lost for any reason is named again. */
export function look(
  before: Leases,
  { now, held, executors }: Look,
  timing: LeaseTiming,
): { readonly leases: Leases; readonly lost: readonly LostExecutor[] } {
  if (held === undefined) return { leases: { ...before, inTouchSince: undefined, lookedAt: now }, lost: [] }
  const sinceLook = before.lookedAt === undefined ? 0 : now - before.lookedAt
  const hasPaused = sinceLook < 0 || sinceLook > timing.pauseMs
  const inTouchSince = before.inTouchSince === undefined || hasPaused ? now : before.inTouchSince
  const seen = new Map<string, Seen>()
  const lost: LostExecutor[] = []
  for (const { id, state, connection = 0 } of executors) {
    const known = before.seen.get(id)
    const isSeen = held.has(id) || (known !== undefined && known.connection !== connection)
    const at = isSeen ? now : known?.at
    seen.set(id, { connection, at })
    if (state === 'lost' || now - Math.max(inTouchSince, at ?? 0) < timing.leaseMs) continue
    lost.push({ executorId: id, connection, ...(at === undefined ? {} : { lastSeenAt: at }) })
  }
  return { leases: { inTouchSince, lookedAt: now, seen }, lost }
}
