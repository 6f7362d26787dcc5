// The servers a person works with: name, address and token of each, in one file for this user alone.

import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { SlipwayError } from '../../lib/errors.ts'

export type Context = { readonly url: string; readonly token?: string }
export type Contexts = {
  /** Name of the one that commands use when none is named. */
  readonly current?: string
  readonly contexts: Readonly<Record<string, Context>>
}

export const contextNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/

/** XDG Base Directory Specification; a relative value is ignored, as it says. */
export function contextsFile(environment: Readonly<Record<string, string | undefined>>): string {
  const base = environment.XDG_CONFIG_HOME
  const folder = base !== undefined && isAbsolute(base) ? base : join(environment.HOME ?? homedir(), '.config')
  return join(folder, 'slipway', 'contexts.json')
}

/** Empty when there is no file. Errors: `usage` when it is damaged. */
export function loadContexts(path: string): Contexts {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { contexts: {} }
    throw error
  }
  try {
    const value = JSON.parse(text) as Partial<Contexts> | null
    const contexts = value?.contexts
    if (typeof contexts !== 'object' || contexts === null) throw new SyntaxError('no contexts')
    for (const { url, token } of Object.values(contexts))
      if (typeof url !== 'string' || !(token === undefined || typeof token === 'string'))
        throw new SyntaxError('not a context')
    return { ...(typeof value?.current === 'string' ? { current: value.current } : {}), contexts }
  } catch {
    // The message of JSON.parse quotes the file, which has tokens in it.
    throw new SlipwayError('usage', `${path} is damaged: mend it, or remove it and log in again`)
  }
}

/** Replaces the file as a whole, mode 0600. */
export function saveContexts(path: string, contexts: Contexts): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const unfinished = `${path}.${process.pid}`
  writeFileSync(unfinished, `${JSON.stringify(contexts, undefined, 2)}\n`, { mode: 0o600 })
  chmodSync(unfinished, 0o600)
  renameSync(unfinished, path)
}

/** With `name` put in, or replaced, and made the current one. */
export function withContext(contexts: Contexts, name: string, context: Context): Contexts {
  if (!contextNamePattern.test(name))
    throw new SlipwayError(
      'usage',
      `${JSON.stringify(name)} is no name of a context: letters, digits, dots, hyphens, underscores`,
    )
  return { current: name, contexts: { ...contexts.contexts, [name]: context } }
}

export function withoutContext({ current, contexts }: Contexts, name: string): Contexts {
  const { [name]: removed, ...rest } = contexts
  if (removed === undefined) throw unknownContext(name, contexts)
  return { ...(current === undefined || current === name ? {} : { current }), contexts: rest }
}

export function unknownContext(name: string, contexts: Contexts['contexts']): SlipwayError {
  const names = Object.keys(contexts)
  const known = names.length === 0 ? 'there is none yet: slipway login URL' : `there are ${names.join(', ')}`
  return new SlipwayError('usage', `no context ${name}: ${known}`)
}
