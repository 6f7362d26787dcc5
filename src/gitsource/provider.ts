// What Slipway asks a provider of repositories that has an API: the same for GitHub, GitLab, Gitea and Forgejo. Who asks is fixed when
// it is opened; a token that ran out is `provider_unauthorized`, and whoever has a newer one opens it again.
//
// Every operation may fail with `provider_unavailable` (no answer, a server error, or too many requests: try later),
// `provider_unauthorized` (the token is not valid), `provider_refused` (it may not do this, or the provider wants something else; the
// message has the provider's words) and, with a repository, `remote_repository_not_found`.

import type { GitSource } from './git-source.ts'
import type { EventLinks } from './repository-event.ts'

export const providerTypes = ['github', 'gitlab', 'gitea', 'forgejo'] as const
export type ProviderType = (typeof providerTypes)[number]

export type ProviderSettings = {
  readonly type: ProviderType
  /** As an administrator gave it: `https://api.github.com`, `https://gitlab.example.com`. */
  readonly apiUrl: string
  /** Whether its certificate is not checked. */
  readonly skipVerify: boolean
}

export type ProviderCredentials =
  /** Of OAuth2, or made for Slipway by a user. */
  | { readonly kind: 'token'; readonly accessToken: string }
  /** Gitea and Forgejo: good for `createAccessToken` and `currentUser` only. */
  | { readonly kind: 'password'; readonly userName: string; readonly password: string }

export type RemoteUser = {
  /** Stays when the user is renamed. */
  readonly id: string
  readonly login: string
  readonly email?: string
  readonly avatarUrl?: string
}

export type RemoteRepository = {
  /** Stays when the repository is renamed or moved. */
  readonly id: string
  /** `acme/web`, `acme/team/web`. */
  readonly path: string
  readonly htmlUrl: string
  readonly sshCloneUrl: string
  readonly httpCloneUrl: string
  /** Undefined while it is empty; in a list some providers name one all the same. */
  readonly defaultBranch?: string
  readonly isPrivate: boolean
  /** Nothing can be written there, no status and no hook. */
  readonly isArchived: boolean
  /** Whether the user may add hooks and keys. */
  readonly canAdminister: boolean
}

/** By its id where one is known: that one follows a rename. */
export type RepositoryRef = { readonly id: string } | { readonly path: string }

export type RepositoryQuery = {
  /** Part of its path, in any case. */
  readonly search?: string
  /** `nextCursor` of the page before, of the same query. */
  readonly cursor?: string
  /** At most 100, default 25; the provider may give fewer. */
  readonly limit?: number
}

export type RepositoryPage = {
  /** Those the user may administer. */
  readonly items: readonly RemoteRepository[]
  readonly nextCursor?: string
}

export const commitStatusStates = ['queued', 'running', 'success', 'failed', 'error', 'cancelled'] as const

/** Providers that know fewer show the nearest. */
export type CommitStatusState = (typeof commitStatusStates)[number]

export type CommitStatus = {
  readonly commitSha: string
  readonly state: CommitStatusState
  /** What it is about; a later status of the same commit and context replaces this one. Cut to what the provider takes. */
  readonly context: string
  readonly description: string
  readonly targetUrl?: string
}

export type DeployKey = {
  readonly title: string
  /** OpenSSH form. */
  readonly publicKey: string
}

export type RepositoryHook = { readonly url: string; readonly secret: string }

export interface Provider {
  /** Who the credentials belong to. */
  currentUser(signal: AbortSignal): Promise<RemoteUser>
  listRepositories(query: RepositoryQuery, signal: AbortSignal): Promise<RepositoryPage>
  /** As it is called now, also when it was renamed. */
  getRepository(ref: RepositoryRef, signal: AbortSignal): Promise<RemoteRepository>

  /** Read-only. One of that title with another key is replaced; the right one stays as it is. Answers its id. */
  ensureDeployKey(repository: RemoteRepository, key: DeployKey, signal: AbortSignal): Promise<string>
  /** By its id, and all of that title. Nothing happens when there is none. */
  removeDeployKey(
    repository: RemoteRepository,
    key: { readonly id?: string; readonly title: string },
    signal: AbortSignal,
  ): Promise<void>

  /**
   * A hook for pushes, tags and pull requests with that URL, the secret, active: made or repaired; doubles of the same URL go.
   * Answers its id.
   */
  ensureHook(repository: RemoteRepository, hook: RepositoryHook, signal: AbortSignal): Promise<string>
  /** By its id, and all with that URL. Nothing happens when there is none. */
  removeHook(
    repository: RemoteRepository,
    hook: { readonly id?: string; readonly url: string },
    signal: AbortSignal,
  ): Promise<void>

  /** Saying the same again is no error. */
  setCommitStatus(repository: RemoteRepository, status: CommitStatus, signal: AbortSignal): Promise<void>

  /** Refs, commits and files of the repository, by the API. */
  openSource(repository: RemoteRepository): GitSource
  /** Pages of the provider about it; names are escaped. */
  linksOf(repository: RemoteRepository, about: LinkSubject): EventLinks
  /** `refs/pull/7/head`, `refs/merge-requests/7/head`. */
  pullRequestRef(pullRequestId: string): string

  /** With a password only. A token of that name is replaced. */
  createAccessToken(name: string, signal: AbortSignal): Promise<string>
}

export type LinkSubject = {
  readonly commitSha?: string
  readonly branch?: string
  readonly tag?: string
  readonly pullRequestId?: string
}

/** Login by OAuth2 with PKCE (RFC 7636, S256). */
export interface OAuth2Client {
  /** Where the browser is sent. */
  authorizeUrl(request: {
    /** Ours, as registered at the provider. */
    readonly redirectUri: string
    readonly state: string
    readonly codeChallenge: string
  }): string
  /** Errors: `oauth2_refused` when the provider does not take the code, `provider_refused` when it does not take the application. */
  exchange(
    grant: { readonly code: string; readonly redirectUri: string; readonly codeVerifier: string },
    signal: AbortSignal,
  ): Promise<OAuth2Tokens>
  /** Providers may take a refresh token only once: whoever calls this keeps others from doing so. Errors: those of `exchange`. */
  refresh(refreshToken: string, signal: AbortSignal): Promise<OAuth2Tokens>
}

export type OAuth2Tokens = {
  readonly accessToken: string
  readonly refreshToken?: string
  /** Milliseconds since 1970; undefined: does not expire, as far as the provider says. */
  readonly expiresAt?: number
}

export type OAuth2Settings = ProviderSettings & { readonly clientId: string; readonly clientSecret: string }
