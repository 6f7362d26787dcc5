// A commit status at the provider of a project.

import type { Configstore } from '../../configstore/api.ts'
import type { OpenedProvider } from '../../configstore/provider-access.ts'
import type { Project } from '../../configstore/types.ts'
import { type ErrorCode, isSlipwayError } from '../../lib/errors.ts'
import type { SendResult } from '../notifications.ts'
import type { StatusContent } from '../types.ts'

export interface RepositoriesOfProjects {
  /** Does it at the provider of the project, perhaps twice. Errors: those of provider and configstore. */
  use<T>(project: Project, act: (opened: OpenedProvider) => Promise<T>, signal: AbortSignal): Promise<T>
}

export type CommitStatusComponents = {
  readonly configstore: Pick<Configstore, 'getProject'>
  readonly repositories: RepositoriesOfProjects
}

/** What the same request would be answered with again; what is wrong is for people to change, then it can be sent again. */
const final: readonly ErrorCode[] = [
  'provider_refused',
  'provider_unauthorized',
  'remote_repository_not_found',
  'linked_account_not_found',
  'remote_source_not_found',
  'remote_source_invalid',
  'project_not_found',
  'project_invalid',
  'commit_not_found',
]

/** Throws what is not the provider's: trouble of our own, or the reason of the signal. */
export async function sendCommitStatus(
  projectId: string,
  status: StatusContent,
  { configstore, repositories }: CommitStatusComponents,
  signal: AbortSignal,
): Promise<SendResult> {
  try {
    const project = await configstore.getProject({ project: projectId })
    const set = async ({ provider, repository }: OpenedProvider): Promise<SendResult> => {
      if (repository.isArchived)
        return { kind: 'failed', isFinal: true, message: `the repository ${repository.path} is archived` }
      await provider.setCommitStatus(repository, status, signal)
      return { kind: 'sent', message: `set in ${repository.path}` }
    }
    return await repositories.use(project, set, signal)
  } catch (error) {
    if (signal.aborted) throw signal.reason
    if (isSlipwayError(error, ...final)) return { kind: 'failed', isFinal: true, message: error.message }
    if (!isSlipwayError(error, 'provider_unavailable')) throw error
    const { message, retryAt } = error
    return { kind: 'failed', message, ...(retryAt === undefined ? {} : { retryAt }) }
  }
}
