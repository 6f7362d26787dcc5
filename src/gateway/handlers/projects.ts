// Project groups and projects. The permission was asked for an id: everything here goes by it.

import type { Move } from '../../configstore/api.ts'
import { mayWithGroup, mayWithProject } from '../permissions/may.ts'
import type { HandlerContext, HandlersOf } from '../routes/handler.ts'
import { pageOptions, pageView } from '../views/pages.ts'
import { projectGroupView, projectView } from '../views/stored.ts'
import { accessOf, defined, isInside, treeGuardOf, written } from './common.ts'
import { createProjectOfRemote, type RemoteProjectsComponents } from './remote-projects.ts'

type Ids =
  | 'createProjectGroup'
  | 'getProjectGroup'
  | 'updateProjectGroup'
  | 'deleteProjectGroup'
  | 'listSubgroups'
  | 'listProjects'
  | 'createProject'
  | 'getProject'
  | 'updateProject'
  | 'deleteProject'

export function projectHandlers(components: RemoteProjectsComponents): HandlersOf<Ids> {
  const { configstore } = components
  return {
    createProjectGroup: async ({ body }, context) => {
      const { id, owner } = accessOf(context)
      const { name, visibility = 'public' } = body
      const input = { parent: id, name, visibility, expectedOwnerId: owner.id }
      return projectGroupView(written(context, await configstore.createProjectGroup(input, context.call)))
    },

    getProjectGroup: async (_, context) => ({
      ...projectGroupView(await configstore.getProjectGroup({ group: accessOf(context).id }, context.call)),
      may: mayWithGroup(context),
    }),

    updateProjectGroup: async ({ body }, context) => {
      const { parentRef: _, ...changes } = body
      const input = { group: accessOf(context).id, ...defined(changes), ...moveOf(context), ...treeGuardOf(context) }
      return projectGroupView(written(context, await configstore.updateProjectGroup(input, context.call)))
    },

    deleteProjectGroup: async (_, context) => {
      const input = { group: accessOf(context).id, ...treeGuardOf(context) }
      written(context, await configstore.deleteProjectGroup(input, context.call))
    },

    listSubgroups: async ({ query }, context) => {
      const input = { ...pageOptions(query), parent: accessOf(context).id }
      return pageView(visibleOf(await configstore.listProjectGroups(input, context.call), context), projectGroupView)
    },

    listProjects: async ({ query }, context) => {
      const input = { ...pageOptions(query), group: accessOf(context).id }
      const inside = { isInside: isInside(context) }
      return pageView(visibleOf(await configstore.listProjects(input, context.call), context), (project) =>
        projectView(project, inside),
      )
    },

    createProject: async ({ body }, context) => {
      const { id, owner } = accessOf(context)
      const { name, parentRef: _, source, gitPassword, ...settings } = body
      const input = { group: id, name, expectedOwnerId: owner.id, ...defined(settings) }
      const credentials = gitPassword === undefined ? {} : { credentials: { gitPassword } }
      const made =
        source.kind === 'remotesource'
          ? await createProjectOfRemote(source, input, context, components)
          : await configstore.createProject({ visibility: 'public', ...input, source, ...credentials }, context.call)
      return projectView(written(context, made), { isInside: true })
    },

    getProject: async (_, context) => ({
      ...projectView(await configstore.getProject({ project: accessOf(context).id }, context.call), {
        isInside: isInside(context),
      }),
      may: mayWithProject(context),
    }),

    updateProject: async ({ body }, context) => {
      const { parentRef: _, gitPassword, ...changes } = body
      const project = accessOf(context).id
      const input = { project, ...defined(changes), ...moveOf(context), ...treeGuardOf(context) }
      let changed = written(context, await configstore.updateProject(input, context.call))
      if (gitPassword !== undefined)
        changed = written(context, await configstore.setProjectCredentials({ project, gitPassword }))
      return projectView(changed, { isInside: true })
    },

    deleteProject: async (_, context) => {
      const input = { project: accessOf(context).id, ...treeGuardOf(context) }
      written(context, await configstore.deleteProject(input, context.call))
    },
  }
}

/** Both ends as the permissions were asked for. */
function moveOf(context: HandlerContext): { readonly move?: Move } {
  if (context.destination === undefined) return {}
  const { id: to, owner } = context.destination
  return { move: { to, fromOwnerId: accessOf(context).owner.id, toOwnerId: owner.id } }
}

/** A page may then hold fewer than were asked for, and still have a next one. */
function visibleOf<T extends { readonly globalVisibility: 'public' | 'private' }>(
  page: { readonly items: readonly T[]; readonly nextCursor?: string },
  context: HandlerContext,
): { readonly items: readonly T[]; readonly nextCursor?: string } {
  if (isInside(context)) return page
  return { ...page, items: page.items.filter(({ globalVisibility }) => globalVisibility === 'public') }
}
