// Clone URLs: the scp form `user@host:path`, and URLs.

export type CloneUrl = {
  /** `ssh` for the scp form; empty for a plain path. */
  readonly scheme: string
  readonly user: string
  readonly host: string
  /** Decimal; empty when not written. */
  readonly port: string
  readonly path: string
}

// The classes of the scp form are the reference's: without a port, and the path is what follows the first colon.
const scpForm = /^([A-Za-z0-9_]+)@([A-Za-z0-9._-]+):(.*)$/s
// Not the URL class: it drops default ports and changes hosts.
const urlForm = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(?:([^@/?#]*)@)?(\[[^\]/?#]*\]|[^:/?#]*)(?::([0-9]*))?([/?#].*)?$/s

/** Takes a clone URL apart; anything that is neither form is a path on this machine. Never throws. */
export function parseCloneUrl(text: string): CloneUrl {
  const scp = scpForm.exec(text)
  if (scp !== null) return { scheme: 'ssh', user: scp[1]!, host: scp[2]!, port: '', path: scp[3]! }
  const url = urlForm.exec(text)
  if (url === null) return { scheme: '', user: '', host: '', port: '', path: text }
  const userinfo = url[2] ?? ''
  return {
    scheme: url[1]!.toLowerCase(),
    user: userinfo.split(':')[0]!,
    host: url[3]!.replace(/^\[(.*)\]$/, '$1'),
    port: url[4] ?? '',
    path: url[5] ?? '',
  }
}
