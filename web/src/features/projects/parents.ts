import { useQuery } from '@tanstack/react-query'
import { useUserName } from '../../api/session.ts'
import { myOrganizationsQuery } from './queries.ts'

/** Where one may make something, as options to choose from: the group one came from, and the own ones of a user and its organizations. */
export function useParents(given: string | undefined): readonly (readonly [path: string, words: string])[] {
  const userName = useUserName()
  const organizations = useQuery(myOrganizationsQuery)
  const paths = [
    ...(given === undefined ? [] : [given]),
    `user/${userName}`,
    ...(organizations.data ?? [])
      .filter(({ organization }) => organization.may?.create === true)
      .map(({ organization }) => `org/${organization.name}`),
  ]
  return [...new Set(paths)].map((path) => [path, path] as const)
}
