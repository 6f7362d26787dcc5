// Projects and groups in the cache.

import { queryOptions } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import { myProjectsKey, runsKey } from '../../api/live.ts'
import type { Project, ProjectGroup } from '../../api/types.ts'

/** By id or path. */
export function projectQuery(projectRef: string) {
  return queryOptions({
    queryKey: ['project', projectRef],
    queryFn: ({ signal }) => call('getProject', { params: { projectRef }, signal }),
  })
}

export function groupQuery(projectGroupRef: string) {
  return queryOptions({
    queryKey: ['group', projectGroupRef],
    queryFn: ({ signal }) => call('getProjectGroup', { params: { projectGroupRef }, signal }),
  })
}

export const myOrganizationsQuery = queryOptions({
  queryKey: ['organizations', 'mine'],
  queryFn: ({ signal }) =>
    allPages((cursor) => call('listCurrentUserOrganizations', { query: pageOf(cursor), signal })),
})

export type GroupContent = { readonly groups: readonly ProjectGroup[]; readonly projects: readonly Project[] }

/** What is directly in a group. */
export function groupContentQuery(projectGroupRef: string) {
  return queryOptions({
    queryKey: ['group-content', projectGroupRef],
    queryFn: async ({ signal }): Promise<GroupContent> => {
      const params = { projectGroupRef }
      const [groups, projects] = await Promise.all([
        allPages<ProjectGroup>((cursor) => call('listSubgroups', { params, query: pageOf(cursor), signal })),
        allPages<Project>((cursor) => call('listProjects', { params, query: pageOf(cursor), signal })),
      ])
      return { groups, projects }
    },
  })
}

/** All projects in the caller's own groups and those of its organizations. */
export function myProjectsQuery(userName: string) {
  return queryOptions({
    queryKey: [...myProjectsKey, userName],
    enabled: userName !== '',
    queryFn: async ({ signal, client }): Promise<readonly Project[]> => {
      const { projects } = await call('getHome', { query: {}, signal })
      // Their newest runs came along: as if each had been asked for.
      for (const { project, runs } of projects)
        if (runs !== undefined)
          client.setQueryData(runsKey({ type: 'project', id: project.id }, {}), {
            pages: [runs],
            pageParams: [undefined],
          })
      return projects.map(({ project }) => project)
    },
  })
}

type Paged<T> = { readonly items: readonly T[]; readonly nextCursor?: string | undefined }

/** The longest there is. */
export const pageOf = (cursor: string | undefined) => ({ limit: 100, ...(cursor === undefined ? {} : { cursor }) })

/** Pages of 100 until the end. */
export async function allPages<T>(fetchPage: (cursor: string | undefined) => Promise<Paged<T>>): Promise<readonly T[]> {
  const items: T[] = []
  let cursor: string | undefined
  do {
    const { items: more, nextCursor } = await fetchPage(cursor)
    items.push(...more)
    cursor = nextCursor
  } while (cursor !== undefined)
  return items
}
