// Which server a command talks to, and as whom. From the most to the least particular: options, environment, the current context.

import { type ApiClient, createClient } from '../../contract/client.ts'
import { SlipwayError } from '../../lib/errors.ts'
import type { Io } from '../io.ts'
import { type Context, contextsFile, loadContexts, unknownContext } from './contexts.ts'
import { readSecretFile } from './read-secret.ts'

/** Options that every command with a server has. */
export type ConnectOptions = {
  readonly server?: string
  readonly context?: string
  readonly tokenFile?: string
}

/** Errors: `usage` when there is no server to talk to, or the address is none. */
export function connect(options: ConnectOptions, io: Io): ApiClient & { readonly url: string } {
  const { url, token } = resolveContext(options, io)
  return { ...createClient({ url, ...(token === undefined ? {} : { token }) }), url }
}

/** Address and token that `options`, environment and contexts say. */
export function resolveContext(options: ConnectOptions, io: Io): Context {
  const { environment } = io
  const { current, contexts } = loadContexts(contextsFile(environment))
  const name = options.context ?? (options.server === undefined ? environment.SLIPWAY_CONTEXT || undefined : undefined)
  const url = options.server ?? (name === undefined ? environment.SLIPWAY_SERVER || undefined : undefined)
  const token =
    options.tokenFile === undefined ? environment.SLIPWAY_TOKEN || undefined : readSecretFile(options.tokenFile, io)
  if (url !== undefined) {
    // A token goes only to the server it was made for.
    const known = Object.values(contexts).find((context) => context.url === normalizeUrl(url))
    return { url: normalizeUrl(url), ...given('token', token ?? known?.token) }
  }
  const chosen = name ?? current
  if (chosen === undefined)
    throw new SlipwayError('usage', 'which server? `slipway login URL` once, or give --server URL or SLIPWAY_SERVER')
  const context = contexts[chosen]
  if (context === undefined) throw unknownContext(chosen, contexts)
  return { url: context.url, ...given('token', token ?? context.token) }
}

/** Without what is no part of a server's address. Errors: `usage`. */
export function normalizeUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    throw new SlipwayError(
      'usage',
      `${JSON.stringify(text)} is no address of a server: it begins with https:// or http://`,
    )
  if (url.username !== '' || url.password !== '')
    throw new SlipwayError('usage', 'the address of a server has no user and password in it: log in with slipway login')
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

const given = <N extends string, V>(name: N, value: V | undefined) =>
  (value === undefined ? {} : { [name]: value }) as { readonly [key in N]?: V }
