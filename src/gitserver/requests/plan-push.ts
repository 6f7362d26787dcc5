// What a push makes of a repository, or why it is refused. Pure. Git checks the same and more, but after it has asked us: what it
// would refuse then must be refused here, or a ref would be durable that git has told to be refused.

import { limits } from '../../lib/limits.ts'
import { type Pack, type PushedRef, type RepositoryState, storedBytes } from '../repositories/repository-state.ts'

/** As receive-pack gives it to its hooks; an id of zeros is no object. */
export type RefUpdate = { readonly name: string; readonly oldId: string; readonly newId: string }

export type Push = {
  readonly updates: readonly RefUpdate[]
  /** What it brought; a push of what is there already brings none. */
  readonly packs: readonly Pack[]
  /** Commits that came without their parents. */
  readonly shallow: readonly string[]
  /** Kinds of the objects that refs are to point to; undefined when there is no such object. */
  readonly kinds: ReadonlyMap<string, string | undefined>
  readonly now: number
}

export type PushLimits = { readonly bytesMax: number; readonly refsMax: number }

export const defaultPushLimits: PushLimits = {
  bytesMax: limits.gitRepositoryBytes.value,
  refsMax: limits.gitRepositoryRefs.value,
}

export type PlannedPush =
  | { readonly kind: 'accepted'; readonly next: RepositoryState }
  /** For whoever pushes, one line. */
  | { readonly kind: 'refused'; readonly why: string }

/**
 * `base`: the state that git looked at, `latest`: the one there is now. A ref that somebody else has changed meanwhile refuses the whole
 * push, so that nothing is overwritten that nobody saw.
 */
export function planPush(
  push: Push,
  { base, latest }: { readonly base: RepositoryState; readonly latest: RepositoryState },
  { bytesMax, refsMax }: PushLimits = defaultPushLimits,
): PlannedPush {
  const { updates, packs, now } = push
  const faults = [faultOfUpdates(push), faultOfRace(updates, { base, latest })]
  const fault = faults.find((one) => one !== undefined)
  if (fault !== undefined) return refused(fault)
  const refs = new Map(latest.refs)
  for (const { name, newId } of updates) {
    if (isNone(newId)) refs.delete(name)
    else refs.set(name, { objectId: newId, pushedAt: now })
  }
  const nested = findNested(refs)
  if (nested !== undefined) return refused(`${nested[0]} and ${nested[1]} cannot both be there: delete one of them`)
  if (refs.size > refsMax) return refused(`the repository would have more than ${refsMax} refs: delete some first`)
  const all = [...latest.packs, ...packs]
  if (storedBytes({ packs: all }) > bytesMax)
    return refused(`the repository would have more than ${bytesMax} bytes: delete refs, or push to another one`)
  return {
    kind: 'accepted',
    next: {
      ...latest,
      refs,
      packs: all,
      shallow: [...new Set([...latest.shallow, ...push.shallow])],
      pushedAt: now,
      hasGarbage: latest.hasGarbage || updates.some(({ oldId }) => !isNone(oldId)),
    },
  }
}

const refused = (why: string): PlannedPush => ({ kind: 'refused', why })

function faultOfUpdates({ updates, kinds }: Push): string | undefined {
  const names = new Set<string>()
  for (const { name, newId } of updates) {
    if (!isRefName(name)) return `${JSON.stringify(name.slice(0, 300))} is no name of a ref`
    if (names.has(name)) return `${name} comes twice in one push`
    names.add(name)
    if (isNone(newId)) continue
    const kind = kinds.get(newId)
    if (kind === undefined) return `${name}: there is no object ${newId}`
    if (name.startsWith('refs/heads/') && kind !== 'commit')
      return `${name}: a branch points to a commit, not a ${kind}`
  }
  return undefined
}

function faultOfRace(
  updates: readonly RefUpdate[],
  { base, latest }: { readonly base: RepositoryState; readonly latest: RepositoryState },
): string | undefined {
  const isAt = (ref: PushedRef | undefined, id: string) => (ref === undefined ? isNone(id) : ref.objectId === id)
  for (const { name, oldId } of updates)
    if (!isAt(base.refs.get(name), oldId) || !isAt(latest.refs.get(name), oldId))
      return `${name} was changed by another push at the same time: fetch, and push again`
  // What git has checked the push against must still be there.
  const now = new Set(latest.packs.map(({ id }) => id))
  const hasGone = base.packs.some(({ id }) => !now.has(id)) || base.shallow.some((id) => !latest.shallow.includes(id))
  return hasGone ? 'the repository is being tidied up: push again' : undefined
}

/** One that is a folder of another: git keeps refs so that there cannot be both. */
function findNested(refs: ReadonlyMap<string, unknown>): readonly [string, string] | undefined {
  for (const name of refs.keys())
    for (let slash = name.indexOf('/', 5); slash >= 0; slash = name.indexOf('/', slash + 1))
      if (refs.has(name.slice(0, slash))) return [name.slice(0, slash), name]
  return undefined
}

/** `deleted` or `not there yet`, whatever kind of ids the repository has. */
export function isNone(id: string): boolean {
  return /^0+$/.test(id)
}

/** The rules of git-check-ref-format(1), below `refs/` and with a folder of its own, at most `limits.gitRefBytes`. */
export function isRefName(name: string): boolean {
  const components = name.split('/')
  return (
    components.length >= 3 &&
    components[0] === 'refs' &&
    Buffer.byteLength(name) <= limits.gitRefBytes.value &&
    name.isWellFormed() &&
    !/[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\.$/.test(name) &&
    components.every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'))
  )
}
