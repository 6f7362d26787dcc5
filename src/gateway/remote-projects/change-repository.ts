// A project goes on with another repository, at the same provider or at another: with its runs, secrets and settings, and with a key
// and a secret of its own there. What it has at the repository before goes by a task, which needs no answer of that provider now.

import type { Configstore, Written } from '../../configstore/api.ts'
import type { OpenedProvider } from '../../configstore/provider-access.ts'
import type { Project, ProjectSource } from '../../configstore/types.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { checkUsable, notSetUp, setUpRemote } from './remote-set-up.ts'

export type NextRepository = OpenedProvider & {
  readonly at: { readonly linkedAccountId: string; readonly remoteSourceId: string }
}

export type ChangeOptions = {
  readonly publicUrl: string
  /** Undefined: as it is. */
  readonly visibility?: Project['visibility']
}

type Components = {
  readonly configstore: Pick<Configstore, 'updateProject' | 'projectCredentials' | 'setProjectCredentials'>
}

/**
 * Doing it again completes it, as reconfiguring does: until then the project says that it is not set up. Errors: those of the provider,
 * `project_invalid` when everybody would see runs of a private repository, `version_conflict` when somebody changed the project meanwhile.
 */
export async function changeRepository(
  project: Project,
  next: NextRepository,
  { publicUrl, visibility }: ChangeOptions,
  components: Components,
  signal: AbortSignal,
): Promise<Written<Project>> {
  const { configstore } = components
  const { repository, at } = next
  checkUsable(repository)
  if (repository.isPrivate && project.visibility === 'public' && visibility === undefined)
    throw new SlipwayError(
      'project_invalid',
      `${repository.path} is private and project ${project.path} is public: say which visibility it shall have`,
    )
  const { id, owner, version } = project
  const source = { kind: 'remotesource', ...at, repositoryId: repository.id, repositoryPath: repository.path } as const
  const isElsewhere = !isSameRepository(project.source, source)
  const changed = await configstore.updateProject({
    project: id,
    expectedVersion: version,
    expectedOwnerId: owner.id,
    source,
    ...(isElsewhere ? { sourceTrouble: notSetUp, defaultBranch: repository.defaultBranch ?? '' } : {}),
    ...(visibility === undefined ? {} : { visibility }),
  })
  if (!isElsewhere) {
    const isNewAccount = project.source.kind === 'remotesource' && project.source.linkedAccountId !== at.linkedAccountId
    return await setUpRemote(changed, next, { publicUrl, isNewAccount }, components, signal)
  }
  try {
    return await setUpRemote(changed, next, { publicUrl }, components, signal)
  } catch (error) {
    if (!isSlipwayError(error)) throw error
    throw new SlipwayError(
      error.code,
      `the project has repository ${repository.path} by now, which is not set up yet: ${error.message}. Reconfigure the project to complete it`,
      { cause: error },
    )
  }
}

function isSameRepository(one: ProjectSource, other: Extract<ProjectSource, { kind: 'remotesource' }>): boolean {
  return (
    one.kind === 'remotesource' &&
    one.remoteSourceId === other.remoteSourceId &&
    one.repositoryId === other.repositoryId
  )
}
