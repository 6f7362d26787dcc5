// What a project has at the provider of its repository: a deploy key and a webhook. All of it can be done again: what a crash or a
// provider left half done is completed by the next time, and removed by what the project remembers of it, or by title and address.

import type { Configstore, Written } from '../../configstore/api.ts'
import type { OpenedProvider, ProviderAccess } from '../../configstore/provider-access.ts'
import type { CascadeWork, Project } from '../../configstore/types.ts'
import type { Provider } from '../../gitsource/provider.ts'
import { invariant, isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { newSshKey } from '../../lib/ssh-key.ts'

export type SetUpComponents = {
  readonly configstore: Pick<Configstore, 'updateProject' | 'projectCredentials' | 'setProjectCredentials'>
}

/** Said of a project until it is set up. */
export const notSetUp = 'webhook and deploy key are not set up at the provider yet: reconfigure the project'

export const deployKeyTitle = (projectId: string) => `slipway ${projectId}`

/** A key for a project. */
export function newDeployKey(project: string) {
  return newSshKey(`slipway ${project}`)
}

export const hookUrlOf = (publicUrl: string, projectId: string) => `${publicUrl}/webhooks/${projectId}`

export type SetUpOptions = {
  readonly publicUrl: string
  /** The key there was another's, and goes with that one's rights. */
  readonly isNewAccount?: boolean
  /** Key and secret were made for this repository just now. */
  readonly hasFreshSecrets?: boolean
}

/**
 * Makes or repairs both, and notes them in the project. Errors: those of the provider, `owner_changed`; then the project says that it
 * is not set up, as it does from before something is taken away there until all is there again.
 */
export async function setUpRemote(
  project: Project,
  { provider, repository }: OpenedProvider,
  { publicUrl, isNewAccount = false, hasFreshSecrets = false }: SetUpOptions,
  { configstore }: SetUpComponents,
  signal: AbortSignal,
): Promise<Written<Project>> {
  const { id, remoteHookUrl } = project
  const url = hookUrlOf(publicUrl, id)
  const guard = { project: id, expectedOwnerId: project.owner.id }
  try {
    checkUsable(repository)
    const { secret, publicKey } = await secretsOf(project, hasFreshSecrets, { configstore })
    const told = project.sourceTrouble === undefined ? { sourceTrouble: notSetUp } : {}
    if (remoteHookUrl !== undefined && remoteHookUrl !== url) {
      await configstore.updateProject({ ...guard, ...told })
      await provider.removeHook(repository, { url: remoteHookUrl }, signal)
    }
    // Before anything is there: whatever happens then, it is known what to remove.
    if (remoteHookUrl !== url) await configstore.updateProject({ ...guard, remoteHookUrl: url })
    const title = deployKeyTitle(id)
    if (isNewAccount) {
      await configstore.updateProject({ ...guard, ...told })
      await provider.removeDeployKey(repository, { title }, signal)
    }
    const remoteDeployKeyId = await provider.ensureDeployKey(repository, { title, publicKey }, signal)
    const remoteHookId = await provider.ensureHook(repository, { url, secret }, signal)
    const defaultBranch =
      project.defaultBranch === undefined ? await defaultBranchOf(provider, repository, signal) : undefined
    return await configstore.updateProject({
      ...guard,
      remoteHookUrl: url,
      remoteHookId,
      remoteDeployKeyId,
      sourceTrouble: '',
      ...(defaultBranch === undefined ? {} : { defaultBranch }),
    })
  } catch (error) {
    if ((project.sourceTrouble === undefined || project.sourceTrouble === notSetUp) && isOfProvider(error))
      await configstore.updateProject({ ...guard, sourceTrouble: `not set up: ${error.message}` }).catch(() => {
        // The caller hears of the failure itself.
      })
    throw error
  }
}

/** Of one that was empty it is asked for once more: what is pushed after that is told by the hook, which is there by now. */
async function defaultBranchOf(
  provider: Provider,
  { id, defaultBranch }: OpenedProvider['repository'],
  signal: AbortSignal,
): Promise<string | undefined> {
  return defaultBranch ?? (await provider.getRepository({ id }, signal)).defaultBranch
}

/** Errors: `provider_refused`. */
export function checkUsable({ path, isArchived, canAdminister }: OpenedProvider['repository']): void {
  if (isArchived) throw new SlipwayError('provider_refused', `${path} is archived: nothing can be set up there`)
  if (!canAdminister)
    throw new SlipwayError('provider_refused', `the linked account may not add webhooks and deploy keys to ${path}`)
}

/**
 * Those of the project; made where there are none, of which only the first is kept, and where nothing of the project was at this
 * repository yet: providers take a key for one repository only, and who knows the secret of another one does not know this.
 */
async function secretsOf(
  project: Project,
  areFresh: boolean,
  { configstore }: SetUpComponents,
): Promise<{ readonly secret: string; readonly publicKey: string }> {
  const { id, hasWebhookSecret, deployKeyPublic, owner, remoteHookUrl, remoteHookId, remoteDeployKeyId } = project
  const wasThere = [remoteHookUrl, remoteHookId, remoteDeployKeyId].some((made) => made !== undefined)
  const mayKeep = areFresh || wasThere
  let publicKey = deployKeyPublic
  if (!mayKeep || !hasWebhookSecret || deployKeyPublic === undefined) {
    const made = await configstore.setProjectCredentials({
      project: id,
      expectedOwnerId: owner.id,
      ...(mayKeep && hasWebhookSecret ? {} : { webhookSecret: 'new' }),
      ...(mayKeep && deployKeyPublic !== undefined ? {} : { deployKey: newDeployKey(project.path) }),
    })
    publicKey = made.deployKeyPublic
  }
  const { webhookSecret } = await configstore.projectCredentials({ project: id })
  invariant(webhookSecret !== undefined && publicKey !== undefined, 'secrets that were made are there')
  return { secret: webhookSecret, publicKey }
}

export type CleanComponents = {
  readonly providers: Pick<ProviderAccess, 'openAccountProvider'>
  readonly configstore: Pick<Configstore, 'getProject'>
}

type CleanWork = Extract<CascadeWork, { readonly kind: 'clean_remote' }>

/**
 * Removes what a project has there. Doing it again does nothing. `gone`: neither the repository nor anybody who could remove it is there
 * any more, and why. Errors: those of the provider, to be tried again.
 */
export async function cleanRemote(
  work: CleanWork,
  components: CleanComponents,
  signal: AbortSignal,
): Promise<{ readonly kind: 'done' } | { readonly kind: 'gone'; readonly why: string }> {
  const { projectId, source, remoteHookId, remoteDeployKeyId, remoteHookUrl } = work
  if (await isUsedAgain(work, components)) return { kind: 'done' }
  try {
    const provider = await components.providers.openAccountProvider(source)
    const repository = await provider.getRepository({ id: source.repositoryId }, signal)
    await removeHook(provider, repository, { id: remoteHookId, url: remoteHookUrl }, signal)
    const key = {
      title: deployKeyTitle(projectId),
      ...(remoteDeployKeyId === undefined ? {} : { id: remoteDeployKeyId }),
    }
    await provider.removeDeployKey(repository, key, signal)
    return { kind: 'done' }
  } catch (error) {
    const isGone = isSlipwayError(
      error,
      'remote_repository_not_found',
      'linked_account_not_found',
      'remote_source_not_found',
    )
    if (isGone) return { kind: 'gone', why: error.message }
    throw error
  }
}

async function removeHook(
  provider: Provider,
  repository: OpenedProvider['repository'],
  { id, url }: { readonly id: string | undefined; readonly url: string | undefined },
  signal: AbortSignal,
): Promise<void> {
  if (id === undefined && url === undefined) return
  // An id alone is enough for those of before their addresses were kept; no hook has the empty address.
  await provider.removeHook(repository, { url: url ?? '', ...(id === undefined ? {} : { id }) }, signal)
}

/** The project went back to that repository meanwhile. */
async function isUsedAgain({ projectId, source }: CleanWork, { configstore }: CleanComponents): Promise<boolean> {
  try {
    const { source: now } = await configstore.getProject({ project: projectId })
    return (
      now.kind === 'remotesource' &&
      now.remoteSourceId === source.remoteSourceId &&
      now.repositoryId === source.repositoryId
    )
  } catch (error) {
    if (isSlipwayError(error, 'project_not_found')) return false
    throw error
  }
}

function isOfProvider(error: unknown): error is SlipwayError {
  return isSlipwayError(
    error,
    'provider_refused',
    'provider_unauthorized',
    'provider_unavailable',
    'remote_repository_not_found',
  )
}
