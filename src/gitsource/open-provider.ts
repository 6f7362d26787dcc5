// The provider of a type.

import { SlipwayError, unreachable } from '../lib/errors.ts'
import { GiteaProvider } from './gitea/gitea-provider.ts'
import { GithubProvider } from './github/github-provider.ts'
import { GitlabProvider } from './gitlab/gitlab-provider.ts'
import type { Provider, ProviderCredentials, ProviderSettings } from './provider.ts'
import type { ProviderComponents } from './provider-http.ts'

/** Asks nothing yet. Errors: `provider_refused` for a password where there are only tokens. */
export function openProvider(
  settings: ProviderSettings,
  credentials: ProviderCredentials,
  components: ProviderComponents,
): Provider {
  const { type } = settings
  switch (type) {
    case 'github':
      return new GithubProvider(settings, tokenOf(credentials, 'GitHub'), components)
    case 'gitlab':
      return new GitlabProvider(settings, tokenOf(credentials, 'GitLab'), components)
    case 'gitea':
    case 'forgejo':
      return new GiteaProvider({ ...settings, type }, credentials, components)
    default:
      return unreachable(type)
  }
}

function tokenOf(credentials: ProviderCredentials, name: string): string {
  if (credentials.kind === 'token') return credentials.accessToken
  throw new SlipwayError('provider_refused', `${name} takes a token, not a password`)
}
