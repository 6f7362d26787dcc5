// The repository of a project, and how this installation logs in there. Asked anew each time: credentials are replaced, and kept
// nowhere but in the configstore.

import type { Configstore } from '../../configstore/api.ts'
import type { Project } from '../../configstore/types.ts'
import { isSlipwayError } from '../../lib/errors.ts'
import type { GitAccessOptions, GitCredentials } from '../../lib/git-access.ts'
import { isSameHost } from '../../lib/same-host.ts'
import type { CloneAddress } from '../../runservice/orders/make-order.ts'
import { type CloneComponents, type MadeWith, remoteCloneAddress } from './remote-repository.ts'

export type ProjectRepository = { readonly url: string; readonly access: GitAccessOptions }

/** Undefined for a project without a repository of its own URL. Errors: `project_not_found`, those of the configstore. */
export async function repositoryOf(
  project: Project,
  configstore: Pick<Configstore, 'projectCredentials' | 'getRemoteSource'>,
): Promise<ProjectRepository | undefined> {
  const { source } = project
  if (source.kind !== 'git') return undefined
  const credentials = await credentialsOf(project, configstore)
  const remote =
    source.remoteSourceId === undefined
      ? undefined
      : await configstore.getRemoteSource({ remoteSource: source.remoteSourceId })
  return {
    url: source.url,
    access: {
      ...(credentials === undefined ? {} : { credentials }),
      ...(remote?.sshHostKey === undefined || remote.sshHostKey === '' ? {} : { sshHostKey: remote.sshHostKey }),
      skipSshHostKeyCheck: project.skipSshHostKeyCheck || (remote?.skipSshHostKeyCheck ?? false),
    },
  }
}

/** Where a run of a project clones and how it logs in there; undefined when there is nothing for it, or the project is gone. */
export async function cloneAccessOf(
  { projectId, ...made }: MadeWith & { readonly projectId: string },
  components: CloneComponents & { readonly configstore: Pick<Configstore, 'getProject'> },
): Promise<CloneAddress | undefined> {
  const { configstore } = components
  try {
    const project = await configstore.getProject({ project: projectId })
    const { source } = project
    if (source.kind === 'remotesource') return await remoteCloneAddress(project, source, made, components)
    const repository = await repositoryOf(project, configstore)
    if (repository === undefined) return undefined
    // The owner may have named a repository elsewhere since, with a password for that one.
    const isTheirs = repository.url === made.cloneUrl || isSameHost(repository.url, made.cloneUrl)
    return { access: isTheirs ? repository.access : {} }
  } catch (error) {
    if (isSlipwayError(error, 'project_not_found')) return undefined
    throw error
  }
}

async function credentialsOf(
  { id, source }: Project,
  configstore: Pick<Configstore, 'projectCredentials'>,
): Promise<GitCredentials | undefined> {
  if (source.kind !== 'git' || source.auth === 'none') return undefined
  const { deployKey, gitPassword } = await configstore.projectCredentials({ project: id })
  if (source.auth === 'sshkey') return deployKey === undefined ? undefined : { type: 'sshkey', privateKey: deployKey }
  return gitPassword === undefined
    ? undefined
    : { type: 'password', userName: source.userName ?? 'git', password: gitPassword }
}
