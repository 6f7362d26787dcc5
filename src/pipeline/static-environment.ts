// The environment every task of a run gets and that stays the same when the run is created again. Each AGOLA_ variable
// exists as SLIPWAY_ too, so that new definitions need not use the old name.

import { parseCloneUrl } from './clone-url.ts'
import type { GitEvent } from './event.ts'
import type { Environment, Value } from './run-config.ts'

export type StaticEnvironmentInput = {
  readonly event: GitEvent
  readonly cloneUrl: string
  /** A run of a fork never gets the private key. */
  readonly trust: 'trusted' | 'fork'
  readonly sshPrivateKey?: Value
  readonly sshHostKey?: string
  readonly skipSshHostKeyCheck?: boolean
}

/** `CI`, and `AGOLA_*` with their `SLIPWAY_*` twins; empty strings where something does not apply. */
export function staticEnvironment(input: StaticEnvironmentInput): Environment {
  const { event, cloneUrl, trust, sshPrivateKey = '', sshHostKey = '', skipSshHostKeyCheck = false } = input
  const { host, port } = parseCloneUrl(cloneUrl)
  const named: readonly (readonly [string, Value])[] = [
    ['SSHPRIVKEY', trust === 'fork' ? '' : sshPrivateKey],
    ['REPOSITORY_URL', cloneUrl],
    ['GIT_HOST', host],
    // 22 for every URL without a port, http included: definitions of the reference's users may count on it.
    ['GIT_PORT', port === '' ? '22' : port],
    ['GIT_BRANCH', event.branch],
    ['GIT_TAG', event.tag],
    ['PULL_REQUEST_ID', event.pullRequestId],
    ['GIT_REF_TYPE', event.refType],
    ['GIT_REF', event.ref],
    ['GIT_COMMITSHA', event.commitSha],
    ...(sshHostKey === '' ? [] : ([['SSHHOSTKEY', sshHostKey]] as const)),
    ...(skipSshHostKeyCheck ? ([['SKIPSSHHOSTKEYCHECK', '1']] as const) : []),
  ]
  return Object.fromEntries([
    ['CI', 'true'],
    ...['AGOLA', 'SLIPWAY'].flatMap((prefix) => named.map(([name, value]) => [`${prefix}_${name}`, value])),
  ])
}
