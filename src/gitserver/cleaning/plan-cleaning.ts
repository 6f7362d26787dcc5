// What leaves a repository, and which of its packs become one. Pure.

import { limits } from '../../lib/limits.ts'
import type { Pack, RepositoryState } from '../repositories/repository-state.ts'

/** Direct runs push the commit that a tree is based on to a ref below it, so that they need not push it again. */
export const baseRefs = 'refs/slipway/base/'

/** Without the refs whose time has come; undefined when none has. A base is needed for as long as anything is pushed. */
export function expireRefs(
  state: RepositoryState,
  { now, refsMs }: { readonly now: number; readonly refsMs: number },
): RepositoryState | undefined {
  if (refsMs === 0) return undefined
  const ageOf = (name: string, pushedAt: number) =>
    now - (name.startsWith(baseRefs) ? Math.max(pushedAt, state.pushedAt) : pushedAt)
  const kept = new Map([...state.refs].filter(([name, { pushedAt }]) => ageOf(name, pushedAt) < refsMs))
  if (kept.size === state.refs.size) return undefined
  // Without refs there is nothing to keep objects for.
  return kept.size === 0
    ? { ...state, refs: kept, packs: [], shallow: [], hasGarbage: false }
    : { ...state, refs: kept, hasGarbage: true }
}

export type ChosenPacks = {
  readonly packs: readonly Pack[]
  /** All of them, and only what refs reach is kept; else whatever is in them. */
  readonly isFull: boolean
}

/** Packing everything anew costs as much as the repository is large. */
const fullEveryMs = 7 * 24 * 60 * 60 * 1000

/**
 * Many small packs become one now and then, and once a week everything does when refs have gone. The larger packs are left alone
 * while those put together are smaller, so that what was pushed is packed anew only a few times.
 */
export function choosePacks(
  { packs, hasGarbage, compactedAt }: RepositoryState,
  now: number,
  packsMax: number = limits.gitPacks.value,
): ChosenPacks | undefined {
  if (packs.length === 0) return undefined
  if (hasGarbage && now - compactedAt >= fullEveryMs) return { packs, isFull: true }
  if (packs.length <= packsMax) return undefined
  const bySize = packs.toSorted((a, b) => a.packBytes - b.packBytes)
  let sum = 0
  let count = 0
  for (; count < bySize.length; count++) {
    const { packBytes } = bySize[count]!
    if (count >= packsMax / 2 && packBytes > 2 * sum) break
    sum += packBytes
  }
  return { packs: bySize.slice(0, count), isFull: false }
}

/** With `pack` in the place of those that were chosen. */
export function withoutGarbage(
  state: RepositoryState,
  { packs, isFull }: ChosenPacks,
  { pack, now }: { readonly pack: Pack | undefined; readonly now: number },
): RepositoryState {
  const replaced = new Set(packs.map(({ id }) => id))
  const kept = state.packs.filter(({ id }) => !replaced.has(id))
  return {
    ...state,
    packs: pack === undefined ? kept : [...kept, pack],
    ...(isFull ? { hasGarbage: false, compactedAt: now } : {}),
  }
}
