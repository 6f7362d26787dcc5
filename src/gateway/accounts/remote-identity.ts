// Who somebody is at a provider, shown by a code of OAuth2 or by name and password there.

import type { AccountCredentials } from '../../configstore/api.ts'
import type { ProviderAccess } from '../../configstore/provider-access.ts'
import type { RemoteSource } from '../../configstore/types.ts'
import type { Provider, RemoteUser } from '../../gitsource/provider.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'

export type RemoteIdentity = {
  readonly remoteSourceId: string
  readonly user: RemoteUser
  /** What acts for it from now on. */
  readonly credentials: AccountCredentials
}

type Access = Pick<ProviderAccess, 'openSourceProvider' | 'openSourceOAuth2'>

/** Errors: `oauth2_refused`, those of the provider. */
export async function identityByCode(
  remoteSourceId: string,
  grant: { readonly code: string; readonly redirectUri: string; readonly codeVerifier: string },
  providers: Access,
  signal: AbortSignal,
): Promise<RemoteIdentity> {
  const client = await providers.openSourceOAuth2(remoteSourceId)
  const { accessToken, refreshToken, expiresAt } = await client.exchange(grant, signal)
  const provider = await providers.openSourceProvider(remoteSourceId, { kind: 'token', accessToken })
  return {
    remoteSourceId,
    user: await provider.currentUser(signal),
    credentials: {
      accessToken,
      ...(refreshToken === undefined ? {} : { refreshToken }),
      ...(expiresAt === undefined ? {} : { accessTokenExpiresAt: expiresAt }),
    },
  }
}

/** Somebody whose password is right. */
export type ByPassword = {
  readonly user: RemoteUser
  /** Makes a token there; one of that name is replaced. The password is used for nothing else. */
  readonly makeToken: (name: string, signal: AbortSignal) => Promise<AccountCredentials>
}

/** Errors: `login_failed` for a wrong one, `remote_source_invalid` where nobody logs in by password, those of the provider. */
export async function identityByPassword(
  { id, name, authType }: RemoteSource,
  { username: userName, password }: { readonly username: string; readonly password: string },
  providers: Pick<Access, 'openSourceProvider'>,
  signal: AbortSignal,
): Promise<ByPassword> {
  if (authType !== 'password')
    throw new SlipwayError('remote_source_invalid', `nobody logs in at remote source ${name} by password`)
  const provider = await providers.openSourceProvider(id, { kind: 'password', userName, password })
  return {
    user: await checkPassword(provider, name, signal),
    makeToken: async (tokenName, during) => ({ accessToken: await provider.createAccessToken(tokenName, during) }),
  }
}

async function checkPassword(provider: Provider, name: string, signal: AbortSignal): Promise<RemoteUser> {
  try {
    return await provider.currentUser(signal)
  } catch (error) {
    if (isSlipwayError(error, 'provider_unauthorized'))
      throw new SlipwayError('login_failed', `${name} does not take this user name and password`)
    throw error
  }
}
