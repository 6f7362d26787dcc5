// Project groups: the inner nodes of the tree. Root groups are made and go with their owners.

import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Configstore, Move } from '../api.ts'
import { removeBelow } from '../cascade/cascade.ts'
import { checkName } from '../names.ts'
import { pageOf } from '../paging.ts'
import { getGroup } from '../refs.ts'
import type { ProjectGroupRow, Tx } from '../row-types.ts'
import { changed, checkOwner, checkVersion, given, newStored, type Store } from '../store.ts'
import type { ProjectGroup, Stored, Visibility } from '../types.ts'
import { type Place, Tree } from './tree.ts'
import { checkVisibility } from './visibility.ts'

type Operations = Pick<
  Configstore,
  'createProjectGroup' | 'getProjectGroup' | 'listProjectGroups' | 'updateProjectGroup' | 'deleteProjectGroup'
>

export function projectGroupOperations(store: Store): Operations {
  return {
    createProjectGroup: async ({ parent: ref, name, visibility, ...guard }, context) => {
      checkName(name, 'a project group')
      checkVisibility(visibility)
      const stored = newStored(store.newId(), store.now())
      return store.write(context, 'createProjectGroup', (tx) => {
        const tree = new Tree(tx)
        const parent = getGroup(tree, ref, 'parent_group_not_found')
        checkOwner(parent.owner, guard, parent.path)
        checkNameFree(tree, parent, name)
        if (parent.depth >= limits.projectGroupDepth.value)
          throw new SlipwayError('limit_exceeded', tooDeep(`${parent.path}/${name}`))
        const group: ProjectGroupRow = {
          ...stored,
          name,
          parent: { type: 'projectgroup', id: parent.group.id },
          visibility,
        }
        tx.put('projectgroup', group.id, group)
        return viewed(tx, group)
      })
    },

    getProjectGroup: ({ group }, context) =>
      store.read(context, (tx) => {
        const tree = new Tree(tx)
        return tree.viewGroup(getGroup(tree, group).group)! // It has a place.
      }),

    listProjectGroups: ({ parent: ref, ...options }, context) =>
      store.read(context, (tx) => {
        const tree = new Tree(tx)
        const { id } = getGroup(tree, ref).group
        return pageOf(tx, options, { type: 'projectgroup', index: 'byParent', prefix: [id] }, (group) =>
          tree.viewGroup(group),
        )
      }),

    updateProjectGroup: async ({ group: ref, name, visibility, move, ...guard }, context) => {
      if (name !== undefined) checkName(name, 'a project group')
      if (visibility !== undefined) checkVisibility(visibility)
      const now = store.now()
      return store.write(context, 'updateProjectGroup', (tx) => {
        const tree = new Tree(tx)
        const place = getGroup(tree, ref)
        const { group, parent, path } = place
        checkVersion(group, guard, `project group ${path}`)
        checkOwner(place.owner, guard, `project group ${path}`)
        if (parent === undefined && (name !== undefined || move !== undefined)) throw isRoot(path)
        const target = move === undefined ? parent : destinationOf(tree, place, move)
        if (target !== undefined) {
          if (target.group.id !== group.parent.id || (name !== undefined && name !== group.name))
            checkNameFree(tree, target, name ?? group.name)
          if (move !== undefined) checkMove(tree, place, target)
        }
        const moved = target && { parent: { type: 'projectgroup', id: target.group.id } as const }
        const next = changed(group, given({ name, visibility, ...moved }), now)
        tx.put('projectgroup', group.id, next)
        return viewed(tx, next)
      })
    },

    deleteProjectGroup: ({ group: ref, ...guard }, context) => {
      const now = store.now()
      return store.writeDeletion(context, 'deleteProjectGroup', (tx) => {
        const { group, parent, path, owner } = getGroup(new Tree(tx), ref)
        checkVersion(group, guard, `project group ${path}`)
        checkOwner(owner, guard, `project group ${path}`)
        if (parent === undefined) throw isRoot(path)
        tx.delete('projectgroup', group.id)
        removeBelow(tx, [{ type: 'projectgroup', id: group.id }], now)
      })
    },
  }
}

export type NewRootGroup = Stored & {
  readonly ownerType: 'user' | 'organization'
  readonly ownerId: string
  readonly visibility: Visibility
}

export function addRootGroup(tx: Tx, { ownerType, ownerId, visibility, ...stored }: NewRootGroup): void {
  tx.put('projectgroup', stored.id, { ...stored, name: '', parent: { type: ownerType, id: ownerId }, visibility })
}

/** Projects and groups of a group share their names, as they share their paths. */
export function checkNameFree(tree: Tree, parent: Place, name: string): void {
  if (tree.childGroup(parent.group.id, name) !== undefined)
    throw new SlipwayError('project_group_exists', `there is a project group ${parent.path}/${name}`)
  if (tree.childProject(parent.group.id, name) !== undefined)
    throw new SlipwayError('project_exists', `there is a project ${parent.path}/${name}`)
}

/** Both ends belong to whom the caller asked for permission. Errors: `parent_group_not_found`, `owner_changed`. */
export function destinationOf(tree: Tree, from: Place, { to, fromOwnerId, toOwnerId }: Move): Place {
  checkOwner(from.owner, { expectedOwnerId: fromOwnerId }, from.path)
  const target = getGroup(tree, to, 'parent_group_not_found')
  checkOwner(target.owner, { expectedOwnerId: toOwnerId }, target.path)
  return target
}

function checkMove(tree: Tree, place: Place, target: Place): void {
  for (let above: Place | undefined = target; above !== undefined; above = above.parent)
    if (above.group.id === place.group.id)
      throw new SlipwayError('move_invalid', `${place.path} cannot be moved to ${target.path}: that is in it`)
  if (target.depth + heightOf(tree, place.group.id, limits.projectGroupDepth.value) > limits.projectGroupDepth.value)
    throw new SlipwayError('move_invalid', tooDeep(`${target.path}/${place.group.name}`))
}

/** Levels of groups from this one down; not more than `max` + 1 are looked at. */
function heightOf(tree: Tree, groupId: string, max: number): number {
  let level: readonly string[] = [groupId]
  let height = 0
  while (level.length > 0 && height <= max) {
    height++
    level = level.flatMap((id) =>
      tree.tx.list('projectgroup', { index: 'byParent', prefix: [id] }).map((row) => row.id),
    )
  }
  return height
}

function viewed(tx: Tx, group: ProjectGroupRow): ProjectGroup {
  return new Tree(tx).viewGroup(group)! // Its place was found before it was written.
}

const isRoot = (path: string) =>
  new SlipwayError('root_group', `${path} is a root group: it goes with its owner, and only its visibility can change`)

const tooDeep = (path: string) => `${path} would be deeper than ${limits.projectGroupDepth.value} groups`
