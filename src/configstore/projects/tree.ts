// The tree of project groups above an object: owner, path and visibility follow from it and are never stored, so a move or a
// rename costs one row. What hangs on a deleted group, user or organization has no place any more: it is not there, even while
// its rows are.

import type { ProjectGroupRow, ProjectRow, Reading } from '../row-types.ts'
import type { HolderType, InTree, Owner, Project, ProjectGroup, Visibility } from '../types.ts'

/** Where a group is. */
export type Place = {
  readonly group: ProjectGroupRow
  /** Undefined for a root group. */
  readonly parent: Place | undefined
  readonly owner: Owner
  readonly path: string
  readonly globalVisibility: Visibility
  /** 1 for a root group. */
  readonly depth: number
}

/** Reads the tree in one transaction; groups above several objects are read once. */
export class Tree {
  readonly tx: Reading
  readonly #places = new Map<string, Place | undefined>()

  constructor(tx: Reading) {
    this.tx = tx
  }

  /** Undefined when there is no such group, or something above it is gone. */
  placeOf(groupId: string): Place | undefined {
    if (this.#places.has(groupId)) return this.#places.get(groupId)
    this.#places.set(groupId, undefined) // Found again while looking upwards, it would hang on itself.
    const group = this.tx.get('projectgroup', groupId)
    const place = group && (group.parent.type === 'projectgroup' ? this.#below(group) : this.#root(group))
    this.#places.set(groupId, place)
    return place
  }

  /** Of a user or organization. */
  rootOf(ownerId: string): Place | undefined {
    const [root] = this.tx.list('projectgroup', { index: 'byParent', prefix: [ownerId, ''], limit: 1 })
    return root && this.placeOf(root.id)
  }

  childGroup(parentId: string, name: string): ProjectGroupRow | undefined {
    return this.tx.list('projectgroup', { index: 'byParent', prefix: [parentId, name], limit: 1 })[0]?.body
  }

  childProject(groupId: string, name: string): ProjectRow | undefined {
    return this.tx.list('project', { index: 'byParent', prefix: [groupId, name], limit: 1 })[0]?.body
  }

  /** `group` as others see it; undefined when it is not in the tree. */
  viewGroup(group: ProjectGroupRow): ProjectGroup | undefined {
    const place = this.placeOf(group.id)
    if (place === undefined) return undefined
    const { owner, path, globalVisibility } = place
    return { ...group, owner, path, parentPath: place.parent?.path ?? path, globalVisibility }
  }

  viewProject(row: ProjectRow): Project | undefined {
    const place = this.placeOf(row.groupId)
    if (place === undefined) return undefined
    const { membersCanPerformRunActions, cacheGroup, ...rest } = row
    const inTree = projectInTree(row, place)
    const effectiveForkRuns =
      row.forkRuns === 'default' ? (inTree.globalVisibility === 'public' ? 'approval' : 'always') : row.forkRuns
    return {
      ...rest,
      ...inTree,
      membersCanPerformRunActions: isGrantedBy(membersCanPerformRunActions, place.owner),
      ...(cacheGroup?.ownerId === place.owner.id ? { cacheGroup: cacheGroup.value } : {}),
      effectiveForkRuns,
      isSourceBroken: this.#isSourceBroken(row),
    }
  }

  /** Path of what secrets and variables hang on; undefined when it is not there. */
  holderPath(type: HolderType, id: string): string | undefined {
    if (type === 'projectgroup') return this.placeOf(id)?.path
    const project = this.tx.get('project', id)
    const place = project && this.placeOf(project.groupId)
    return place && `${place.path}/${project.name}`
  }

  #below(group: ProjectGroupRow): Place | undefined {
    const parent = this.placeOf(group.parent.id)
    if (parent === undefined) return undefined
    return {
      group,
      parent,
      owner: parent.owner,
      path: `${parent.path}/${group.name}`,
      globalVisibility: narrower(parent.globalVisibility, group.visibility),
      depth: parent.depth + 1,
    }
  }

  #root(group: ProjectGroupRow): Place | undefined {
    const { id } = group.parent
    if (group.parent.type === 'user') {
      const user = this.tx.get('user', id)
      if (user === undefined) return undefined
      const owner = { type: 'user', id, name: user.name } as const
      return {
        group,
        parent: undefined,
        owner,
        path: `user/${user.name}`,
        globalVisibility: group.visibility,
        depth: 1,
      }
    }
    const organization = this.tx.get('organization', id)
    if (organization === undefined) return undefined
    return {
      group,
      parent: undefined,
      owner: { type: 'organization', id, name: organization.name },
      path: `org/${organization.name}`,
      globalVisibility: narrower(organization.visibility, group.visibility),
      depth: 1,
    }
  }

  #isSourceBroken({ source, sourceTrouble }: ProjectRow): boolean {
    switch (source.kind) {
      case 'none':
        return false
      case 'git':
        return source.remoteSourceId !== undefined && this.tx.get('remotesource', source.remoteSourceId) === undefined
      case 'remotesource': {
        const account = this.tx.get('linkedaccount', source.linkedAccountId)
        const isUseless = account === undefined || account.isRetired === true || account.trouble !== undefined
        return isUseless || sourceTrouble !== undefined
      }
    }
  }
}

export function projectInTree(row: ProjectRow, place: Place): InTree {
  return {
    owner: place.owner,
    path: `${place.path}/${row.name}`,
    parentPath: place.path,
    globalVisibility: narrower(place.globalVisibility, row.visibility),
  }
}

/** Only members of an organization can be let do something by it. */
export function isGrantedBy(granted: { readonly ownerId: string; readonly value: boolean }, owner: Owner): boolean {
  return granted.value && owner.type === 'organization' && granted.ownerId === owner.id
}

const narrower = (above: Visibility, own: Visibility): Visibility =>
  above === 'private' || own === 'private' ? 'private' : 'public'
