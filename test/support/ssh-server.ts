// OpenSSH's server for tests: a port of its own, one key that may log in as the user of the test.

import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { temporaryDirectory } from './git-repository.ts'
import { freePort } from './server-process.ts'

export type SshServer = AsyncDisposable & {
  readonly port: number
  readonly user: string
  /** May log in. */
  readonly privateKey: string
  /** The line of known_hosts that is right, and one that is not. */
  readonly hostKeyLine: string
  readonly otherHostKeyLine: string
}

/** `authorizedKeys`: another file of those who may log in, which may change; by default the one key. */
export async function startSshServer({
  authorizedKeys,
}: {
  readonly authorizedKeys?: string
} = {}): Promise<SshServer> {
  const folder = temporaryDirectory('sshd')
  const port = await freePort()
  const path = (name: string) => join(folder.path, name)
  for (const name of ['host', 'other', 'user'])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', path(name)])
  writeFileSync(path('authorized_keys'), readFileSync(path('user.pub')))
  const config = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${path('host')}`,
    `AuthorizedKeysFile ${authorizedKeys ?? path('authorized_keys')}`,
    `PidFile ${path('pid')}`,
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    'PermitRootLogin prohibit-password',
    'StrictModes no',
  ]
  writeFileSync(path('config'), `${config.join('\n')}\n`)
  // Where the server keeps what it does not trust, made by its package's start script.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', path('config')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`sshd did not start: ${output}`)
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
  const line = (name: string) => `[127.0.0.1]:${port} ${readFileSync(path(`${name}.pub`), 'utf8').trim()}`
  return {
    port,
    user: userInfo().username,
    privateKey: readFileSync(path('user'), 'utf8'),
    hostKeyLine: line('host'),
    otherHostKeyLine: line('other'),
    [Symbol.asyncDispose]: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill()
      await ended
      folder[Symbol.dispose]()
    },
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
