// Where state is kept on this machine (XDG Base Directory Specification).

import { userInfo } from 'node:os'
import { isAbsolute, join } from 'node:path'

export function stateRoot(environment: Readonly<Record<string, string | undefined>>): string {
  const base = environment.XDG_STATE_HOME
  // The specification says to ignore a relative path.
  if (base !== undefined && isAbsolute(base)) return join(base, 'slipway')
  const home = environment.HOME
  // One that is empty or relative would put the state where the command was started, which is into the repository.
  return join(home !== undefined && isAbsolute(home) ? home : userInfo().homedir, '.local', 'state', 'slipway')
}
