// What permissions depend on. Who may do what with it is the gateway's table.

import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { Configstore } from './api.ts'
import { isGrantedBy, projectInTree, Tree } from './projects/tree.ts'
import { getGroup, getOrganization, getProject, getUser, type PlacedProject } from './refs.ts'
import { memberRowId, type Reading } from './row-types.ts'
import type { Store } from './store.ts'
import type { Access, AccessRole, AccessType, Owner } from './types.ts'

type Operations = Pick<Configstore, 'resolveAccess' | 'resolveProjectAccess'>

export function accessOperations(store: Store): Operations {
  return {
    resolveAccess: ({ type, ref, userId }, context) =>
      store.readShared(context, JSON.stringify(['access', type, ref, userId]), (tx) => {
        const tree = new Tree(tx)
        const found = find(tree, type, ref)
        return { ...found, role: roleOf(tx, found.owner, userId) }
      }),

    resolveProjectAccess: async ({ projectIds, userId }, context) => {
      if (projectIds.length > limits.accessProjects.value)
        throw new SlipwayError('list_invalid', `at most ${limits.accessProjects.value} projects are looked at at once`)
      return store.read(context, (tx) => {
        const tree = new Tree(tx)
        const roles = new Map<string, AccessRole>()
        const items = projectIds.flatMap((id) => {
          const row = tx.get('project', id)
          const place = row && tree.placeOf(row.groupId)
          if (row === undefined || place === undefined) return []
          const { owner } = place
          const role = roles.get(owner.id) ?? roleOf(tx, owner, userId)
          roles.set(owner.id, role)
          return [{ ...ofProject({ row, place }), role }]
        })
        return { items }
      })
    },
  }
}

type Found = Omit<Access, 'role'>

function find(tree: Tree, type: AccessType, ref: string): Found {
  switch (type) {
    case 'project':
      return ofProject(getProject(tree, ref))
    case 'projectgroup': {
      const { group, path, owner, globalVisibility } = getGroup(tree, ref)
      return { type, id: group.id, path, owner, globalVisibility, membersCanPerformRunActions: false }
    }
    case 'organization': {
      const { id, name, visibility } = getOrganization(tree.tx, ref)
      const owner = { type: 'organization', id, name } as const
      return { type, id, path: `org/${name}`, owner, globalVisibility: visibility, membersCanPerformRunActions: false }
    }
    case 'user': {
      const { id, name } = getUser(tree.tx, ref)
      const owner = { type: 'user', id, name } as const
      // Everybody logged in may know of users; runs of a user are private whatever the user's groups are.
      return { type, id, path: `user/${name}`, owner, globalVisibility: 'private', membersCanPerformRunActions: false }
    }
  }
}

function ofProject({ row, place }: PlacedProject): Found {
  const { owner, path, globalVisibility } = projectInTree(row, place)
  const membersCanPerformRunActions = isGrantedBy(row.membersCanPerformRunActions, owner)
  return { type: 'project', id: row.id, path, owner, globalVisibility, membersCanPerformRunActions }
}

function roleOf(tx: Reading, owner: Owner, userId: string | undefined): AccessRole {
  if (userId === undefined) return 'none'
  if (owner.type === 'user') return owner.id === userId ? 'self' : 'none'
  return tx.get('member', memberRowId(owner.id, userId))?.role ?? 'none'
}
