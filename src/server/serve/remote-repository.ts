// The repository of a project at a provider. Definitions and commits are read by the provider's API, tasks clone with git: by ssh with the
// deploy key of the project, which reads this one repository and nothing else. Where there is no such key, or the provider offers no
// ssh, they clone by https with the token of the linked account, which may do more; executors get it for the clone alone, tasks never.

import type { Configstore } from '../../configstore/api.ts'
import type { OpenedProvider, ProviderAccess } from '../../configstore/provider-access.ts'
import type { Project, ProjectSource } from '../../configstore/types.ts'
import type { AskedAnew, ProjectRepository } from '../../gateway/runs/project-sources.ts'
import type { GitAccessOptions } from '../../lib/git-access.ts'
import { isSameHost } from '../../lib/same-host.ts'
import type { CloneAddress } from '../../runservice/orders/make-order.ts'
import type { RecentRepositories } from './recent-repositories.ts'

export type CloneComponents = {
  readonly configstore: Pick<Configstore, 'projectCredentials' | 'getRemoteSource'>
  readonly providers: Pick<ProviderAccess, 'accessToken'>
  readonly repositories: RecentRepositories
  /** Whether the provider is asked in any case: the address that it told a moment ago is wrong, perhaps. */
  readonly isAskedAnew?: boolean
}

/** What a run knows of its repository from when it was made. */
export type MadeWith = {
  readonly cloneUrl: string
  /** At its provider; runs of before this was kept have none. */
  readonly repositoryId?: string
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
  }: Pick<CloneComponents, 'configstore' | 'repositories'> & {
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

/**
 * Where git finds the repository of a run by now, and how it logs in there. It may have been renamed since the run was made, and git is
 * not led on by every provider: it never is by ssh. Errors: those of the provider for an address of https.
 */
export async function remoteCloneAddress(
  project: Project,
  source: AtSource,
  made: MadeWith,
  components: CloneComponents,
): Promise<CloneAddress> {
  const { configstore, providers } = components
  const { cloneUrl } = made
  const host = await hostOf(project, source, configstore)
  if (!isHttp(cloneUrl)) {
    const signal = AbortSignal.timeout(askBySshMs)
    const [{ deployKey }, now] = await Promise.all([
      configstore.projectCredentials({ project: project.id }),
      // The key opens it without the provider's answer, at the address that the run has.
      Promise.race([addressNow(project, source, made, components, signal), aborted(signal)]).catch(() => undefined),
    ])
    const access: GitAccessOptions =
      deployKey === undefined ? host : { ...host, credentials: { type: 'sshkey', privateKey: deployKey } }
    return { access, ...movedFrom(cloneUrl, now) }
  }
  const now = await addressNow(project, source, made, components, AbortSignal.timeout(askMs))
  // The project may be at another provider by now: that one's token is for nobody else.
  if (now === undefined) return { access: host }
  const password = await providers.accessToken(source)
  const credentials = { type: 'password', userName: tokenUserName, password } as const
  return { access: { ...host, credentials }, ...movedFrom(cloneUrl, now) }
}

const askMs = 60_000
/** Shorter than orders wait for their answers. */
const askBySshMs = 10_000

const aborted = (signal: AbortSignal) =>
  new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }))

const isHttp = (url: string) => /^https?:/.test(url)

const movedFrom = (cloneUrl: string, now: string | undefined) =>
  now === undefined || now === cloneUrl ? {} : { url: now }

/** By the protocol that the run was made with; undefined when the project is at another host by now. */
async function addressNow(
  project: Project,
  source: AtSource,
  { cloneUrl, repositoryId = source.repositoryId }: MadeWith,
  { repositories, isAskedAnew = false }: Pick<CloneComponents, 'repositories' | 'isAskedAnew'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const ask = async (asked?: AskedAnew) => {
    const { sshCloneUrl, httpCloneUrl } = (await repositories.open(project, signal, asked)).repository
    return isHttp(cloneUrl) ? httpCloneUrl : sshCloneUrl
  }
  if (!isAskedAnew && (await ask()) === cloneUrl) return cloneUrl
  // Which of the two is the older one, nobody knows without asking.
  const now = await ask('always')
  if (!isSameHost(now, cloneUrl)) return undefined
  // The project may have another repository by now, in which the run's commit is not.
  return repositoryId === source.repositoryId ? now : cloneUrl
}

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
