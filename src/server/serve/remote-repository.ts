// The repository of a project at a provider. Definitions and commits are read by the provider's API, tasks clone with git: by ssh with the
// deploy key of the project, which reads this one repository and nothing else. Where there is no such key, or the provider offers no
// ssh, they clone by https with the token of the linked account, which may do more; executors get it for the clone alone, tasks never.

import type { Configstore } from '../../configstore/api.ts'
import type { OpenedProvider, ProviderAccess } from '../../configstore/provider-access.ts'
import type { Project, ProjectSource } from '../../configstore/types.ts'
import type { AskedAnew, ProjectRepository } from '../../gateway/runs/project-sources.ts'
import type { GitAccessOptions } from '../../lib/git-access.ts'
import type { RecentRepositories } from './recent-repositories.ts'

export type RemoteComponents = {
  readonly configstore: Pick<Configstore, 'projectCredentials' | 'getRemoteSource'>
  readonly providers: Pick<ProviderAccess, 'openProviderOfProject' | 'accessToken'>
}

type AtSource = Extract<ProjectSource, { readonly kind: 'remotesource' }>

/** For what reads it. Errors: those of the provider. */
export async function openRemoteRepository(
  project: Project,
  source: AtSource,
  {
    configstore,
    repositories,
    asked,
  }: Pick<RemoteComponents, 'configstore'> & {
    readonly repositories: RecentRepositories
    readonly asked?: AskedAnew | undefined
  },
  signal: AbortSignal,
): Promise<ProjectRepository> {
  const opened = await repositories.open(project, signal, asked)
  const { provider, repository } = opened
  const host = await hostOf(project, source, configstore)
  return {
    source: opened.source,
    cloneUrl: cloneUrlOf(project, repository),
    linksOf: (about) => provider.linksOf(repository, about),
    pullRequestRef: (pullRequestId) => provider.pullRequestRef(pullRequestId),
    ...host,
  }
}

function cloneUrlOf({ deployKeyPublic }: Project, { sshCloneUrl, httpCloneUrl }: OpenedProvider['repository']): string {
  return deployKeyPublic !== undefined && sshCloneUrl !== '' ? sshCloneUrl : httpCloneUrl
}

/** How git logs in at an address that a run of the project was made with. Errors: those of the provider. */
export async function remoteGitAccess(
  project: Project,
  source: AtSource,
  cloneUrl: string,
  components: RemoteComponents,
): Promise<GitAccessOptions> {
  const { configstore, providers } = components
  const host = await hostOf(project, source, configstore)
  if (!/^https?:/.test(cloneUrl)) {
    const { deployKey } = await configstore.projectCredentials({ project: project.id })
    return deployKey === undefined ? host : { ...host, credentials: { type: 'sshkey', privateKey: deployKey } }
  }
  const { repository } = await providers.openProviderOfProject(project, AbortSignal.timeout(askMs))
  // The project may be at another provider by now: that one's token is for nobody else.
  if (new URL(repository.httpCloneUrl).origin !== new URL(cloneUrl).origin) return host
  const password = await providers.accessToken(source)
  return { ...host, credentials: { type: 'password', userName: tokenUserName, password } }
}

const askMs = 60_000
/** GitLab wants this one with tokens of OAuth2; GitHub, Gitea and Forgejo take any. */
const tokenUserName = 'oauth2'

async function hostOf(
  { skipSshHostKeyCheck }: Project,
  { remoteSourceId }: AtSource,
  configstore: Pick<Configstore, 'getRemoteSource'>,
): Promise<{ readonly sshHostKey?: string; readonly skipSshHostKeyCheck: boolean }> {
  const remote = await configstore.getRemoteSource({ remoteSource: remoteSourceId })
  return {
    ...(remote.sshHostKey === undefined || remote.sshHostKey === '' ? {} : { sshHostKey: remote.sshHostKey }),
    skipSshHostKeyCheck: skipSshHostKeyCheck || remote.skipSshHostKeyCheck,
  }
}
