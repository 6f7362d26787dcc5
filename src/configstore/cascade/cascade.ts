// What is deleted takes along what hangs on it. The rows that lead to it go in the transaction of the deletion, so nothing below is
// reachable any more; the rows below go in the same transaction as far as it may be large, then in further ones.

import { limits } from '../../lib/limits.ts'
import { purgeRetired } from '../accounts/linked-accounts.ts'
import type { ProjectRow, RemovalRow, Tx } from '../row-types.ts'
import { picked } from '../store.ts'
import { putTask } from './tasks.ts'

type Place = { readonly type: RemovalRow['type']; readonly id: string }

/** Rows of one place that are looked at together: what waits meanwhile is at most so many for each level of the tree. */
const step = 100

/**
 * Removes what hangs on places whose own rows are gone already. What does not fit is noted as `removal` rows, for
 * `continueRemoval`.
 */
export function removeBelow(tx: Tx, places: readonly Place[], now: number): void {
  const waiting = [...places]
  let budget = limits.cascadeRows.value
  while (waiting.length > 0 && budget > 0) {
    const place = waiting.at(-1)!
    const removed = removeSome(tx, place, waiting, now)
    budget -= removed + 1
    // What was found below comes after its place and is done first.
    if (removed === 0) {
      waiting.splice(waiting.lastIndexOf(place), 1)
      tx.delete('removal', place.id)
    }
  }
  for (const { id, type } of waiting)
    if (tx.get('removal', id) === undefined) tx.put('removal', id, { type, createdAt: now })
}

/** Goes on with noted removals; false when there are none left. */
export function continueRemoval(tx: Tx, now: number): boolean {
  const noted = tx.list('removal', { limit: step })
  if (noted.length === 0) return false
  removeBelow(
    tx,
    noted.map(({ id, body: { type } }) => ({ id, type })),
    now,
  )
  const isMore = tx.list('removal', { limit: 1 }).length > 0
  if (!isMore) purgeRetired(tx)
  return isMore
}

/** Deletes the project itself and what hangs on it. */
export function removeProject(tx: Tx, project: ProjectRow, now: number): void {
  deleteProjectRow(tx, project, now)
  removeBelow(tx, [{ type: 'project', id: project.id }], now)
}

/** Runs, caches, webhook and deploy key are elsewhere: tasks remove them. */
function deleteProjectRow(tx: Tx, project: ProjectRow, now: number): void {
  const { id } = project
  tx.delete('project', id)
  putTask(tx, { kind: 'delete_runs', owner: { type: 'project', id } }, now)
  cleanRemote(tx, project, now)
}

/** What was set up at the provider, or may have been, goes by a task. */
export function cleanRemote(tx: Tx, { id, source, ...project }: ProjectRow, now: number): void {
  if (source.kind !== 'remotesource') return
  const remote = picked(project, ['remoteHookId', 'remoteDeployKeyId', 'remoteHookUrl'])
  putTask(tx, { kind: 'clean_remote', projectId: id, source, ...remote }, now)
}

/** Deletes some rows that hang on the place and adds those with something below to `waiting`; how many there were. */
function removeSome(tx: Tx, place: Place, waiting: Place[], now: number): number {
  switch (place.type) {
    case 'secret':
      return removeSealed(tx, place.id)
    case 'project':
      return removeSealed(tx, place.id) + removeHeld(tx, place.id, waiting)
    case 'projectgroup':
      return removeHeld(tx, place.id, waiting) + removeChildren(tx, place.id, waiting, now)
  }
}

function removeSealed(tx: Tx, ownerId: string): number {
  const rows = tx.list('sealed', { index: 'byOwner', prefix: [ownerId], limit: step })
  for (const { id } of rows) tx.delete('sealed', id)
  return rows.length
}

function removeHeld(tx: Tx, parentId: string, waiting: Place[]): number {
  const held = { index: 'byParent', prefix: [parentId], limit: step }
  const secrets = tx.list('secret', held)
  for (const { id } of secrets) {
    tx.delete('secret', id)
    waiting.push({ type: 'secret', id })
  }
  const variables = tx.list('variable', held)
  for (const { id } of variables) tx.delete('variable', id)
  return secrets.length + variables.length
}

function removeChildren(tx: Tx, groupId: string, waiting: Place[], now: number): number {
  const children = { index: 'byParent', prefix: [groupId], limit: step }
  const projects = tx.list('project', children)
  for (const { id, body } of projects) {
    deleteProjectRow(tx, body, now)
    waiting.push({ type: 'project', id })
  }
  const groups = tx.list('projectgroup', children)
  for (const { id } of groups) {
    tx.delete('projectgroup', id)
    waiting.push({ type: 'projectgroup', id })
  }
  return projects.length + groups.length
}
