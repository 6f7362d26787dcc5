// Everything that the first page shows, in one answer.

import type { Configstore } from '../../configstore/api.ts'
import type { Project } from '../../configstore/types.ts'
import type { Runservice } from '../../runservice/api.ts'
import type { HandlerContext, HandlersOf } from '../routes/handler.ts'
import { runListView } from '../views/runs.ts'
import { projectView } from '../views/stored.ts'
import { userOf } from './common.ts'

export type HomeComponents = { readonly configstore: Configstore; readonly runservice: Runservice }

/** The tree is walked to here; who has more opens it group by group. */
const groupsMax = 100
/** More are not looked at together. */
const projectsWithRuns = 40
const pageLimit = 100

export function homeHandlers({ configstore, runservice }: HomeComponents): HandlersOf<'getHome'> {
  const runsOf = async ({ id }: Project, limit: number) => {
    const { runs, next } = await runservice.findRuns({ group: `/project/${id}`, isSubtree: true, limit })
    const rows = await runservice.runRows(runs.map((run) => run.id))
    return { items: runListView(runs, rows), ...(next === undefined ? {} : { nextCursor: next }) }
  }
  return {
    getHome: async ({ query }, context) => {
      const { projects, isComplete } = await projectsOf(context, configstore)
      const { runs: limit = 30 } = query
      return {
        projects: await Promise.all(
          projects.map(async (project, at) => ({
            project: projectView(project, { isInside: true }),
            ...(limit === 0 || at >= projectsWithRuns ? {} : { runs: await runsOf(project, limit) }),
          })),
        ),
        isComplete,
      }
    },
  }
}

/** In the groups of the caller and of its organizations, level by level. */
async function projectsOf(
  context: HandlerContext,
  configstore: Configstore,
): Promise<{ readonly projects: readonly Project[]; readonly isComplete: boolean }> {
  const user = userOf(context)
  const organizations = await allOf((page) =>
    configstore.listUserOrganizations({ ...page, user: user.id }, context.call),
  )
  const projects: Project[] = []
  let level = [`user/${user.name}`, ...organizations.map(({ organization }) => `org/${organization.name}`)]
  let seen = 0
  while (level.length > 0 && seen < groupsMax) {
    context.signal.throwIfAborted()
    const looked = level.slice(0, groupsMax - seen)
    seen += looked.length
    const contents = await Promise.all(
      looked.map(async (group) => ({
        projects: await allOf((page) => configstore.listProjects({ ...page, group }, context.call)),
        groups: await allOf((page) => configstore.listProjectGroups({ ...page, parent: group }, context.call)),
      })),
    )
    projects.push(...contents.flatMap((content) => content.projects))
    level = [...level.slice(looked.length), ...contents.flatMap(({ groups }) => groups.map(({ id }) => id))]
  }
  return { projects, isComplete: level.length === 0 }
}

type Paged<T> = { readonly items: readonly T[]; readonly nextCursor?: string }

async function allOf<T>(
  list: (page: { readonly limit: number; readonly cursor?: string }) => Promise<Paged<T>>,
): Promise<readonly T[]> {
  const items: T[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await list({ limit: pageLimit, ...(cursor === undefined ? {} : { cursor }) })
    items.push(...page.items)
    if (page.nextCursor === undefined) return items
    cursor = page.nextCursor
  }
}
