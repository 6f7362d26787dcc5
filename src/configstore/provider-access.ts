// Opens providers as those who linked their accounts there. Tokens are renewed before they expire and when the provider refuses one,
// by one caller at a time over all instances, and are stored before they are used.

import type { GitSource } from '../gitsource/git-source.ts'
import type {
  OAuth2Client,
  OAuth2Settings,
  OAuth2Tokens,
  Provider,
  ProviderCredentials,
  ProviderSettings,
  RemoteRepository,
} from '../gitsource/provider.ts'
import type { Clock } from '../lib/clock.ts'
import { errorMessage, isSlipwayError, SlipwayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { newUuid } from '../lib/uuid.ts'
import { hashToken } from './accounts/account-tokens.ts'
import type { AccountCredentials, Configstore } from './api.ts'
import type { Project, ProjectSource, RemoteSource, Trouble } from './types.ts'

export type ProviderAccessComponents = {
  readonly configstore: Pick<
    Configstore,
    | 'getRemoteSource'
    | 'remoteSourceCredentials'
    | 'linkedAccountCredentials'
    | 'claimTokenRefresh'
    | 'noteTokens'
    | 'updateProject'
  >
  readonly openProvider: (settings: ProviderSettings, credentials: ProviderCredentials) => Provider
  readonly openOAuth2: (settings: OAuth2Settings) => OAuth2Client
  readonly clock: Clock
  readonly logger: Logger
}

/** An account, and where it is; also one that was deleted while a task needs it. */
export type AccountAtSource = { readonly linkedAccountId: string; readonly remoteSourceId: string }

export type OpenedProvider = {
  readonly provider: Provider
  /** As it is called now. */
  readonly repository: RemoteRepository
}

export interface ProviderAccess {
  /**
   * The provider as the account's user sees it, for as long as one likes: a token that ran out is replaced by itself. Asks the provider
   * nothing. Errors: `linked_account_not_found`, `remote_source_not_found`; of its operations besides their own
   * `provider_unauthorized` when the account has to be linked again.
   */
  openAccountProvider(account: AccountAtSource): Promise<Provider>
  /**
   * The provider and the repository of a project. That it was renamed, is gone or is there again is noted in the project. Errors:
   * those of `openAccountProvider` and `getRepository`; `project_invalid` when it is of no provider.
   */
  openProviderOfProject(project: Project, signal: AbortSignal): Promise<OpenedProvider>
  /** A token that is valid now, for git itself. Errors: those of `openAccountProvider`. */
  accessToken(account: AccountAtSource): Promise<string>
  /** Whoever has the credentials. Errors: `remote_source_not_found`, `remote_source_invalid` for a plain git host. */
  openSourceProvider(remoteSource: string, credentials: ProviderCredentials): Promise<Provider>
  /** Errors: `remote_source_not_found`, `remote_source_invalid` when nobody logs in there by OAuth2. */
  openSourceOAuth2(remoteSource: string): Promise<OAuth2Client>
}

export function createProviderAccess(components: ProviderAccessComponents): ProviderAccess {
  const accounts = new AccountTokens(components)
  const { configstore, openProvider } = components
  const openAccountProvider = async ({ linkedAccountId, remoteSourceId }: AccountAtSource): Promise<Provider> => {
    const source = await configstore.getRemoteSource({ remoteSource: remoteSourceId })
    const settings = settingsOf(source)
    const first = await accounts.read(linkedAccountId)
    const open = ({ accessToken = '' }: Tokens) => openProvider(settings, { kind: 'token', accessToken })
    return renewingProvider(open(first), {
      call: async (act) => {
        const valid = await accounts.valid(linkedAccountId, source)
        try {
          const result = await act(open(valid))
          if (valid.trouble !== undefined) await accounts.note(linkedAccountId, valid, '')
          return result
        } catch (error) {
          if (!isSlipwayError(error, 'provider_unauthorized')) throw error
          const renewed = await accounts.renew(linkedAccountId, source, valid)
          try {
            return await act(open(renewed))
          } catch (again) {
            if (isSlipwayError(again, 'provider_unauthorized'))
              await accounts.note(linkedAccountId, renewed, troubleOf(source))
            throw again
          }
        }
      },
    })
  }
  return {
    openAccountProvider,

    openProviderOfProject: async (project, signal) => {
      const { source } = project
      if (source.kind !== 'remotesource')
        throw new SlipwayError('project_invalid', `project ${project.path} has no repository at a provider`)
      const provider = await openAccountProvider(source)
      try {
        const repository = await provider.getRepository({ id: source.repositoryId }, signal)
        await noteRepository(project, source, repository, components)
        return { provider, repository }
      } catch (error) {
        if (isSlipwayError(error, 'remote_repository_not_found')) await noteGone(project, source, components)
        throw error
      }
    },

    accessToken: async ({ linkedAccountId, remoteSourceId }) => {
      const source = await configstore.getRemoteSource({ remoteSource: remoteSourceId })
      return (await accounts.valid(linkedAccountId, source)).accessToken ?? ''
    },

    openSourceProvider: async (remoteSource, credentials) =>
      openProvider(settingsOf(await configstore.getRemoteSource({ remoteSource })), credentials),

    openSourceOAuth2: async (remoteSource) => {
      const source = await configstore.getRemoteSource({ remoteSource })
      return await oauth2Of(source, components)
    },
  }
}

type Tokens = AccountCredentials & { readonly trouble?: Trouble }

/** A token that expires so soon is renewed before it is used. */
const expiresSoonMs = 5 * 60_000
/** Of a token that lives shortly, no more than a part of its life. */
const expiresSoonMost = 30_000
/** A refusal is believed for so long. */
const refusedMs = 10 * 60_000
const refreshMs = 60_000
const leaseMs = 2 * 60_000
const lookMs = { first: 50, most: 1_000 }
/** Tokens that cannot be stored are kept here for the next who asks; longer than that nobody waits. */
const storeMs = 60_000

class AccountTokens {
  readonly #components: ProviderAccessComponents
  /** What is under way here, by account. */
  readonly #renewing = new Map<string, Promise<Tokens>>()
  /** Newer tokens that could not be stored, with those they were got for. */
  readonly #unsaved = new Map<string, { readonly known: Tokens; readonly tokens: OAuth2Tokens }>()

  constructor(components: ProviderAccessComponents) {
    this.#components = components
  }

  read(id: string): Promise<Tokens> {
    return this.#components.configstore.linkedAccountCredentials({ id })
  }

  /** Renewed before if they expire soon. */
  async valid(id: string, source: RemoteSource): Promise<Tokens> {
    const tokens = await this.read(id)
    const { accessTokenExpiresAt: expiresAt, refreshToken } = tokens
    if (expiresAt === undefined || refreshToken === undefined) return tokens
    const left = expiresAt - this.#components.clock.now()
    if (left > expiresSoonMs) return tokens
    try {
      return await this.renew(id, source, tokens)
    } catch (error) {
      // While the old one is valid nobody has to wait for a provider that does not answer.
      if (left > expiresSoonMost && !isSlipwayError(error, 'provider_unauthorized')) return tokens
      throw error
    }
  }

  /** Others than `known`. Errors: `provider_unauthorized` when there can be none. */
  async renew(id: string, source: RemoteSource, known: Tokens): Promise<Tokens> {
    const running = this.#renewing.get(id)
    if (running !== undefined) return await running
    const renewing = this.#renew(id, source, known).finally(() => this.#renewing.delete(id))
    this.#renewing.set(id, renewing)
    return await renewing
  }

  async #renew(id: string, source: RemoteSource, known: Tokens): Promise<Tokens> {
    const { configstore, clock } = this.#components
    const { trouble } = known
    if (trouble !== undefined && clock.now() - trouble.since < refusedMs)
      throw new SlipwayError('provider_unauthorized', trouble.message)
    const holder = newUuid()
    const accessTokenHash = hashToken(known.accessToken ?? '')
    for (let wait = lookMs.first; ; wait = Math.min(wait * 2, lookMs.most)) {
      // The claim is decided by all; what is read after it is not older.
      const { outcome, position } = await configstore.claimTokenRefresh({ id, holder, leaseMs, accessTokenHash })
      if (outcome !== 'held') {
        const tokens = await configstore.linkedAccountCredentials({ id }, { atLeast: position })
        return outcome === 'renewed' ? tokens : await this.#refresh({ id, source, known: tokens, holder })
      }
      await clock.sleep(wait)
    }
  }

  async #refresh(renewal: Renewal): Promise<Tokens> {
    const { id, source, known, holder } = renewal
    const { configstore, clock } = this.#components
    const accessTokenHash = hashToken(known.accessToken ?? '')
    const free = () =>
      configstore.noteTokens({ id, holder, accessTokenHash }).catch(() => {
        // The claim ends by itself.
      })
    try {
      const left = this.#unsaved.get(id)
      const isOfThese = left?.known.accessToken === known.accessToken
      if (left !== undefined && isOfThese) return await this.#store(renewal, left.tokens)
      this.#unsaved.delete(id)
      const tokens =
        known.refreshToken === undefined
          ? refused(source)
          : await (await oauth2Of(source, this.#components)).refresh(known.refreshToken, clock.timeout(refreshMs))
      return await this.#store(renewal, tokens)
    } catch (error) {
      if (!isSlipwayError(error, 'oauth2_refused', 'provider_unauthorized')) {
        await free()
        throw error
      }
      const message = troubleOf(source)
      const { isKept, position } = await configstore.noteTokens({ id, holder, accessTokenHash, trouble: message })
      // Somebody was faster, so the provider had reason to refuse.
      if (!isKept) return await configstore.linkedAccountCredentials({ id }, { atLeast: position })
      this.#components.logger.warn('tokens of a linked account cannot be renewed', { account: id, error })
      throw new SlipwayError('provider_unauthorized', message, { cause: error })
    }
  }

  /** Whatever it takes: the provider has forgotten those before. */
  async #store({ id, known, holder }: Renewal, tokens: OAuth2Tokens): Promise<Tokens> {
    const { configstore, clock, logger } = this.#components
    const accessTokenHash = hashToken(known.accessToken ?? '')
    const next: AccountCredentials = {
      accessToken: tokens.accessToken,
      ...(tokens.refreshToken === undefined
        ? known.refreshToken === undefined
          ? {}
          : { refreshToken: known.refreshToken }
        : { refreshToken: tokens.refreshToken }),
      ...(tokens.expiresAt === undefined ? {} : { accessTokenExpiresAt: tokens.expiresAt }),
    }
    this.#unsaved.set(id, { known, tokens })
    const until = clock.now() + storeMs
    for (let wait = lookMs.first; ; wait = Math.min(wait * 2, lookMs.most)) {
      try {
        const { isKept, position } = await configstore.noteTokens({ id, holder, accessTokenHash, tokens: next })
        this.#unsaved.delete(id)
        return isKept ? next : await configstore.linkedAccountCredentials({ id }, { atLeast: position })
      } catch (error) {
        if (isSlipwayError(error, 'linked_account_not_found')) this.#unsaved.delete(id)
        if (!isPassing(error) || clock.now() >= until) throw error
        logger.warn('new tokens of a linked account cannot be stored yet', { account: id, error })
        await clock.sleep(wait)
      }
    }
  }

  /** What is wrong with these tokens, or that nothing is. A failure is no reason not to go on. */
  async note(id: string, { accessToken = '' }: Tokens, trouble: string): Promise<void> {
    const { configstore, logger } = this.#components
    await configstore.noteTokens({ id, accessTokenHash: hashToken(accessToken), trouble }).catch((error: unknown) => {
      logger.warn('what a provider says of a linked account cannot be noted', { account: id, error })
    })
  }
}

type Renewal = {
  readonly id: string
  readonly source: RemoteSource
  readonly known: Tokens
  readonly holder: string
}

function refused(source: RemoteSource): never {
  throw new SlipwayError('provider_unauthorized', troubleOf(source))
}

const troubleOf = ({ name }: RemoteSource) => `${name} does not take the token of the account any more: link it again`

/** The same call may do it in a moment. */
function isPassing(error: unknown): boolean {
  return isSlipwayError(error) && (error.kind === 'unavailable' || error.kind === 'conflict')
}

async function oauth2Of(
  source: RemoteSource,
  { configstore, openOAuth2 }: Pick<ProviderAccessComponents, 'configstore' | 'openOAuth2'>,
): Promise<OAuth2Client> {
  const { oauth2ClientSecret: clientSecret = '' } = await configstore.remoteSourceCredentials({
    remoteSource: source.id,
  })
  const { oauth2ClientId: clientId, authType, name } = source
  if (authType !== 'oauth2' || clientId === undefined)
    throw new SlipwayError('remote_source_invalid', `nobody logs in at remote source ${name} by OAuth2`)
  return openOAuth2({ ...settingsOf(source), clientId, clientSecret })
}

function settingsOf({ type, apiUrl, skipVerify, name }: RemoteSource): ProviderSettings {
  if (type === 'git')
    throw new SlipwayError('remote_source_invalid', `remote source ${name} is a plain git host: it has no accounts`)
  return { type, apiUrl, skipVerify }
}

type AtSource = Extract<ProjectSource, { readonly kind: 'remotesource' }>
type Noting = Pick<ProviderAccessComponents, 'configstore' | 'logger'>

/** Renamed, or there again. */
async function noteRepository(
  project: Project,
  source: AtSource,
  { path }: RemoteRepository,
  components: Noting,
): Promise<void> {
  const isGoneNoted = project.sourceTrouble?.startsWith(gone) ?? false
  if (path === source.repositoryPath && !isGoneNoted) return
  await noteInProject(
    project,
    { source: { ...source, repositoryPath: path }, ...(isGoneNoted ? { sourceTrouble: '' } : {}) },
    components,
  )
}

const gone = 'the repository is not there any more'

async function noteGone(project: Project, source: AtSource, components: Noting): Promise<void> {
  if (project.sourceTrouble?.startsWith(gone)) return
  const sourceTrouble = `${gone}, or hidden from the linked account: ${source.repositoryPath}`
  await noteInProject(project, { sourceTrouble }, components)
}

/** Unless somebody has changed it meanwhile; whoever looks next notes it then. */
async function noteInProject(
  { id, version }: Project,
  changes: { readonly source?: AtSource; readonly sourceTrouble?: string },
  { configstore, logger }: Noting,
): Promise<void> {
  try {
    await configstore.updateProject({ project: id, expectedVersion: version, ...changes })
  } catch (error) {
    if (isSlipwayError(error, 'version_conflict', 'project_not_found')) return
    logger.warn('what became of a repository cannot be noted', { project: id, why: errorMessage(error), error })
  }
}

type Caller = { readonly call: <T>(act: (provider: Provider) => Promise<T>) => Promise<T> }

/** Each operation with a token that is valid then. */
function renewingProvider(any: Provider, { call }: Caller): Provider {
  return {
    currentUser: (signal) => call((provider) => provider.currentUser(signal)),
    listRepositories: (query, signal) => call((provider) => provider.listRepositories(query, signal)),
    getRepository: (ref, signal) => call((provider) => provider.getRepository(ref, signal)),
    ensureDeployKey: (repository, key, signal) => call((provider) => provider.ensureDeployKey(repository, key, signal)),
    removeDeployKey: (repository, key, signal) => call((provider) => provider.removeDeployKey(repository, key, signal)),
    ensureHook: (repository, hook, signal) => call((provider) => provider.ensureHook(repository, hook, signal)),
    removeHook: (repository, hook, signal) => call((provider) => provider.removeHook(repository, hook, signal)),
    setCommitStatus: (repository, status, signal) =>
      call((provider) => provider.setCommitStatus(repository, status, signal)),
    openSource: (repository) => renewingSource(repository, { call }),
    linksOf: (repository, about) => any.linksOf(repository, about),
    pullRequestRef: (pullRequestId) => any.pullRequestRef(pullRequestId),
    createAccessToken: (name, signal) => call((provider) => provider.createAccessToken(name, signal)),
  }
}

function renewingSource(repository: RemoteRepository, { call }: Caller): GitSource {
  const ask = <T>(act: (source: GitSource) => Promise<T>) => call((provider) => act(provider.openSource(repository)))
  return {
    listRefs: (signal) => ask((source) => source.listRefs(signal)),
    findRef: (name, signal) => ask((source) => source.findRef(name, signal)),
    findDefaultBranch: (signal) => ask((source) => source.findDefaultBranch(signal)),
    getCommit: (sha, ref, signal) => ask((source) => source.getCommit(sha, ref, signal)),
    readFiles: (commit, folder, names, signal) => ask((source) => source.readFiles(commit, folder, names, signal)),
  }
}
