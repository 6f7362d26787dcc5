// Whose groups one may change: one's own, those of organizations one is an owner of, and all as an administrator.

import { useQuery } from '@tanstack/react-query'
import { useIdentity } from '../../api/session.ts'
import type { UserOrganization } from '../../api/types.ts'
import { myOrganizationsQuery } from './queries.ts'

type Who = {
  readonly isAdmin: boolean
  readonly userName: string | undefined
  readonly organizations: readonly Pick<UserOrganization, 'organization' | 'role'>[]
}

/** Of a group's path, as the server gives it. */
export function isOwnTree(path: string, { isAdmin, userName, organizations }: Who): boolean {
  if (isAdmin) return true
  const [kind, owner] = path.split('/')
  if (kind === 'user') return owner === userName
  return organizations.some(({ organization, role }) => organization.name === owner && role === 'owner')
}

/** Undefined until it is known. */
export function useMayChangeGroup(path: string | undefined): boolean | undefined {
  const identity = useIdentity()
  const { data: organizations = [], isPending } = useQuery(myOrganizationsQuery)
  if (path === undefined || identity === undefined) return undefined
  const may = isOwnTree(path, { isAdmin: identity.isAdmin, userName: identity.user?.name, organizations })
  return may || !isPending ? may : undefined
}
