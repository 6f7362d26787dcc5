// A user of a provider and what it opened there, for the contract of providers.

import type { ProviderServer, ServerUser } from '../../../test/providers/provider-server.ts'
import type { ServerRepository } from '../../../test/providers/server-repository.ts'
import { type Clock, systemClock } from '../../lib/clock.ts'
import { newSshKey } from '../../lib/ssh-key.ts'
import { openProvider } from '../open-provider.ts'
import type { Provider, RemoteRepository } from '../provider.ts'
import { ProviderConnections } from '../provider-connections.ts'
import type { ProviderComponents } from '../provider-http.ts'

export type OpenWorld = () => Promise<ProviderWorld>

export const signal = new AbortController().signal
const files = { '.slipway/config.yml': 'version: v0\n', 'README.md': 'A repository\n' }
export const hookUrl = 'http://127.0.0.1:1/webhooks/p1?a=b'
export const missingSha = 'a'.repeat(40)

/** Waits are over at once; everything else is as ever. */
const hastyClock: Clock = { ...systemClock, sleep: (_ms, waiting) => systemClock.sleep(0, waiting) }

export function publicKey(comment = 'slipway'): string {
  return newSshKey(comment).publicKey
}

export class ProviderWorld implements AsyncDisposable {
  readonly server: ProviderServer
  readonly components: ProviderComponents & { readonly connections: ProviderConnections }
  readonly alice: ServerUser
  readonly provider: Provider

  constructor(server: ProviderServer) {
    this.server = server
    this.components = { clock: hastyClock, connections: new ProviderConnections() }
    this.alice = server.createUser('alice')
    this.provider = this.openAs(this.alice)
  }

  get settings() {
    return { type: this.server.flavour.type, apiUrl: `${this.server.url}/`, skipVerify: false }
  }

  openAs(user: ServerUser): Provider {
    return this.openWith(this.server.createToken(user).text)
  }

  openWith(accessToken: string): Provider {
    return openProvider(this.settings, { kind: 'token', accessToken }, this.components)
  }

  async repository(path = 'acme/web', more: object = {}): Promise<[ServerRepository, RemoteRepository]> {
    const made = await this.server.createRepository(path, { administrator: this.alice, files, ...more })
    return [made, await this.provider.getRepository({ path }, signal)]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.components.connections[Symbol.dispose]()
    await this.server[Symbol.asyncDispose]()
  }
}
