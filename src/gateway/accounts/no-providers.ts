// For a gateway that reaches no provider.

import type { ProviderAccess } from '../../configstore/provider-access.ts'
import { SlipwayError } from '../../lib/errors.ts'

const refuse = async () => {
  throw new SlipwayError('provider_unavailable', 'this gateway reaches no providers')
}

export const noProviders: ProviderAccess = {
  openAccountProvider: refuse,
  openProviderOfProject: refuse,
  accessToken: refuse,
  openSourceProvider: refuse,
  openSourceOAuth2: refuse,
}
