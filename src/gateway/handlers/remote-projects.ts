// Repositories at providers, and the projects that are made of them.

import type { Configstore, NewProject } from '../../configstore/api.ts'
import type { ProviderAccess } from '../../configstore/provider-access.ts'
import type { LinkedAccount, Project, RemoteSource, User } from '../../configstore/types.ts'
import type { BodyOf } from '../../contract/route.ts'
import type { ApiRoutes } from '../../contract/routes.ts'
import type { RemoteRepository } from '../../gitsource/provider.ts'
import type { Clock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { changeRepository, type NextRepository } from '../remote-projects/change-repository.ts'
import { checkUsable, newDeployKey, notSetUp, setUpRemote } from '../remote-projects/remote-set-up.ts'
import type { HandlerContext, HandlersOf } from '../routes/handler.ts'
import { projectView } from '../views/stored.ts'
import { accessOf, userOf, written } from './common.ts'

type Ids = 'listRemoteRepositories' | 'reconfigureProject' | 'setProjectAccount' | 'setProjectRepository'

export type RemoteProjectsComponents = {
  readonly configstore: Configstore
  readonly providers: ProviderAccess
  readonly clock: Clock
  readonly logger: Logger
}

/** Of a project and what has to be set up for it, whatever becomes of the caller. */
const setUpMs = 2 * 60_000

export function remoteProjectHandlers(components: RemoteProjectsComponents): HandlersOf<Ids> {
  const { configstore, providers, clock } = components
  return {
    listRemoteRepositories: async ({ params, query }, context) => {
      const source = await configstore.getRemoteSource({ remoteSource: params.remoteSourceRef }, context.call)
      const account = await accountAt(source, userOf(context), { configstore })
      const provider = await providers.openAccountProvider({ linkedAccountId: account.id, remoteSourceId: source.id })
      const { items, nextCursor } = await provider.listRepositories(query, context.signal)
      return { items: items.map(repositoryView), ...(nextCursor === undefined ? {} : { nextCursor }) }
    },

    reconfigureProject: async (_, context) => projectView(await reconfigure(context, components), { isInside: true }),

    setProjectAccount: async (_, context) => {
      const project = await projectOf(context, configstore)
      const { source } = project
      if (source.kind !== 'remotesource')
        throw new SlipwayError('project_invalid', `project ${project.path} has no repository at a provider`)
      const remote = await configstore.getRemoteSource({ remoteSource: source.remoteSourceId }, context.call)
      const account = await accountAt(remote, userOf(context), { configstore })
      const provider = await providers.openAccountProvider({ linkedAccountId: account.id, remoteSourceId: remote.id })
      const signal = clock.timeout(setUpMs)
      const repository = await provider.getRepository({ id: source.repositoryId }, signal)
      checkUsable(repository)
      const next = { ...source, linkedAccountId: account.id, repositoryPath: repository.path }
      const changed = await configstore.updateProject(
        { project: project.id, source: next, expectedOwnerId: accessOf(context).owner.id },
        context.call,
      )
      const { publicUrl } = context.from
      const isNewAccount = source.linkedAccountId !== account.id
      const options = { publicUrl, isNewAccount }
      return projectView(
        written(context, await setUpRemote(changed, { provider, repository }, options, components, signal)),
        { isInside: true },
      )
    },

    setProjectRepository: async ({ body: { visibility, ...from } }, context) => {
      const project = await projectOf(context, configstore)
      const signal = clock.timeout(setUpMs)
      const next = await repositoryAt(from, context, components, signal)
      const options = { publicUrl: context.from.publicUrl, ...(visibility === undefined ? {} : { visibility }) }
      const changed = await changeRepository(project, next, options, components, signal)
      return projectView(written(context, changed), { isInside: true })
    },
  }
}

/** Webhook and key of the project that the request is about, as they have to be now. Errors: those of provider and configstore. */
export async function reconfigure(context: HandlerContext, components: RemoteProjectsComponents): Promise<Project> {
  const { configstore, providers, clock } = components
  const signal = clock.timeout(setUpMs)
  const opened = await providers.openProviderOfProject(await projectOf(context, configstore), signal)
  // What was noted of the repository just now has changed the project.
  const project = await projectOf(context, configstore)
  const { publicUrl } = context.from
  return written(context, await setUpRemote(project, opened, { publicUrl }, components, signal))
}

type FromRemote = Extract<BodyOf<ApiRoutes['createProject']>['source'], { readonly kind: 'remotesource' }>

/**
 * Makes the project, then its webhook and key; when the provider refuses those the project goes again, and a task removes what is there
 * already. A crash in between leaves a project that says it is not set up. Errors: those of provider and configstore.
 */
export async function createProjectOfRemote(
  from: FromRemote,
  input: Omit<NewProject, 'source' | 'credentials' | 'visibility'> & Partial<Pick<NewProject, 'visibility'>>,
  context: HandlerContext,
  components: RemoteProjectsComponents,
): Promise<Project & { readonly position: number }> {
  const { configstore, clock, logger } = components
  const signal = clock.timeout(setUpMs)
  const { provider, repository, at } = await repositoryAt(from, context, components, signal)
  checkUsable(repository)
  const { defaultBranch, isPrivate } = repository
  const made = await configstore.createProject(
    {
      // Who may not see the repository does not see its logs either, unless that is asked for.
      visibility: isPrivate ? 'private' : 'public',
      ...(defaultBranch === undefined ? {} : { defaultBranch }),
      ...input,
      source: { kind: 'remotesource', ...at, repositoryId: repository.id, repositoryPath: repository.path },
      sourceTrouble: notSetUp,
      credentials: { deployKey: newDeployKey(input.name), webhookSecret: 'new' },
    },
    context.call,
  )
  try {
    const { publicUrl } = context.from
    return await setUpRemote(made, { provider, repository }, { publicUrl, hasFreshSecrets: true }, components, signal)
  } catch (error) {
    const { id: project, owner } = made
    try {
      await configstore.deleteProject({ project, expectedOwnerId: owner.id })
    } catch (cause) {
      // It stays, says that it is not set up, and can be reconfigured or deleted.
      logger.warn('a project that could not be set up cannot be removed', { project, error: cause })
    }
    throw error
  }
}

/** As the caller sees it with its account there. Errors: those of provider and configstore, `linked_account_not_found`. */
async function repositoryAt(
  { remoteSourceRef, repositoryId, repositoryPath }: Omit<FromRemote, 'kind'>,
  context: HandlerContext,
  { configstore, providers }: RemoteProjectsComponents,
  signal: AbortSignal,
): Promise<NextRepository> {
  if ((repositoryId === undefined) === (repositoryPath === undefined))
    throw new SlipwayError('request_invalid', 'one of repositoryId and repositoryPath is needed')
  const remote = await configstore.getRemoteSource({ remoteSource: remoteSourceRef }, context.call)
  const account = await accountAt(remote, userOf(context), { configstore })
  const at = { linkedAccountId: account.id, remoteSourceId: remote.id }
  const provider = await providers.openAccountProvider(at)
  const ref = repositoryId === undefined ? { path: repositoryPath ?? '' } : { id: repositoryId }
  return { provider, repository: await provider.getRepository(ref, signal), at }
}

/** Errors: `linked_account_not_found`. */
async function accountAt(
  { id, name }: RemoteSource,
  user: User,
  { configstore }: { readonly configstore: Pick<Configstore, 'listLinkedAccounts'> },
): Promise<LinkedAccount> {
  const { items } = await configstore.listLinkedAccounts({ user: user.id })
  const account = items.find(({ remoteSourceId }) => remoteSourceId === id)
  if (account !== undefined) return account
  throw new SlipwayError('linked_account_not_found', `you have no linked account at ${name}: link one first`)
}

async function projectOf(context: HandlerContext, configstore: Configstore): Promise<Project> {
  const { id, owner } = accessOf(context)
  const project = await configstore.getProject({ project: id }, context.call)
  if (project.owner.id !== owner.id)
    throw new SlipwayError('owner_changed', `project ${project.path} belongs to somebody else by now`)
  return project
}

function repositoryView({ id, path, htmlUrl, defaultBranch, isPrivate, isArchived }: RemoteRepository) {
  return { id, path, htmlUrl, isPrivate, isArchived, ...(defaultBranch === undefined ? {} : { defaultBranch }) }
}
