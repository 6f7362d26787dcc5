// How git logs in to a repository: never with anything secret on a command line, in a URL, or in a file that outlives the call.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SlipwayError } from './errors.ts'
import { type GitSetting, gitSettings } from './git.ts'

export type GitCredentials =
  | { readonly type: 'password'; readonly userName: string; readonly password: string }
  | {
      readonly type: 'sshkey'
      /** OpenSSH or PEM. */
      readonly privateKey: string
    }

export type GitAccessOptions = {
  readonly credentials?: GitCredentials
  /** Lines of known_hosts; without any the first key that a host shows is believed, for this one call. */
  readonly sshHostKey?: string
  readonly skipSshHostKeyCheck?: boolean
}

/** Environment for git; disposing removes what it points to. */
export type GitAccess = Disposable & { readonly environment: Readonly<Record<string, string>> }

const protocols = ['http', 'https', 'ssh', 'git']

/**
 * Errors: `git_failed` for an address that is not one of http, https, ssh and git. `allowFile` also takes paths, for tests and local
 * runs; `isOwn`: with the settings of git of whoever runs this, such as their proxy.
 */
export function openGitAccess(
  url: string,
  options: GitAccessOptions,
  { allowFile = false, isOwn = false } = {},
): GitAccess {
  const protocol = protocolOf(url)
  if (!allowFile && !protocols.includes(protocol))
    throw new SlipwayError('git_failed', `the address of a repository begins with ${protocols.join('://, ')}://`)
  const environment: Record<string, string> = {
    // A server's redirect, a submodule or a bundle never reads files of this machine.
    GIT_ALLOW_PROTOCOL: (allowFile ? [...protocols, 'file'] : protocols).join(':'),
    ...(isOwn ? {} : { GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' }),
  }
  const { credentials } = options
  if (protocol === 'ssh') return sshAccess(environment, options)
  if (credentials?.type === 'password') addPassword(environment, url, credentials)
  return { environment, [Symbol.dispose]: () => {} }
}

/** The form host:path of ssh included. */
function protocolOf(url: string): string {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase()
  if (scheme !== undefined) return scheme
  return /^[^/:\s-][^/:\s]*:(?!\/\/)/.test(url) ? 'ssh' : 'file'
}

/** Only for the host it was given for: a redirect elsewhere gets none. */
function addPassword(
  environment: Record<string, string>,
  url: string,
  { userName, password }: Extract<GitCredentials, { type: 'password' }>,
): void {
  const { origin } = new URL(url)
  environment.SLIPWAY_GIT_USER = userName
  environment.SLIPWAY_GIT_PASSWORD = password
  const helper = `credential.${origin}.helper`
  const answer =
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$SLIPWAY_GIT_USER" "$SLIPWAY_GIT_PASSWORD"; }; f'
  // An empty one forgets those of before (git-config): nobody else is asked, nor told to keep it.
  const settings: readonly GitSetting[] = [
    [helper, ''],
    [helper, answer],
  ]
  Object.assign(environment, gitSettings(settings))
}

function sshAccess(
  environment: Record<string, string>,
  { credentials, sshHostKey, skipSshHostKeyCheck }: GitAccessOptions,
): GitAccess {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-ssh-')) // mode 0700
  const knownHosts = join(folder, 'known_hosts')
  writeFileSync(knownHosts, sshHostKey === undefined ? '' : `${sshHostKey.trim()}\n`, { mode: 0o600 })
  const check = skipSshHostKeyCheck ? 'no' : sshHostKey === undefined ? 'accept-new' : 'yes'
  const options = [
    '-F /dev/null',
    '-o BatchMode=yes',
    '-o IdentitiesOnly=yes',
    '-o PasswordAuthentication=no',
    '-o ConnectTimeout=30',
    `-o UserKnownHostsFile=${knownHosts}`,
    `-o StrictHostKeyChecking=${check}`,
  ]
  if (credentials?.type === 'sshkey') {
    const key = join(folder, 'key')
    writeFileSync(key, `${credentials.privateKey.trim()}\n`, { mode: 0o600 })
    options.push(`-i ${key}`)
  } else options.push('-o IdentityAgent=none')
  environment.GIT_SSH_COMMAND = ['ssh', ...options].join(' ')
  return { environment, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
}
