// What all schemas have in common.

import { type Static, type TObject, type TProperties, type TSchema, Type } from 'typebox'

/** An object that has these members and no others. With a title it is a named schema of the OpenAPI document. */
export function object<P extends TProperties>(properties: P, title?: string): TObject<P> {
  return Type.Object(properties, { additionalProperties: false, ...(title === undefined ? {} : { title }) })
}

export const Id = Type.String({ description: 'UUID.', maxLength: 100 })
export const Time = Type.String({ format: 'date-time', description: 'RFC 3339, in UTC.' })
/** Names are checked further by what they name: letters, digits and single hyphens. */
export const Name = Type.String({
  description: 'Letters, digits and single hyphens; 1 to 40 characters.',
  maxLength: 200,
})
export const Version = Type.Integer({ description: 'Grows with every change; for `If-Match`.', minimum: 1 })
export const Visibility = Type.Enum(['public', 'private'])
export const Role = Type.Enum(['owner', 'member'])

/** What a provider of repositories said last, for people; missing while all is well. */
export const Trouble = object({ message: Type.String(), since: Time }, 'Trouble')

/** What everything stored has. */
export const stored = { id: Id, createdAt: Time, updatedAt: Time, version: Version }

/** `{items, nextCursor?}`; without `nextCursor` there is no more. */
export function listOf<S extends TSchema>(item: S) {
  return object({ items: Type.Array(item), nextCursor: Type.Optional(Type.String()) })
}

export const pageLimitDefault = 25
export const pageLimitMax = 100

export const paging = {
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: pageLimitMax,
      description: `Items at most; ${pageLimitDefault} when not given.`,
    }),
  ),
  cursor: Type.Optional(Type.String({ maxLength: 2000, description: '`nextCursor` of the page before.' })),
}

export const sorting = { sort: Type.Optional(Type.Enum(['asc', 'desc'])) }

/** A reference in a path: id, name, or path with its slashes percent-encoded. */
const ref = (what: string) => Type.String({ minLength: 1, maxLength: 1000, description: what })
export const UserRef = ref('Id or name of a user.')
export const OrganizationRef = ref('Id or name of an organization.')
export const ProjectRef = ref('Id of a project, or its path: `org/acme/team/web`, percent-encoded.')
export const ProjectGroupRef = ref('Id of a project group, or its path: `user/ann`, percent-encoded.')
export const RemoteSourceRef = ref('Id or name of a remote source.')

/** Text of a person: shown, never interpreted. */
export const text = (maxLength: number) => Type.String({ maxLength })

export const ErrorBody = object(
  {
    code: Type.String({ description: 'For programs; the list is in docs/errors.md.' }),
    message: Type.String({ description: 'For people.' }),
    requestId: Type.String({ description: 'Also in the header `X-Request-Id` and in the log of the server.' }),
    currentVersion: Type.Optional(Type.Integer({ description: 'With `version_conflict`: the version there is now.' })),
  },
  'Error',
)
export type ErrorBody = Static<typeof ErrorBody>
