// Repositories of a GitLab, by its REST API, version 4 (docs.gitlab.com, "REST API"). After they were found, they are named by their id,
// so a rename or a move into another group changes nothing.

import { SlipwayError } from '../../lib/errors.ts'
import { knownKey, planDeployKey } from '../deploy-keys.ts'
import type { GitSource } from '../git-source.ts'
import type {
  CommitStatus,
  DeployKey,
  LinkSubject,
  Provider,
  ProviderSettings,
  RemoteRepository,
  RemoteUser,
  RepositoryHook,
  RepositoryPage,
  RepositoryQuery,
  RepositoryRef,
} from '../provider.ts'
import { flagOf, idOf, listOf, optionalTextOf, remoteUserOf, textOf } from '../provider-fields.ts'
import { type ProviderComponents, ProviderHttp, type ProviderRequest, pathSegment } from '../provider-http.ts'
import type { EventLinks } from '../repository-event.ts'
import { at, below, linksOf } from '../webhooks/payload.ts'
import { gitlabApiUrl, projectPath } from './gitlab-address.ts'
import { GitlabSource } from './gitlab-source.ts'
import { setGitlabStatus } from './gitlab-status.ts'

/** Maintainer: who may add hooks and keys. */
const accessLevelOfMaintainers = 40
/** The most that GitLab gives at once. */
const perPage = 100
const listedDefault = 25
/** Pages looked through for one of ours when only few of their projects match. */
const pagesPerListing = 10
/** Of a search; with fewer GitLab finds only whole words. */
const searchCharactersMin = 3

export class GitlabProvider implements Provider {
  readonly #http: ProviderHttp

  constructor(settings: ProviderSettings, token: string, components: ProviderComponents) {
    this.#http = new ProviderHttp(
      {
        name: 'GitLab',
        baseUrl: gitlabApiUrl(settings.apiUrl),
        skipVerify: settings.skipVerify,
        authorization: `Bearer ${token}`,
      },
      components,
    )
  }

  async currentUser(signal: AbortSignal): Promise<RemoteUser> {
    return remoteUserOf(await this.#http.json({ method: 'GET', path: '/user' }, signal), 'username')
  }

  async listRepositories({ search, cursor, limit }: RepositoryQuery, signal: AbortSignal): Promise<RepositoryPage> {
    if (cursor !== undefined && !/^\d{1,16}$/.test(cursor))
      throw new SlipwayError('cursor_invalid', 'the cursor is none that this list of repositories gave')
    const wanted = Math.min(limit ?? listedDefault, perPage)
    const words = search?.trim().toLowerCase() ?? ''
    const items: RemoteRepository[] = []
    let before = cursor
    for (let page = 0; page < pagesPerListing; page++) {
      const query = {
        min_access_level: accessLevelOfMaintainers,
        order_by: 'id',
        sort: 'desc',
        pagination: 'keyset',
        per_page: words === '' ? wanted : perPage,
        id_before: before,
        ...(words.length < searchCharactersMin ? {} : { search: words, search_namespaces: true }),
      }
      const answer = await this.#http.request({ method: 'GET', path: '/projects', query }, signal)
      for (const project of listOf(answer.json())) {
        const repository = repositoryOf(project, true)
        // GitLab searches descriptions, too.
        if (repository.path.toLowerCase().includes(words)) items.push(repository)
        before = repository.id
        if (items.length === wanted) return { items, nextCursor: before }
      }
      if (answer.linkQuery('next') === undefined) return { items }
    }
    return before === undefined ? { items } : { items, nextCursor: before }
  }

  async getRepository(ref: RepositoryRef, signal: AbortSignal): Promise<RemoteRepository> {
    const path = projectPath('id' in ref ? ref.id : ref.path)
    const project = await this.#http.json({ method: 'GET', path, notFound: 'remote_repository_not_found' }, signal)
    return repositoryOf(project, await this.#mayAdminister(project, signal))
  }

  /** A project that was shared with a group of the user does not tell that in `permissions`, nor are administrators in there. */
  async #mayAdminister(project: unknown, signal: AbortSignal): Promise<boolean> {
    const levels = ['project_access', 'group_access'].map((kind) => at(project, 'permissions', kind, 'access_level'))
    if (levels.some((level) => typeof level === 'number' && level >= accessLevelOfMaintainers)) return true
    const path = `${projectPath(idOf(project, 'id'))}/hooks`
    const answer = await this.#http.request(
      { method: 'GET', path, query: { per_page: 1 }, answers: [401, 403, 404] },
      signal,
    )
    return answer.status === 200
  }

  async ensureDeployKey(repository: RemoteRepository, key: DeployKey, signal: AbortSignal): Promise<string> {
    const path = `${projectPath(repository.id)}/deploy_keys`
    const known = (await this.#all(path, signal)).map((one) => knownKey(one, !flagOf(one, 'can_push')))
    const { right, wrong } = planDeployKey(known, key)
    for (const id of wrong) await this.#remove(`${path}/${pathSegment(id)}`, signal)
    if (right !== undefined) return right
    const body = { title: key.title, key: key.publicKey, can_push: false }
    return idOf(await this.#http.json(inRepository({ method: 'POST', path, body }), signal), 'id')
  }

  async removeDeployKey(
    repository: RemoteRepository,
    { id, title }: { readonly id?: string; readonly title: string },
    signal: AbortSignal,
  ): Promise<void> {
    const path = `${projectPath(repository.id)}/deploy_keys`
    for (const known of await this.#all(path, signal))
      if (idOf(known, 'id') === id || at(known, 'title') === title)
        await this.#remove(`${path}/${pathSegment(idOf(known, 'id'))}`, signal)
  }

  async ensureHook(repository: RemoteRepository, hook: RepositoryHook, signal: AbortSignal): Promise<string> {
    const path = `${projectPath(repository.id)}/hooks`
    const known = await this.#hooksOf(path, ({ url }) => url === hook.url, signal)
    // GitLab stops calling a hook that failed often, for some time or for good; a new one works at once.
    const kept = known.find(({ isStopped }) => !isStopped)
    // What it has for a token cannot be read, so it is said again.
    const body = {
      url: hook.url,
      token: hook.secret,
      push_events: true,
      // Whatever somebody chose: older versions know the first of these alone.
      push_events_branch_filter: '',
      branch_filter_strategy: 'all_branches',
      tag_push_events: true,
      merge_requests_events: true,
    }
    const made =
      kept === undefined
        ? inRepository({ method: 'POST', path, body })
        : inRepository({ method: 'PUT', path: `${path}/${pathSegment(kept.id)}`, body })
    const id = idOf(await this.#http.json(made, signal), 'id')
    for (const other of known) if (other.id !== id) await this.#remove(`${path}/${pathSegment(other.id)}`, signal)
    return id
  }

  async removeHook(
    repository: RemoteRepository,
    { id, url }: { readonly id?: string; readonly url: string },
    signal: AbortSignal,
  ): Promise<void> {
    const path = `${projectPath(repository.id)}/hooks`
    for (const hook of await this.#hooksOf(path, (known) => known.id === id || known.url === url, signal))
      await this.#remove(`${path}/${pathSegment(hook.id)}`, signal)
  }

  async setCommitStatus(repository: RemoteRepository, status: CommitStatus, signal: AbortSignal): Promise<void> {
    await setGitlabStatus(this.#http, repository.id, status, signal)
  }

  openSource(repository: RemoteRepository): GitSource {
    return new GitlabSource(this.#http, repository.id)
  }

  linksOf(repository: RemoteRepository, { commitSha, branch, tag, pullRequestId }: LinkSubject): EventLinks {
    const web = repository.htmlUrl
    return linksOf({
      commit: commitSha && below(web, '-/commit', commitSha),
      branch: branch && below(web, '-/tree', branch),
      tag: tag && below(web, '-/tags', tag),
      pullRequest: pullRequestId && below(web, '-/merge_requests', pullRequestId),
    })
  }

  pullRequestRef(pullRequestId: string): string {
    return `refs/merge-requests/${pullRequestId}/head`
  }

  createAccessToken(): Promise<string> {
    return Promise.reject(new SlipwayError('provider_refused', 'GitLab makes no token for a password: use OAuth2'))
  }

  async #hooksOf(path: string, isMeant: (hook: KnownHook) => boolean, signal: AbortSignal): Promise<KnownHook[]> {
    const found: KnownHook[] = []
    for (const hook of await this.#all(path, signal)) {
      const status = optionalTextOf(hook, 'alert_status')
      const known = {
        id: idOf(hook, 'id'),
        url: textOf(hook, 'url'),
        isStopped: status !== undefined && status !== 'executable',
      }
      if (isMeant(known)) found.push(known)
    }
    return found
  }

  /** As a whole before the first is told: what is removed meanwhile would move the pages. */
  async #all(path: string, signal: AbortSignal): Promise<readonly unknown[]> {
    const request = inRepository({ method: 'GET', path, query: { per_page: perPage } })
    return await Array.fromAsync(this.#http.items(request, signal))
  }

  async #remove(path: string, signal: AbortSignal): Promise<void> {
    await this.#http.request({ method: 'DELETE', path, answers: [404] }, signal)
  }
}

type KnownHook = { readonly id: string; readonly url: string; readonly isStopped: boolean }

function inRepository(request: ProviderRequest): ProviderRequest {
  return { ...request, notFound: 'remote_repository_not_found' }
}

function repositoryOf(project: unknown, canAdminister: boolean): RemoteRepository {
  const defaultBranch = flagOf(project, 'empty_repo') ? undefined : optionalTextOf(project, 'default_branch')
  return {
    id: idOf(project, 'id'),
    path: textOf(project, 'path_with_namespace'),
    htmlUrl: textOf(project, 'web_url'),
    sshCloneUrl: textOf(project, 'ssh_url_to_repo'),
    httpCloneUrl: textOf(project, 'http_url_to_repo'),
    ...(defaultBranch === undefined ? {} : { defaultBranch }),
    // `internal` ones are for those who have an account.
    isPrivate: at(project, 'visibility') !== 'public',
    isArchived: flagOf(project, 'archived'),
    canAdminister,
  }
}
