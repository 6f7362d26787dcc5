// What every provider promises, held against a server that is like the real one. Requests and answers that the provider does not
// describe fail a test when its server is disposed.

import type { ProviderServer } from '../../test/providers/provider-server.ts'
import { commitStatusesContract } from './contract/commit-statuses-contract.ts'
import { keysAndHooksContract } from './contract/keys-and-hooks-contract.ts'
import { loginContract } from './contract/login-contract.ts'
import { ProviderWorld } from './contract/provider-world-fixture.ts'
import { refsAndFilesContract } from './contract/refs-and-files-contract.ts'
import { repositoriesContract } from './contract/repositories-contract.ts'
import { troublesContract } from './contract/troubles-contract.ts'
import type { CommitStatusState } from './provider.ts'

export type ProviderContract = {
  readonly openServer: () => Promise<ProviderServer>
  /** What the provider calls the states. */
  readonly states: Readonly<Record<CommitStatusState, string>>
  readonly descriptionCharactersMax: number
  /** For the definition of a commit, one file in its folder. */
  readonly definitionRequestsMax: number
  /** Where its pages are, below that of the repository. */
  readonly pages: {
    readonly commit: string
    readonly branch: string
    readonly tag: string
    readonly pullRequest: string
  }
  /** Whether operations name the repository by its id, so that another one that took its path is left alone. */
  readonly actsById: boolean
  /** Whether a hook can be added to an archived repository; else the provider says that it is archived. */
  readonly archivedTakesHooks?: boolean
}

export function providerContract(contract: ProviderContract): void {
  const open = async () => new ProviderWorld(await contract.openServer())
  repositoriesContract(open, contract)
  keysAndHooksContract(open, contract)
  commitStatusesContract(open, contract)
  refsAndFilesContract(open, contract)
  troublesContract(open, contract)
  loginContract(open)
}
