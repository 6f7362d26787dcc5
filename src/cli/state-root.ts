// Where state is kept on this machine (XDG Base Directory Specification).

import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

export function stateRoot(environment: Readonly<Record<string, string | undefined>>): string {
  const base = environment.XDG_STATE_HOME
  // The specification says to ignore a relative path.
  if (base !== undefined && isAbsolute(base)) return join(base, 'slipway')
  return join(environment.HOME ?? homedir(), '.local', 'state', 'slipway')
}
