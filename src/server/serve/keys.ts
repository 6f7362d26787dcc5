// Keys of an installation. A new embedded installation makes its own; everywhere else a missing one stops the start, because a
// key made anew could open nothing of what is there.

import { randomBytes } from 'node:crypto'
import { existsSync, linkSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorMessage, SlipwayError } from '../../lib/errors.ts'
import { loadInstallationKey, type SealingKey } from '../../lib/sealing.ts'
import type { Settings } from '../settings/read-settings.ts'

export type InstallationKeys = {
  /** The first seals, all of them open. */
  readonly sealing: readonly [SealingKey, ...SealingKey[]]
  /** What services and instances show each other. */
  readonly services: string
  readonly admin: string | undefined
}

const tokenLengthMin = 32

/**
 * `mayCreate`: the installation is new and all of it is in the data directory. Errors: `key_missing` and `key_wrong` with the setting
 * that names the key.
 */
export function loadKeys({ keys, dataDir }: Pick<Settings, 'keys' | 'dataDir'>, mayCreate: boolean): InstallationKeys {
  const folder = join(dataDir, 'keys')
  if (mayCreate) mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (existsSync(folder)) refuseLoose(folder, 'the directory of keys')
  const first = naming('keys.installationFile', () =>
    loadInstallationKey(keys.installationFile ?? join(folder, 'installation'), {
      create: mayCreate && keys.installationFile === undefined,
    }),
  )
  const retired = keys.retiredFiles.map((path) =>
    naming('keys.retiredFiles', () => loadInstallationKey(path, { create: false })),
  )
  const servicesFile = keys.servicesFile ?? join(folder, 'services')
  if (mayCreate && keys.servicesFile === undefined) createToken(servicesFile)
  return {
    sealing: [first, ...retired],
    services: naming('keys.servicesFile', () => readToken(servicesFile)),
    admin:
      keys.adminTokenFile === undefined
        ? undefined
        : naming('keys.adminTokenFile', () => readToken(keys.adminTokenFile!)),
  }
}

/** Reads a token from a file that nobody else may read. Errors: `key_missing`, `key_wrong`. */
export function readToken(path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8').trim()
  } catch (cause) {
    throw new SlipwayError('key_missing', `read the token ${path}: ${errorMessage(cause)}`, { cause })
  }
  refuseLoose(path, 'the token')
  if (text.length < tokenLengthMin || /\s/.test(text))
    throw new SlipwayError(
      'key_wrong',
      `the token in ${path} must have at least ${tokenLengthMin} characters, without blanks`,
    )
  return text
}

function refuseLoose(path: string, what: string): void {
  const { mode } = statSync(path)
  if ((mode & 0o077) !== 0)
    throw new SlipwayError('key_wrong', `others may use ${what} ${path}: chmod ${(mode & 0o700).toString(8)} it`)
}

/** There with its token or not at all, whoever makes it at the same time. */
function createToken(path: string): void {
  if (existsSync(path)) return
  const unfinished = `${path}.${randomBytes(6).toString('hex')}`
  writeFileSync(unfinished, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' })
  try {
    linkSync(unfinished, path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    unlinkSync(unfinished)
  }
}

/** The setting is what an operator changes, so the message begins with it. */
function naming<T>(setting: string, load: () => T): T {
  try {
    return load()
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error
    throw new SlipwayError(error.code, `${setting}: ${error.message}`, { cause: error })
  }
}
