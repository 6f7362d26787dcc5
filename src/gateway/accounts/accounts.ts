// Identities at providers and users here: who logs in with one, whose account it becomes, and who may register with it.

import type { Configstore } from '../../configstore/api.ts'
import type { ProviderAccess } from '../../configstore/provider-access.ts'
import type { LinkedAccount, RemoteSource, User } from '../../configstore/types.ts'
import type { RemoteUser } from '../../gitsource/provider.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { OAuth2Flows, OfferedRegistration } from './oauth2-flows.ts'
import type { RemoteIdentity } from './remote-identity.ts'

export type AccountsComponents = {
  readonly configstore: Pick<
    Configstore,
    | 'status'
    | 'createUser'
    | 'getRemoteSource'
    | 'findLinkedAccount'
    | 'createLinkedAccount'
    | 'updateLinkedAccount'
    | 'listLinkedAccounts'
  >
  readonly providers: Pick<ProviderAccess, 'openAccountProvider'>
  readonly flows: OAuth2Flows
}

type Written<T> = { readonly made: T; readonly position: number }

/** Of whom a login is. */
export type KnownIdentity = { readonly user: User; readonly account: LinkedAccount }

export class Accounts {
  readonly #components: AccountsComponents

  constructor(components: AccountsComponents) {
    this.#components = components
  }

  /** Errors: `remote_login_off` when neither logging in nor registering is possible. */
  checkOpen(source: RemoteSource): void {
    if (source.loginEnabled || source.registrationEnabled) return
    throw new SlipwayError('remote_login_off', `nobody logs in here with remote source ${source.name}`)
  }

  /**
   * Whose identity it is; undefined when it is nobody's yet and may be registered. Errors: `login_failed` when it may not,
   * `remote_login_off`.
   */
  async find(source: RemoteSource, remoteUser: RemoteUser): Promise<KnownIdentity | undefined> {
    this.checkOpen(source)
    const { account, user } = await this.#find(source.id, remoteUser.id)
    if (account !== undefined && user !== undefined) {
      if (source.loginEnabled) return { account, user }
      throw new SlipwayError('remote_login_off', `nobody logs in here with remote source ${source.name}`)
    }
    if (source.registrationEnabled && (await this.#hasUsers())) return undefined
    throw new SlipwayError(
      'login_failed',
      `no user is linked to ${remoteUser.login} at ${source.name}: log in and link it`,
    )
  }

  /** The tokens of a login replace those before; so does the name. */
  async renew({ account, user }: KnownIdentity, { user: remote, credentials }: RemoteIdentity): Promise<void> {
    await this.#components.configstore.updateLinkedAccount({
      user: user.id,
      id: account.id,
      ...namesOf(remote),
      credentials,
    })
  }

  /** Whether what is stored of the account still works. */
  async isUsable({ account }: KnownIdentity, signal: AbortSignal): Promise<boolean> {
    if (account.trouble !== undefined) return false
    try {
      const { id: linkedAccountId, remoteSourceId } = account
      const provider = await this.#components.providers.openAccountProvider({ linkedAccountId, remoteSourceId })
      return (await provider.currentUser(signal)).id === account.remoteUserId
    } catch (error) {
      if (isSlipwayError(error, 'provider_unauthorized')) return false
      throw error
    }
  }

  /** Errors: those of `link`. */
  async checkLinkable(user: User, source: RemoteSource, remote: RemoteUser): Promise<void> {
    const { account } = await this.#find(source.id, remote.id)
    if (account !== undefined && account.userId !== user.id)
      throw new SlipwayError('linked_account_exists', `${remote.login} at ${source.name} is linked to another user`)
    const { items } = await this.#components.configstore.listLinkedAccounts({ user: user.id })
    const other = items.find(({ remoteSourceId }) => remoteSourceId === source.id)
    if (other !== undefined && other.remoteUserId !== remote.id)
      throw new SlipwayError(
        'linked_account_exists',
        `you have linked ${other.remoteUserName} at ${source.name}: unlink that first`,
      )
  }

  /**
   * Makes it an account of the user, or renews the one it is. Errors: `linked_account_exists` when it is another user's, or the user
   * has another one there.
   */
  async link(
    user: User,
    { remoteSourceId, user: remote, credentials }: RemoteIdentity,
  ): Promise<Written<LinkedAccount>> {
    const { configstore } = this.#components
    const { account } = await this.#find(remoteSourceId, remote.id)
    if (account?.userId === user.id) {
      const input = { user: user.id, id: account.id, ...namesOf(remote), credentials }
      const { position, ...made } = await configstore.updateLinkedAccount(input)
      return { made, position }
    }
    const input = { user: user.id, remoteSource: remoteSourceId, ...identityOf(remote), ...credentials }
    const { position, ...made } = await configstore.createLinkedAccount(input)
    return { made, position }
  }

  /** Errors: `remote_login_off`, `name_invalid`, `user_exists`, `linked_account_exists`. */
  async register({ remoteSourceId, identity }: OfferedRegistration, name: string): Promise<Written<User>> {
    const { configstore } = this.#components
    const source = await configstore.getRemoteSource({ remoteSource: remoteSourceId })
    if (!source.registrationEnabled || !(await this.#hasUsers()))
      throw new SlipwayError('remote_login_off', `nobody registers here with remote source ${source.name}`)
    const linkedAccount = { remoteSource: source.id, ...identityOf(identity.user), ...identity.credentials }
    const { position, ...made } = await configstore.createUser({ name, linkedAccount })
    return { made, position }
  }

  #find(remoteSource: string, remoteUserId: string) {
    return this.#components.configstore.findLinkedAccount({ remoteSource, remoteUserId })
  }

  /** The first one is the administrator, who comes by the link for that. */
  async #hasUsers(): Promise<boolean> {
    return (await this.#components.configstore.status()).hasUsers
  }
}

const namesOf = ({ login, avatarUrl }: RemoteUser) => ({
  remoteUserName: login,
  ...(avatarUrl === undefined ? {} : { remoteUserAvatarUrl: avatarUrl }),
})

const identityOf = (user: RemoteUser) => ({ remoteUserId: user.id, ...namesOf(user) })
