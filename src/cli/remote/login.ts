// `slipway login`: makes a token for this machine and keeps it with the address of the server as a context. The password is used
// once and kept nowhere.

import { hostname } from 'node:os'
import { ApiError, createClient } from '../../contract/client.ts'
import { SlipwayError } from '../../lib/errors.ts'
import type { Io } from '../io.ts'
import { normalizeUrl } from './connect.ts'
import { contextsFile, loadContexts, saveContexts, withContext } from './contexts.ts'
import { ask, readSecretFile, readStdin } from './read-secret.ts'

export type LoginOptions = {
  readonly context?: string
  readonly username?: string
  /** Reads the password from standard input. */
  readonly passwordStdin?: boolean
  /** A token that is there already, `-` for standard input. */
  readonly tokenFile?: string
  /** The file with the one-time link: makes the first administrator. */
  readonly setup?: string
}

/** Errors: `usage` for what the server refuses, `service_unavailable`. */
export async function login(address: string, options: LoginOptions, io: Io): Promise<void> {
  const url = normalizeUrl(address)
  const path = contextsFile(io.environment)
  const contexts = loadContexts(path)
  const { token, name } =
    options.tokenFile === undefined
      ? await tokenByPassword(url, options, io)
      : await checkToken(url, options.tokenFile, io)
  const context = options.context ?? new URL(url).host.replaceAll(/[^A-Za-z0-9._-]/g, '-')
  saveContexts(path, withContext(contexts, context, { url, token }))
  io.stdout.write(`Logged in to ${url} as ${name}; context ${context}.\n`)
}

async function checkToken(
  url: string,
  file: string,
  io: Io,
): Promise<{ readonly token: string; readonly name: string }> {
  const token = file === '-' ? await readStdin(io) : readSecretFile(file, io)
  const identity = await worded(createClient({ url, token }).call('getIdentity'))
  return { token, name: identity.user?.name ?? 'the administrator' }
}

async function tokenByPassword(
  url: string,
  options: LoginOptions,
  io: Io,
): Promise<{ readonly token: string; readonly name: string }> {
  const link = options.setup === undefined ? undefined : readSecretFile(options.setup, io)
  const username = options.username ?? (await ask('User name: ', io, { isSecret: false }))
  const password = options.passwordStdin ? await readStdin(io) : await askPassword(io, { twice: link !== undefined })
  const session = sessionFetch(url)
  const anonymous = createClient({ url, fetch: session.fetch })
  const { user, csrfToken } = await worded(
    link === undefined
      ? anonymous.call('login', { body: { username, password } })
      : anonymous.call('setUp', { body: { token: setupTokenOf(link), username, password } }),
  )
  const client = createClient({ url, fetch: session.fetch, csrfToken: () => csrfToken })
  const name = `slipway on ${hostname()}, ${new Date().toISOString().slice(0, 19)}Z`
  const { value } = await worded(
    client.call('createToken', { params: { userRef: user.id }, body: { name, scope: 'admin' } }),
  )
  await client.call('logout').catch(() => undefined) // the session ends by itself
  return { token: value, name: user.name }
}

async function askPassword(io: Io, { twice }: { readonly twice: boolean }): Promise<string> {
  const password = await ask('Password: ', io, { isSecret: true })
  if (twice && (await ask('Again: ', io, { isSecret: true })) !== password)
    throw new SlipwayError('usage', 'the two passwords differ')
  return password
}

/** The file has the link; the token alone is taken too. */
function setupTokenOf(text: string): string {
  return /token=([A-Za-z0-9_-]+)/.exec(text)?.[1] ?? text.trim()
}

/** Keeps the cookies of one server for as long as it is used, as a browser would. */
function sessionFetch(url: string): { readonly fetch: typeof fetch } {
  const cookies = new Map<string, string>()
  return {
    fetch: async (input, init) => {
      const headers = new Headers(init?.headers)
      if (cookies.size > 0) headers.set('cookie', [...cookies].map(([key, value]) => `${key}=${value}`).join('; '))
      headers.set('origin', new URL(url).origin)
      const response = await fetch(input, { ...init, headers })
      for (const line of response.headers.getSetCookie()) {
        const [, key, value] = /^([^=]+)=([^;]*)/.exec(line) ?? []
        if (key !== undefined) cookies.set(key, value ?? '')
      }
      return response
    },
  }
}

async function worded<T>(call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    throw new SlipwayError(error.status >= 500 ? 'service_unavailable' : 'usage', error.message, { cause: error })
  }
}
