// GitHub's client against a server that is like GitHub Enterprise Server.

import { githubWithExpiry } from '../../../test/providers/github-server.ts'
import { ProviderServer } from '../../../test/providers/provider-server.ts'
import { providerContract } from '../provider-contract.ts'

providerContract({
  openServer: () => ProviderServer.open(githubWithExpiry),
  states: {
    queued: 'pending',
    running: 'pending',
    success: 'success',
    failed: 'failure',
    error: 'error',
    cancelled: 'error',
  },
  descriptionCharactersMax: 140,
  definitionRequestsMax: 2,
  pages: { commit: 'commit', branch: 'tree', tag: 'tree', pullRequest: 'pull' },
  actsById: true,
})
