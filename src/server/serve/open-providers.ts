// Providers of repositories and accounts, as this process reaches them.

import type { Configstore } from '../../configstore/api.ts'
import { createProviderAccess, type ProviderAccess } from '../../configstore/provider-access.ts'
import { openOAuth2 } from '../../gitsource/oauth2.ts'
import { openProvider } from '../../gitsource/open-provider.ts'
import { ProviderConnections } from '../../gitsource/provider-connections.ts'
import type { Installation } from './open-server.ts'

/** Disposing closes its connections. */
export function openProviders(
  { clock, logger, environment, figures }: Pick<Installation, 'clock' | 'logger' | 'environment' | 'figures'>,
  configstore: Configstore,
): ProviderAccess & Disposable {
  const connections = new ProviderConnections({ proxies: environment })
  const onRequest = (provider: string, outcome: string) => figures.providerRequests.count({ provider, outcome })
  const components = { clock, connections, onRequest }
  const access = createProviderAccess({
    configstore,
    openProvider: (settings, credentials) => openProvider(settings, credentials, components),
    openOAuth2: (settings) => openOAuth2(settings, components),
    clock,
    logger,
  })
  return { ...access, [Symbol.dispose]: () => connections[Symbol.dispose]() }
}
