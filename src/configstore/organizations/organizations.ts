// Organizations. One always has an owner: who makes it names the first, and no change takes the last.

import { SlipwayError } from '../../lib/errors.ts'
import type { Configstore } from '../api.ts'
import { removeBelow } from '../cascade/cascade.ts'
import { checkName } from '../names.ts'
import { pageOf } from '../paging.ts'
import { addRootGroup } from '../projects/project-groups.ts'
import { checkVisibility } from '../projects/visibility.ts'
import { getOrganization, getUser } from '../refs.ts'
import type { Reading, Tx } from '../row-types.ts'
import { changed, checkVersion, given, newStored, type Store, without } from '../store.ts'
import type { Organization, Visibility } from '../types.ts'
import { putMember } from './membership.ts'

type Operations = Pick<
  Configstore,
  'createOrganization' | 'getOrganization' | 'listOrganizations' | 'updateOrganization' | 'deleteOrganization'
>

export function organizationOperations(store: Store): Operations {
  return {
    createOrganization: async ({ name, visibility, owner: ownerRef }, context) => {
      checkName(name, 'an organization')
      checkVisibility(visibility)
      const now = store.now()
      const stored = newStored(store.newId(), now)
      const rootGroupId = store.newId()
      return store.write(context, 'createOrganization', (tx) => {
        checkFree(tx, name)
        const owner = getUser(tx, ownerRef)
        const organization: Organization = { ...stored, name, visibility, creatorUserId: owner.id }
        tx.put('organization', organization.id, organization)
        putMember(tx, { organization, user: owner, role: 'owner', now })
        addRootGroup(tx, {
          ...newStored(rootGroupId, now),
          ownerType: 'organization',
          ownerId: organization.id,
          visibility,
        })
        return organization
      })
    },

    getOrganization: ({ organization: ref }, context) =>
      store.read(context, (tx) => viewOrganization(tx, getOrganization(tx, ref))),

    listOrganizations: async ({ visibility, ...options } = {}, context) => {
      if (visibility !== undefined) checkVisibility(visibility)
      return store.read(context, (tx) =>
        pageOf(
          tx,
          options,
          visibility === undefined
            ? { type: 'organization', index: 'byName' }
            : { type: 'organization', index: 'byVisibility', prefix: [visibility] },
          (organization) => viewOrganization(tx, organization),
        ),
      )
    },

    updateOrganization: async ({ organization: ref, name, visibility, ...guard }, context) => {
      if (name !== undefined) checkName(name, 'an organization')
      if (visibility !== undefined) checkVisibility(visibility)
      const now = store.now()
      return store.write(context, 'updateOrganization', (tx) => {
        const organization = getOrganization(tx, ref)
        checkVersion(organization, guard, `organization ${organization.name}`)
        if (name !== undefined && name !== organization.name) checkFree(tx, name)
        const next = changed(organization, given({ name, visibility }), now)
        tx.put('organization', next.id, next)
        if (next.visibility !== organization.visibility) followVisibility(tx, organization, next.visibility, now)
        if (next.name !== organization.name) renameInMemberships(tx, next)
        return viewOrganization(tx, next)
      })
    },

    deleteOrganization: ({ organization: ref, ...guard }, context) => {
      const now = store.now()
      return store.writeDeletion(context, 'deleteOrganization', (tx) => {
        const organization = getOrganization(tx, ref)
        checkVersion(organization, guard, `organization ${organization.name}`)
        tx.delete('organization', organization.id)
        for (const type of ['member', 'invitation'] as const)
          for (const { id } of tx.list(type, { index: 'byOrganization', prefix: [organization.id] }))
            tx.delete(type, id)
        for (const { id } of rootsOf(tx, organization.id)) {
          tx.delete('projectgroup', id)
          removeBelow(tx, [{ type: 'projectgroup', id }], now)
        }
      })
    },
  }
}

/** Whoever made it may be gone. */
export function viewOrganization(tx: Reading, organization: Organization): Organization {
  const { creatorUserId } = organization
  const isGone = creatorUserId !== undefined && tx.get('user', creatorUserId) === undefined
  return isGone ? without(organization, ['creatorUserId']) : organization
}

function checkFree(tx: Reading, name: string): void {
  if (tx.count('organization', { index: 'byName', prefix: [name] }) > 0)
    throw new SlipwayError('organization_exists', `there is an organization ${name}`)
}

const rootsOf = (tx: Reading, organizationId: string) =>
  tx.list('projectgroup', { index: 'byParent', prefix: [organizationId, ''], limit: 1 })

/** The root group goes with its organization, unless somebody made it another than that: then it stays as it is. */
function followVisibility(tx: Tx, before: Organization, visibility: Visibility, now: number): void {
  for (const { id, body } of rootsOf(tx, before.id))
    if (body.visibility === before.visibility) tx.put('projectgroup', id, changed(body, { visibility }, now))
}

function renameInMemberships(tx: Tx, { id: organizationId, name: organizationName }: Organization): void {
  const options = { index: 'byOrganization', prefix: [organizationId] }
  for (const { id, body } of tx.list('member', options)) tx.put('member', id, { ...body, organizationName })
  for (const { id, body } of tx.list('invitation', options)) tx.put('invitation', id, { ...body, organizationName })
}
