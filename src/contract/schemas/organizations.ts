// Organizations, who belongs to them, and who is invited.

import { Type } from 'typebox'
import { Id, Name, object, Role, stored, Visibility } from './common.ts'
import { User } from './users.ts'

const may = object({
  change: Type.Boolean({ description: 'The caller may change it and its members.' }),
  create: Type.Boolean({ description: 'The caller may make projects and groups in it.' }),
})

export const Organization = object(
  {
    ...stored,
    name: Name,
    visibility: Visibility,
    /** Told of one organization, and with those of the caller. */
    may: Type.Optional(may),
  },
  'Organization',
)

/** An organization as one of its members sees it. */
export const UserOrganization = object({ organization: Organization, role: Role }, 'UserOrganization')

export const Member = object({ ...stored, user: User, role: Role }, 'Member')

export const Invitation = object(
  { ...stored, user: User, organization: object({ id: Id, name: Name }), role: Role },
  'Invitation',
)

export const NewOrganization = object({ name: Name, visibility: Type.Optional(Visibility) })
export const OrganizationChange = object({ name: Type.Optional(Name), visibility: Type.Optional(Visibility) })
