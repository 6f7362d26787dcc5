// Repositories of a Gitea (docs.gitea.com, "API") or a Forgejo (forgejo.org/docs, "API"), whose APIs are alike in all that is asked here.

import { isSlipwayError, SlipwayError, unreachable } from '../../lib/errors.ts'
import { cutText } from '../cut-text.ts'
import { knownKey, planDeployKey } from '../deploy-keys.ts'
import type { GitSource } from '../git-source.ts'
import type {
  CommitStatus,
  CommitStatusState,
  DeployKey,
  LinkSubject,
  Provider,
  ProviderCredentials,
  ProviderSettings,
  RemoteRepository,
  RemoteUser,
  RepositoryHook,
  RepositoryPage,
  RepositoryQuery,
  RepositoryRef,
} from '../provider.ts'
import { flagOf, idOf, optionalTextOf, remoteUserOf, textOf } from '../provider-fields.ts'
import { type ProviderComponents, ProviderHttp, type ProviderRequest, pathSegment } from '../provider-http.ts'
import { repositoryByPath } from '../repository-by-path.ts'
import type { EventLinks } from '../repository-event.ts'
import { at, below, linksOf } from '../webhooks/payload.ts'
import { giteaApiUrl } from './gitea-address.ts'
import { giteaList, giteaPages } from './gitea-pages.ts'
import { GiteaSource } from './gitea-source.ts'

const listedDefault = 25
const listedMax = 100
/** Pages looked through for one of ours when only few of their repositories match. */
const pagesPerListing = 10

const states: Readonly<Record<CommitStatusState, string>> = {
  queued: 'pending',
  running: 'pending',
  success: 'success',
  failed: 'failure',
  error: 'error',
  cancelled: 'error',
}

/** Gitea takes any, and shows it in one line. */
const descriptionCharactersMax = 255

const eventsOfHooks = ['push', 'pull_request', 'pull_request_sync', 'pull_request_label']

/** For hooks, keys, statuses and files; and to know whose token it is. Servers before 1.19 have no scopes and look at none. */
const scopesOfTokens = ['write:repository', 'read:user']

export class GiteaProvider implements Provider {
  readonly #http: ProviderHttp
  readonly #type: 'gitea' | 'forgejo'
  readonly #isByPassword: boolean

  constructor(settings: ProviderSettings, credentials: ProviderCredentials, components: ProviderComponents) {
    this.#type = settings.type === 'forgejo' ? 'forgejo' : 'gitea'
    this.#isByPassword = credentials.kind === 'password'
    this.#http = new ProviderHttp(
      {
        name: settings.type === 'forgejo' ? 'Forgejo' : 'Gitea',
        baseUrl: giteaApiUrl(settings.apiUrl),
        skipVerify: settings.skipVerify,
        authorization: authorizationOf(credentials),
      },
      components,
    )
  }

  async currentUser(signal: AbortSignal): Promise<RemoteUser> {
    return remoteUserOf(await this.#explained(this.#http.json({ method: 'GET', path: '/user' }, signal)), 'login')
  }

  /** Looks through all the user has, for the search of the API knows only names without their owners. Cursor: page, and items of it. */
  async listRepositories({ search, cursor, limit }: RepositoryQuery, signal: AbortSignal): Promise<RepositoryPage> {
    const [, first = '1', skipped = '0'] = /^([1-9]\d{0,5})\.(\d{1,3})$/.exec(cursor ?? '1.0') ?? []
    if (cursor !== undefined && cursor !== `${first}.${skipped}`)
      throw new SlipwayError('cursor_invalid', 'the cursor is none that this list of repositories gave')
    const wanted = Math.min(limit ?? listedDefault, listedMax)
    const words = search?.trim().toLowerCase() ?? ''
    const items: RemoteRepository[] = []
    for await (const page of giteaPages(this.#http, { method: 'GET', path: '/user/repos' }, Number(first), signal)) {
      for (const [index, one] of page.items.entries()) {
        if (page.number === Number(first) && index < Number(skipped)) continue
        if (items.length === wanted) return { items, nextCursor: `${page.number}.${index}` }
        const repository = repositoryOf(one)
        if (repository.canAdminister && repository.path.toLowerCase().includes(words)) items.push(repository)
      }
      if (page.number + 1 >= Number(first) + pagesPerListing) return { items, nextCursor: `${page.number + 1}.0` }
    }
    return { items }
  }

  async getRepository(ref: RepositoryRef, signal: AbortSignal): Promise<RemoteRepository> {
    const path = 'id' in ref ? `/repositories/${pathSegment(ref.id)}` : repositoryByPath(ref.path)
    return repositoryOf(await this.#http.json(inRepository({ method: 'GET', path }), signal))
  }

  async ensureDeployKey(repository: RemoteRepository, key: DeployKey, signal: AbortSignal): Promise<string> {
    const path = `${await this.#pathOf(repository, signal)}/keys`
    const known = (await this.#all(path, signal)).map((one) => knownKey(one, flagOf(one, 'read_only')))
    const { right, wrong } = planDeployKey(known, key)
    for (const id of wrong) await this.#remove(`${path}/${pathSegment(id)}`, signal)
    if (right !== undefined) return right
    const body = { title: key.title, key: key.publicKey, read_only: true }
    return idOf(await this.#http.json(inRepository({ method: 'POST', path, body }), signal), 'id')
  }

  async removeDeployKey(
    repository: RemoteRepository,
    { id, title }: { readonly id?: string; readonly title: string },
    signal: AbortSignal,
  ): Promise<void> {
    const path = `${await this.#pathOf(repository, signal)}/keys`
    for (const known of await this.#all(path, signal))
      if (idOf(known, 'id') === id || at(known, 'title') === title)
        await this.#remove(`${path}/${pathSegment(idOf(known, 'id'))}`, signal)
  }

  async ensureHook(repository: RemoteRepository, hook: RepositoryHook, signal: AbortSignal): Promise<string> {
    const path = `${await this.#pathOf(repository, signal)}/hooks`
    const known = (await this.#all(path, signal)).filter((one) => at(one, 'config', 'url') === hook.url)
    // Those of another type send other payloads, and a type cannot be changed.
    const kept = known.find((one) => ['gitea', 'forgejo'].includes(textOf(one, 'type')))
    // What it has for a secret cannot be read, so it is said again.
    const body = {
      active: true,
      events: eventsOfHooks,
      branch_filter: '',
      config: { url: hook.url, content_type: 'json', secret: hook.secret },
    }
    const made = inRepository(
      kept === undefined
        ? { method: 'POST', path, body: { ...body, type: this.#type } }
        : { method: 'PATCH', path: `${path}/${pathSegment(idOf(kept, 'id'))}`, body, isRepeatable: true },
    )
    const id = idOf(await this.#http.json(made, signal), 'id')
    for (const other of known)
      if (idOf(other, 'id') !== id) await this.#remove(`${path}/${pathSegment(idOf(other, 'id'))}`, signal)
    return id
  }

  async removeHook(
    repository: RemoteRepository,
    { id, url }: { readonly id?: string; readonly url: string },
    signal: AbortSignal,
  ): Promise<void> {
    const path = `${await this.#pathOf(repository, signal)}/hooks`
    for (const known of await this.#all(path, signal))
      if (idOf(known, 'id') === id || at(known, 'config', 'url') === url)
        await this.#remove(`${path}/${pathSegment(idOf(known, 'id'))}`, signal)
  }

  async setCommitStatus(repository: RemoteRepository, status: CommitStatus, signal: AbortSignal): Promise<void> {
    const path = `${await this.#pathOf(repository, signal)}/statuses/${pathSegment(status.commitSha)}`
    const body = {
      state: states[status.state],
      context: status.context,
      description: cutText(status.description, descriptionCharactersMax),
      ...(status.targetUrl === undefined ? {} : { target_url: status.targetUrl }),
    }
    try {
      await this.#http.request(inRepository({ method: 'POST', path, body, isRepeatable: true }), signal)
    } catch (error) {
      // Gitea's answer for a commit that is not there is 500.
      if (!isSlipwayError(error, 'provider_unavailable') || !/object does not exist/.test(error.message)) throw error
      throw new SlipwayError('commit_not_found', `the repository has no commit ${status.commitSha}`, { cause: error })
    }
  }

  openSource(repository: RemoteRepository): GitSource {
    return new GiteaSource(this.#http, (signal) => this.#pathOf(repository, signal))
  }

  linksOf(repository: RemoteRepository, { commitSha, branch, tag, pullRequestId }: LinkSubject): EventLinks {
    const web = repository.htmlUrl
    return linksOf({
      commit: commitSha && below(web, 'commit', commitSha),
      branch: branch && below(web, 'src/branch', branch),
      tag: tag && below(web, 'src/tag', tag),
      pullRequest: pullRequestId && below(web, 'pulls', pullRequestId),
    })
  }

  pullRequestRef(pullRequestId: string): string {
    return `refs/pull/${pullRequestId}/head`
  }

  async createAccessToken(name: string, signal: AbortSignal): Promise<string> {
    // Whoever logs in with an address has a name besides.
    const { login } = await this.currentUser(signal)
    const path = `/users/${pathSegment(login)}/tokens`
    // A token cannot be read again. By their ids: a name that is a number would be taken for one.
    for (const token of await this.#explained(giteaList(this.#http, { method: 'GET', path }, signal)))
      if (at(token, 'name') === name) await this.#remove(`${path}/${pathSegment(idOf(token, 'id'))}`, signal)
    const body = { name, scopes: scopesOfTokens }
    return textOf(await this.#http.json({ method: 'POST', path, body }, signal), 'sha1')
  }

  /** Of its API, which has only the repository itself by its id. A path that is known from before may be another one's by now. */
  async #pathOf({ id }: RemoteRepository, signal: AbortSignal): Promise<string> {
    return repositoryByPath((await this.getRepository({ id }, signal)).path)
  }

  async #all(path: string, signal: AbortSignal): Promise<readonly unknown[]> {
    return await giteaList(this.#http, inRepository({ method: 'GET', path }), signal)
  }

  async #remove(path: string, signal: AbortSignal): Promise<void> {
    await this.#http.request({ method: 'DELETE', path, answers: [404] }, signal)
  }

  /** A right password is refused as well when the user has a second factor, in words that say little. */
  async #explained<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer
    } catch (error) {
      if (!this.#isByPassword || !isSlipwayError(error, 'provider_unauthorized')) throw error
      if (!/OTP|two-factor|2fa|webauthn/i.test(error.message)) throw error
      const advice = 'the user has two-factor authentication, with which a password alone is not enough: use OAuth2'
      throw new SlipwayError('provider_unauthorized', `${advice} (${error.message})`, { cause: error })
    }
  }
}

function authorizationOf(credentials: ProviderCredentials): string {
  switch (credentials.kind) {
    case 'token':
      return `token ${credentials.accessToken}`
    case 'password':
      return `Basic ${Buffer.from(`${credentials.userName}:${credentials.password}`).toString('base64')}`
    default:
      return unreachable(credentials)
  }
}

function inRepository(request: ProviderRequest): ProviderRequest {
  return { ...request, notFound: 'remote_repository_not_found' }
}

function repositoryOf(repository: unknown): RemoteRepository {
  const defaultBranch = flagOf(repository, 'empty') ? undefined : optionalTextOf(repository, 'default_branch')
  return {
    id: idOf(repository, 'id'),
    path: textOf(repository, 'full_name'),
    htmlUrl: textOf(repository, 'html_url'),
    sshCloneUrl: textOf(repository, 'ssh_url'),
    httpCloneUrl: textOf(repository, 'clone_url'),
    ...(defaultBranch === undefined ? {} : { defaultBranch }),
    // One of an owner whom only those with an account see is `internal`.
    isPrivate: flagOf(repository, 'private') || flagOf(repository, 'internal'),
    isArchived: flagOf(repository, 'archived'),
    canAdminister: flagOf(repository, 'permissions', 'admin'),
  }
}
