// Organizations, who belongs to them, and who is invited.

import { Type } from 'typebox'
import { Id, Name, object, Role, stored, Visibility } from './common.ts'
import { User } from './users.ts'

export const Organization = object({ ...stored, name: Name, visibility: Visibility }, 'Organization')

/** An organization as one of its members sees it. */
export const UserOrganization = object({ organization: Organization, role: Role }, 'UserOrganization')

export const Member = object({ ...stored, user: User, role: Role }, 'Member')

export const Invitation = object(
  { ...stored, user: User, organization: object({ id: Id, name: Name }), role: Role },
  'Invitation',
)

export const NewOrganization = object({ name: Name, visibility: Type.Optional(Visibility) })
export const OrganizationChange = object({ name: Type.Optional(Name), visibility: Type.Optional(Visibility) })
