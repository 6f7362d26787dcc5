// The repository of a project, and how this installation logs in there. Asked anew each time: credentials are replaced, and kept
// nowhere but in the configstore.

import type { Configstore } from '../../configstore/api.ts'
import type { Project } from '../../configstore/types.ts'
import { isSlipwayError } from '../../lib/errors.ts'
import type { GitAccessOptions, GitCredentials } from '../../lib/git-access.ts'
import { type RemoteComponents, remoteGitAccess } from './remote-repository.ts'

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

/** How a run of a project logs in at the address that it was made with; undefined when there is nothing for it, or the project is gone. */
export async function cloneAccessOf(
  { projectId, cloneUrl }: { readonly projectId: string; readonly cloneUrl: string },
  components: RemoteComponents & { readonly configstore: Pick<Configstore, 'getProject'> },
): Promise<GitAccessOptions | undefined> {
  const { configstore } = components
  try {
    const project = await configstore.getProject({ project: projectId })
    const { source } = project
    if (source.kind === 'remotesource') return await remoteGitAccess(project, source, cloneUrl, components)
    return (await repositoryOf(project, configstore))?.access
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
