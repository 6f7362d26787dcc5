// Repositories of a provider server over ssh: a deploy key reaches its own repository, to read, and nothing else.

import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { startSshServer } from '../support/ssh-server.ts'
import type { ProviderServer } from './provider-server.ts'

export type SshAccess = AsyncDisposable & {
  readonly hostKeyLine: string
  urlOf(path: string): string
  /** After keys, names or repositories have changed. */
  update(): void
}

/** Runs what a key may: its folder has the repositories it reaches, under the names they have now. */
const script = `#!/bin/sh
path=\${SSH_ORIGINAL_COMMAND#"git-upload-pack '/"}
if [ "$path" = "$SSH_ORIGINAL_COMMAND" ]; then echo "this key may only read" >&2; exit 1; fi
path=\${path%"'"}
case "$path" in *..*|*\\'*|-*) echo "no such repository" >&2; exit 1;; esac
cd "$1" && test -d "$path" || { echo "repository not found" >&2; exit 1; }
exec git -c safe.directory='*' -c uploadpack.allowFilter=true -c uploadpack.allowAnySHA1InWant=true upload-pack "$path"
`

export async function openSshAccess(server: ProviderServer): Promise<SshAccess> {
  const folder = join(server.root, 'ssh')
  mkdirSync(folder)
  const authorizedKeys = join(folder, 'authorized_keys')
  const command = join(folder, 'command')
  writeFileSync(authorizedKeys, '')
  writeFileSync(command, script, { mode: 0o755 })
  const ssh = await startSshServer({ authorizedKeys })
  const update = () => {
    const reach = join(folder, 'reach')
    rmSync(reach, { recursive: true, force: true })
    const lines = server.repositories.flatMap((repository) =>
      repository.keys.map(({ id, key }) => {
        const link = join(reach, String(id), `${repository.path}.git`)
        mkdirSync(dirname(link), { recursive: true })
        symlinkSync(repository.dir, link)
        return `restrict,command="${command} ${join(reach, String(id))}" ${key}\n`
      }),
    )
    writeFileSync(authorizedKeys, lines.join(''))
  }
  return {
    hostKeyLine: ssh.hostKeyLine,
    urlOf: (path) => `ssh://${ssh.user}@127.0.0.1:${ssh.port}/${path}.git`,
    update,
    [Symbol.asyncDispose]: () => ssh[Symbol.asyncDispose](),
  }
}
