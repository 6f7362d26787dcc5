// Repositories of GitHub, by its REST API (docs.github.com, "REST API", version 2022-11-28).

import { SlipwayError } from '../../lib/errors.ts'
import { cutText } from '../cut-text.ts'
import { knownKey, planDeployKey } from '../deploy-keys.ts'
import type { GitSource } from '../git-source.ts'
import type {
  CommitStatus,
  CommitStatusState,
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
import { type ProviderComponents, ProviderHttp, pathSegment } from '../provider-http.ts'
import { repositoryByPath } from '../repository-by-path.ts'
import type { EventLinks } from '../repository-event.ts'
import { at, below, linksOf } from '../webhooks/payload.ts'
import { githubAddress, repositoryById } from './github-address.ts'
import { GithubSource } from './github-source.ts'

/** The most that GitHub gives at once. */
const perPage = 100
const listedDefault = 25
/** Pages looked through for one of ours when only few of their repositories match. */
const pagesPerListing = 10
const descriptionCharactersMax = 140
const hookEvents = ['push', 'pull_request']

const states: Readonly<Record<CommitStatusState, string>> = {
  queued: 'pending',
  running: 'pending',
  success: 'success',
  failed: 'failure',
  error: 'error',
  cancelled: 'error',
}

export class GithubProvider implements Provider {
  readonly #http: ProviderHttp

  constructor(settings: ProviderSettings, token: string, components: ProviderComponents) {
    this.#http = new ProviderHttp(
      {
        name: 'GitHub',
        baseUrl: githubAddress(settings.apiUrl).apiUrl,
        skipVerify: settings.skipVerify,
        authorization: `Bearer ${token}`,
        headers: { accept: 'application/vnd.github+json', 'x-github-api-version': '2022-11-28' },
      },
      components,
    )
  }

  async currentUser(signal: AbortSignal): Promise<RemoteUser> {
    return remoteUserOf(await this.#http.json({ method: 'GET', path: '/user' }, signal), 'login')
  }

  /** GitHub's own search cannot be asked for what one administers, so its list is looked through. */
  async listRepositories({ search, cursor, limit }: RepositoryQuery, signal: AbortSignal): Promise<RepositoryPage> {
    const wanted = Math.min(limit ?? listedDefault, perPage)
    const words = search?.trim().toLowerCase() ?? ''
    const items: RemoteRepository[] = []
    let { page, skip } = positionOf(cursor)
    for (let looked = 0; looked < pagesPerListing; looked++) {
      const query = { per_page: perPage, page, sort: 'full_name' }
      const answer = await this.#http.request({ method: 'GET', path: '/user/repos', query }, signal)
      for (const [index, entry] of listOf(answer.json()).entries()) {
        if (index < skip) continue
        if (items.length >= wanted) return { items, nextCursor: `${page}.${index}` }
        const repository = repositoryOf(entry)
        if (repository.canAdminister && repository.path.toLowerCase().includes(words)) items.push(repository)
      }
      if (answer.linkQuery('next') === undefined) return { items }
      page++
      skip = 0
    }
    return { items, nextCursor: `${page}.0` }
  }

  async getRepository(ref: RepositoryRef, signal: AbortSignal): Promise<RemoteRepository> {
    const path = 'id' in ref ? repositoryById(ref.id) : repositoryByPath(ref.path)
    const answer = await this.#http.json({ method: 'GET', path, notFound: 'remote_repository_not_found' }, signal)
    const repository = repositoryOf(answer)
    const { defaultBranch, ...rest } = repository
    // GitHub names one of an empty repository too. A size of 0 kB can be that of a small one.
    if (at(answer, 'size') !== 0 || defaultBranch === undefined) return repository
    const isThere = await this.#source(repository).findRef(`refs/heads/${defaultBranch}`, signal)
    return isThere === undefined ? rest : repository
  }

  async ensureDeployKey(repository: RemoteRepository, key: DeployKey, signal: AbortSignal): Promise<string> {
    const known = (await this.#keys(repository, signal)).map((one) => knownKey(one, flagOf(one, 'read_only')))
    const { right, wrong } = planDeployKey(known, key, { mayHaveAnyTitle: true })
    for (const id of wrong) await this.#remove(repository, `/keys/${pathSegment(id)}`, signal)
    if (right !== undefined) return right
    const body = { title: key.title, key: key.publicKey.trim(), read_only: true }
    return idOf(await this.#http.json({ method: 'POST', ...below404(repository, '/keys'), body }, signal), 'id')
  }

  async removeDeployKey(
    repository: RemoteRepository,
    { id, title }: { readonly id?: string; readonly title: string },
    signal: AbortSignal,
  ): Promise<void> {
    for (const known of await this.#keys(repository, signal))
      if (idOf(known, 'id') === id || textOf(known, 'title') === title)
        await this.#remove(repository, `/keys/${pathSegment(idOf(known, 'id'))}`, signal)
  }

  async ensureHook(repository: RemoteRepository, hook: RepositoryHook, signal: AbortSignal): Promise<string> {
    const known = await this.#hooks(repository, hook.url, signal)
    if (known.length > 0) return await this.#repairHook(repository, known, hook, signal)
    const made = await this.#http.request(
      {
        method: 'POST',
        ...below404(repository, '/hooks'),
        body: { name: 'web', active: true, events: hookEvents, config: hookConfig(hook) },
        // One with that URL is there already: somebody was faster, or an answer was lost.
        answers: [422],
      },
      signal,
    )
    if (made.status !== 422) return idOf(made.json(), 'id')
    const others = await this.#hooks(repository, hook.url, signal)
    if (others.length > 0) return await this.#repairHook(repository, others, hook, signal)
    throw new SlipwayError('provider_refused', `GitHub does not take the hook of ${repository.path}: ${made.words()}`)
  }

  async removeHook(
    repository: RemoteRepository,
    { id, url }: { readonly id?: string; readonly url: string },
    signal: AbortSignal,
  ): Promise<void> {
    for (const known of await this.#list(repository, '/hooks', signal))
      if (idOf(known, 'id') === id || at(known, 'config', 'url') === url)
        await this.#remove(repository, `/hooks/${pathSegment(idOf(known, 'id'))}`, signal)
  }

  async setCommitStatus(repository: RemoteRepository, status: CommitStatus, signal: AbortSignal): Promise<void> {
    const { commitSha, state, context, description, targetUrl } = status
    const answer = await this.#http.request(
      {
        method: 'POST',
        ...below404(repository, `/statuses/${pathSegment(commitSha)}`),
        body: {
          state: states[state],
          context,
          description: cutText(description, descriptionCharactersMax),
          ...(targetUrl === undefined ? {} : { target_url: targetUrl }),
        },
        isRepeatable: true,
        answers: [422],
      },
      signal,
    )
    if (answer.status !== 422) return
    const words = answer.words()
    const isMissing = /no commit found/i.test(words)
    throw new SlipwayError(
      isMissing ? 'commit_not_found' : 'provider_refused',
      `GitHub does not take the status of ${commitSha} in ${repository.path}: ${words}`,
    )
  }

  openSource(repository: RemoteRepository): GitSource {
    return this.#source(repository)
  }

  linksOf({ htmlUrl }: RemoteRepository, { commitSha, branch, tag, pullRequestId }: LinkSubject): EventLinks {
    return linksOf({
      commit: commitSha === undefined ? undefined : below(htmlUrl, 'commit', commitSha),
      branch: branch === undefined ? undefined : below(htmlUrl, 'tree', branch),
      tag: tag === undefined ? undefined : below(htmlUrl, 'tree', tag),
      pullRequest: pullRequestId === undefined ? undefined : below(htmlUrl, 'pull', pullRequestId),
    })
  }

  pullRequestRef(pullRequestId: string): string {
    return `refs/pull/${pullRequestId}/head`
  }

  createAccessToken(): Promise<string> {
    return Promise.reject(new SlipwayError('provider_refused', 'GitHub gives tokens by OAuth2, not for a password'))
  }

  #source(repository: RemoteRepository): GithubSource {
    return new GithubSource(this.#http, repository)
  }

  async #repairHook(
    repository: RemoteRepository,
    [first, ...doubles]: readonly unknown[],
    hook: RepositoryHook,
    signal: AbortSignal,
  ): Promise<string> {
    const id = idOf(first, 'id')
    const config = { ...hookConfig(hook), insecure_ssl: at(first, 'config', 'insecure_ssl') === '1' ? '1' : '0' }
    await this.#http.request(
      {
        method: 'PATCH',
        ...below404(repository, `/hooks/${pathSegment(id)}`),
        // Its secret is never shown, so whether it is right is not known.
        body: { active: true, events: hookEvents, config },
        isRepeatable: true,
      },
      signal,
    )
    for (const double of doubles) await this.#remove(repository, `/hooks/${pathSegment(idOf(double, 'id'))}`, signal)
    return id
  }

  async #hooks(repository: RemoteRepository, url: string, signal: AbortSignal): Promise<readonly unknown[]> {
    return (await this.#list(repository, '/hooks', signal)).filter((hook) => at(hook, 'config', 'url') === url)
  }

  #keys(repository: RemoteRepository, signal: AbortSignal): Promise<readonly unknown[]> {
    return this.#list(repository, '/keys', signal)
  }

  /** All of it, before anything is done with it: what is removed meanwhile would move the pages. */
  #list(repository: RemoteRepository, path: string, signal: AbortSignal): Promise<readonly unknown[]> {
    const request = { method: 'GET', ...below404(repository, path), query: { per_page: perPage } } as const
    return Array.fromAsync(this.#http.items(request, signal))
  }

  async #remove(repository: RemoteRepository, path: string, signal: AbortSignal): Promise<void> {
    await this.#http.request({ method: 'DELETE', ...below404(repository, path), answers: [404] }, signal)
  }
}

/** A path of the repository; 404 means that this one is gone. */
function below404({ id }: RemoteRepository, path: string) {
  return { path: `${repositoryById(id)}${path}`, notFound: 'remote_repository_not_found' } as const
}

function hookConfig({ url, secret }: RepositoryHook) {
  return { url, content_type: 'json', secret }
}

function positionOf(cursor: string | undefined): { page: number; skip: number } {
  if (cursor === undefined) return { page: 1, skip: 0 }
  const [, page, skip] = /^(\d{1,6})\.(\d{1,3})$/.exec(cursor) ?? []
  if (page === undefined || page === '0')
    throw new SlipwayError('cursor_invalid', 'the cursor is none that this list of repositories gave')
  return { page: Number(page), skip: Number(skip) }
}

function repositoryOf(value: unknown): RemoteRepository {
  const defaultBranch = optionalTextOf(value, 'default_branch')
  return {
    id: idOf(value, 'id'),
    path: textOf(value, 'full_name'),
    htmlUrl: textOf(value, 'html_url'),
    sshCloneUrl: textOf(value, 'ssh_url'),
    httpCloneUrl: textOf(value, 'clone_url'),
    ...(defaultBranch === undefined ? {} : { defaultBranch }),
    isPrivate: flagOf(value, 'private'),
    isArchived: flagOf(value, 'archived'),
    canAdminister: flagOf(value, 'permissions', 'admin'),
  }
}
