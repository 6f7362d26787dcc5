// A provider in memory, with users, tokens that expire and refresh tokens that are good once, repositories, hooks, keys and commits.

import { createHash, randomUUID } from 'node:crypto'
import { SlipwayError } from '../lib/errors.ts'
import type { GitSource } from './git-source.ts'
import type {
  CommitStatus,
  DeployKey,
  OAuth2Client,
  OAuth2Tokens,
  Provider,
  ProviderCredentials,
  RemoteRepository,
  RemoteUser,
  RepositoryHook,
  RepositoryRef,
} from './provider.ts'

type FakeUser = RemoteUser & { readonly password: string }

export type FakeCommit = {
  readonly sha: string
  readonly message: string
  readonly files: Readonly<Record<string, string>>
}

export type FakeRepository = {
  repository: RemoteRepository
  /** Logins. */
  readonly administrators: Set<string>
  readonly hooks: Map<string, RepositoryHook>
  readonly keys: Map<string, DeployKey>
  readonly statuses: CommitStatus[]
  readonly refs: Map<string, string>
  readonly commits: Map<string, FakeCommit>
}

export class FakeProviderHost {
  readonly users = new Map<string, FakeUser>()
  /** By id. */
  readonly repositories = new Map<string, FakeRepository>()
  readonly #tokens = new Map<string, { readonly login: string; readonly expiresAt?: number; readonly name?: string }>()
  readonly #refreshTokens = new Map<string, string>()
  readonly #codes = new Map<
    string,
    { readonly login: string; readonly challenge: string; readonly redirectUri: string }
  >()
  readonly #now: () => number
  /** Milliseconds that access tokens of OAuth2 live. */
  tokenMs = 3_600_000
  /** How often each operation was asked. */
  readonly asked: string[] = []
  /** Called with the name of each operation before it is done; may throw. */
  before: (operation: string) => void | Promise<void> = () => {}

  constructor({ now = Date.now }: { readonly now?: () => number } = {}) {
    this.#now = now
  }

  addUser(login: string, password = `password-of-${login}`): FakeUser {
    const user = { id: `id-of-${login}`, login, email: `${login}@example.org`, password }
    this.users.set(login, user)
    return user
  }

  addRepository(path: string, administrator: string, changes: Partial<RemoteRepository> = {}): FakeRepository {
    const id = changes.id ?? String(this.repositories.size + 1)
    const made: FakeRepository = {
      repository: {
        ...repositoryAt(path),
        id,
        defaultBranch: 'main',
        isPrivate: false,
        isArchived: false,
        canAdminister: true,
        ...changes,
      },
      administrators: new Set([administrator]),
      hooks: new Map(),
      keys: new Map(),
      statuses: [],
      refs: new Map(),
      commits: new Map(),
    }
    this.repositories.set(id, made)
    return made
  }

  rename(id: string, path: string): void {
    const found = this.repositories.get(id)!
    found.repository = { ...found.repository, ...repositoryAt(path) }
  }

  /** Puts a commit on the ref; its SHA. */
  commit(id: string, ref: string, message: string, files: Readonly<Record<string, string>>): string {
    const found = this.repositories.get(id)!
    const sha = createHash('sha1').update(randomUUID()).digest('hex')
    found.commits.set(sha, { sha, message, files })
    found.refs.set(ref, sha)
    return sha
  }

  /** Tokens of OAuth2 as an exchange gives them. */
  giveTokens(login: string): Required<OAuth2Tokens> {
    const [accessToken, refreshToken] = [`access-${randomUUID()}`, `refresh-${randomUUID()}`]
    const expiresAt = this.#now() + this.tokenMs
    this.#tokens.set(accessToken, { login, expiresAt })
    this.#refreshTokens.set(refreshToken, login)
    return { accessToken, refreshToken, expiresAt }
  }

  /** None of its tokens is valid any more. */
  revokeAll(login: string): void {
    for (const map of [this.#tokens, this.#refreshTokens] as const)
      for (const [token, of] of map) if ((typeof of === 'string' ? of : of.login) === login) map.delete(token)
  }

  /** The access tokens only; refresh tokens stay. */
  revokeAccess(login: string): void {
    for (const [token, of] of this.#tokens) if (of.login === login) this.#tokens.delete(token)
  }

  /** As the user who was sent to `authorizeUrl` and let Slipway in: the address that its browser is sent back to. */
  approve(authorizeUrl: string, login: string): string {
    const { searchParams } = new URL(authorizeUrl)
    const redirectUri = searchParams.get('redirect_uri')!
    const code = randomUUID()
    this.#codes.set(code, { login, redirectUri, challenge: searchParams.get('code_challenge')! })
    const back = new URL(redirectUri)
    back.searchParams.set('code', code)
    back.searchParams.set('state', searchParams.get('state')!)
    return back.href
  }

  readonly openOAuth2 = (): OAuth2Client => ({
    authorizeUrl: ({ redirectUri, state, codeChallenge }) => {
      const url = new URL('https://provider.example/authorize')
      url.searchParams.set('redirect_uri', redirectUri)
      url.searchParams.set('state', state)
      url.searchParams.set('code_challenge', codeChallenge)
      return url.href
    },
    exchange: async ({ code, redirectUri, codeVerifier }) => {
      await this.#ask('exchange')
      const found = this.#codes.get(code)
      this.#codes.delete(code)
      const challenge = createHash('sha256').update(codeVerifier).digest('base64url')
      if (found === undefined || found.redirectUri !== redirectUri || found.challenge !== challenge)
        throw new SlipwayError('oauth2_refused', 'the provider does not take the code')
      return this.giveTokens(found.login)
    },
    refresh: async (refreshToken) => {
      await this.#ask('refresh')
      const login = this.#refreshTokens.get(refreshToken)
      this.#refreshTokens.delete(refreshToken)
      if (login === undefined) throw new SlipwayError('oauth2_refused', 'the provider does not take the refresh token')
      return this.giveTokens(login)
    },
  })

  readonly openProvider = (_settings: unknown, credentials: ProviderCredentials): Provider => {
    const enter = async (operation: string, { byPassword = false } = {}): Promise<FakeUser> => {
      await this.#ask(operation)
      const login = this.#loginOf(credentials)
      const user = login === undefined ? undefined : this.users.get(login)
      if (user === undefined || (credentials.kind === 'password' && !byPassword))
        throw new SlipwayError('provider_unauthorized', 'the provider does not take the token')
      return user
    }
    const find = async (operation: string, ref: RepositoryRef) => {
      const { login } = await enter(operation)
      const found = this.#find(ref)
      if (found === undefined) throw new SlipwayError('remote_repository_not_found', 'there is no such repository')
      return { found, canAdminister: found.administrators.has(login) }
    }
    const administer = async (operation: string, ref: RepositoryRef) => {
      const { found, canAdminister } = await find(operation, ref)
      if (!canAdminister) throw new SlipwayError('provider_refused', 'you may not administer the repository')
      return found
    }
    return {
      currentUser: async () => {
        const { password: _, ...user } = await enter('currentUser', { byPassword: true })
        return user
      },
      listRepositories: async ({ search = '', cursor = '0', limit = 25 }) => {
        const { login } = await enter('listRepositories')
        const matching = [...this.repositories.values()]
          .filter(({ administrators, repository }) => administrators.has(login) && repository.path.includes(search))
          .map(({ repository }) => repository)
        const end = Number(cursor) + limit
        return {
          items: matching.slice(Number(cursor), end),
          ...(end < matching.length ? { nextCursor: String(end) } : {}),
        }
      },
      getRepository: async (ref) => {
        const { found, canAdminister } = await find('getRepository', ref)
        return { ...found.repository, canAdminister }
      },
      ensureDeployKey: async (repository, key) => {
        const { keys } = await administer('ensureDeployKey', repository)
        for (const [id, { title, publicKey }] of keys) {
          if (title !== key.title) continue
          if (publicKey === key.publicKey) return id
          keys.delete(id)
        }
        // As providers do.
        for (const other of this.repositories.values())
          for (const { publicKey } of other.keys.values())
            if (publicKey === key.publicKey) throw new SlipwayError('provider_refused', 'the key is already in use')
        return put(keys, key)
      },
      removeDeployKey: async (repository, { id, title }) => {
        const { keys } = await administer('removeDeployKey', repository)
        for (const [known, key] of keys) if (known === id || key.title === title) keys.delete(known)
      },
      ensureHook: async (repository, hook) => {
        const { hooks } = await administer('ensureHook', repository)
        const [first, ...doubles] = [...hooks].filter(([, { url }]) => url === hook.url).map(([id]) => id)
        for (const id of doubles) hooks.delete(id)
        if (first === undefined) return put(hooks, hook)
        hooks.set(first, hook)
        return first
      },
      removeHook: async (repository, { id, url }) => {
        const { hooks } = await administer('removeHook', repository)
        for (const [known, hook] of hooks) if (known === id || hook.url === url) hooks.delete(known)
      },
      setCommitStatus: async (repository, status) => {
        const { found } = await find('setCommitStatus', repository)
        found.statuses.push(status)
      },
      openSource: (repository) => sourceOf(async (operation) => (await find(operation, { id: repository.id })).found),
      linksOf: ({ htmlUrl }, { commitSha, branch, tag, pullRequestId }) => ({
        ...(commitSha === undefined ? {} : { commit: `${htmlUrl}/commit/${commitSha}` }),
        ...(branch === undefined ? {} : { branch: `${htmlUrl}/branch/${branch}` }),
        ...(tag === undefined ? {} : { tag: `${htmlUrl}/tag/${tag}` }),
        ...(pullRequestId === undefined ? {} : { pullRequest: `${htmlUrl}/pull/${pullRequestId}` }),
      }),
      pullRequestRef: (pullRequestId) => `refs/pull/${pullRequestId}/head`,
      createAccessToken: async (name) => {
        const { login } = await enter('createAccessToken', { byPassword: true })
        for (const [token, of] of this.#tokens) if (of.login === login && of.name === name) this.#tokens.delete(token)
        const token = `token-${randomUUID()}`
        this.#tokens.set(token, { login, name })
        return token
      },
    }
  }

  async #ask(operation: string): Promise<void> {
    this.asked.push(operation)
    await this.before(operation)
  }

  #loginOf(credentials: ProviderCredentials): string | undefined {
    if (credentials.kind === 'password') {
      const user = this.users.get(credentials.userName)
      return user?.password === credentials.password ? user.login : undefined
    }
    const found = this.#tokens.get(credentials.accessToken)
    return found === undefined || (found.expiresAt ?? Number.POSITIVE_INFINITY) <= this.#now() ? undefined : found.login
  }

  #find(ref: RepositoryRef): FakeRepository | undefined {
    if ('id' in ref) return this.repositories.get(ref.id)
    return [...this.repositories.values()].find(({ repository }) => repository.path === ref.path)
  }
}

function repositoryAt(path: string) {
  return {
    path,
    htmlUrl: `https://provider.example/${path}`,
    sshCloneUrl: `ssh://git@provider.example/${path}.git`,
    httpCloneUrl: `https://provider.example/${path}.git`,
  }
}

function put<T>(map: Map<string, T>, value: T): string {
  const id = randomUUID()
  map.set(id, value)
  return id
}

function sourceOf(find: (operation: string) => Promise<FakeRepository>): GitSource {
  const commitOf = async (sha: string) => {
    const commit = (await find('commit')).commits.get(sha)
    if (commit === undefined) throw new SlipwayError('commit_not_found', `there is no commit ${sha}`)
    return commit
  }
  return {
    listRefs: async () => [...(await find('listRefs')).refs].map(([name, commitSha]) => ({ name, commitSha })),
    findRef: async (name) => {
      const commitSha = (await find('findRef')).refs.get(name)
      return commitSha === undefined ? undefined : { name, commitSha }
    },
    findDefaultBranch: async () => (await find('findDefaultBranch')).repository.defaultBranch,
    getCommit: async (sha) => ({ sha, message: (await commitOf(sha)).message, author: 'somebody' }),
    readFiles: async ({ sha }, folder, names) => {
      const { files } = await commitOf(sha)
      return names
        .map((name) => `${folder}/${name}`)
        .flatMap((path) => (files[path] === undefined ? [] : [{ path, text: files[path] }]))
    },
  }
}
