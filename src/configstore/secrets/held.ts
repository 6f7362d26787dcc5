// What secrets and variables have in common: they hang on a project or group, and are seen from below.

import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { HolderRef, ListHeldOptions, TreeGuard } from '../api.ts'
import { type Place, Tree } from '../projects/tree.ts'
import { getHolder, type PlacedHolder } from '../refs.ts'
import type { Reading, SecretRow, VariableRow } from '../row-types.ts'
import { checkOwner } from '../store.ts'
import type { HolderType } from '../types.ts'

type Rows = { secret: SecretRow; variable: VariableRow }
export type HeldType = keyof Rows
/** `path`: of what it hangs on. */
export type HeldRow<T extends HeldType> = { readonly row: Rows[T]; readonly path: string }

/** The parent of a change. Errors: `owner_changed` and those of the reference. */
export function guardedHolder(tree: Tree, parent: HolderRef, { expectedOwnerId }: TreeGuard): PlacedHolder {
  const holder = getHolder(tree, parent)
  checkOwner(holder.place.owner, expectedOwnerId === undefined ? {} : { expectedOwnerId }, holder.path)
  return holder
}

export function findHeld<T extends HeldType>(
  tx: Reading,
  type: T,
  parentId: string,
  name: string,
): Rows[T] | undefined {
  const [row] = tx.list(type, { index: 'byParent', prefix: [parentId, name], limit: 1 })
  return row?.body as Rows[T] | undefined // The schema says so, for each T.
}

/** A holder has a bounded number of each, so that they can be listed at once. Throws `limit_exceeded`. */
export function checkRoom(tx: Reading, type: HeldType, { parent, path }: PlacedHolder): void {
  const max = limits.heldPerParent.value
  if (tx.count(type, { index: 'byParent', prefix: [parent.id] }) >= max)
    throw new SlipwayError('limit_exceeded', `${path} has ${max} ${type}s: delete some first`)
}

/** Those of the holder, by name, then those of the groups above it. */
export function heldAtAndAbove<T extends HeldType>(tx: Reading, type: T, holder: PlacedHolder): readonly HeldRow<T>[] {
  return [...placesUpwards(holder)].flatMap((place) => heldAt(tx, type, place))
}

/** Errors: those of the reference. */
export function listHeld<T extends HeldType>(tree: Tree, type: T, options: ListHeldOptions): readonly HeldRow<T>[] {
  const holder = getHolder(tree, options.parent)
  if (options.tree !== true) return heldAt(tree.tx, type, { id: holder.parent.id, path: holder.path })
  const all = heldAtAndAbove(tree.tx, type, holder)
  return options.withoutOverridden === true ? nearestOfEachName(all) : all
}

function nearestOfEachName<T extends HeldType>(nearestFirst: readonly HeldRow<T>[]): readonly HeldRow<T>[] {
  const seen = new Set<string>()
  return nearestFirst.filter(({ row: { name } }) => !seen.has(name) && seen.add(name))
}

function heldAt<T extends HeldType>(
  tx: Reading,
  type: T,
  { id, path }: { readonly id: string; readonly path: string },
): readonly HeldRow<T>[] {
  const rows = tx.list(type, { index: 'byParent', prefix: [id] })
  return rows.map(({ body }) => ({ row: body as Rows[T], path })) // As above.
}

function* placesUpwards(holder: PlacedHolder): Generator<{ readonly id: string; readonly path: string }> {
  if (holder.parent.type === 'project') yield { id: holder.parent.id, path: holder.path }
  for (let place: Place | undefined = holder.place; place !== undefined; place = place.parent)
    yield { id: place.group.id, path: place.path }
}

/** What secrets and variables may hang on to be seen by it: itself, and the groups above. */
export function holderIdsUpwards(holder: PlacedHolder): ReadonlySet<string> {
  return new Set([...placesUpwards(holder)].map(({ id }) => id))
}

/** Whether what hangs at `path` is at or above `other`. */
export const isAtOrAbove = (path: string, other: string) => other === path || other.startsWith(`${path}/`)

export function isHolderThere(tx: Reading, { type, id }: { readonly type: HolderType; readonly id: string }): boolean {
  return new Tree(tx).holderPath(type, id) !== undefined
}
