// The link with which the first administrator is made. It is derived from the installation's key, so that all instances have the
// same one and nothing has to be stored; it opens nothing once there is a user. Whoever can read the file could read the key.

import { createHmac } from 'node:crypto'
import { existsSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SealingKey } from '../../lib/sealing.ts'

export const linkFileName = 'first-administrator'

/** What must be shown to make the first user of `installation`. */
export function firstAdministratorToken(key: SealingKey, installation: string): string {
  return createHmac('sha256', key.bytes).update(`slipway first administrator ${installation}`).digest('base64url')
}

/** Writes the link (mode 0600) into the data directory and gives the path of the file. */
export function writeLink(dataDir: string, url: string, token: string): string {
  const path = join(dataDir, linkFileName)
  const unfinished = `${path}.${process.pid}`
  writeFileSync(unfinished, `${url}/setup#token=${token}\n`, { mode: 0o600 })
  renameSync(unfinished, path)
  return path
}

/** When there is a user, the link is of no use any more. */
export function removeLink(dataDir: string): void {
  const path = join(dataDir, linkFileName)
  if (existsSync(path)) unlinkSync(path)
}
