// What an image reference means to an engine, and which of a task's credentials belong to it.

import { SlipwayError } from '../../../lib/errors.ts'
import type { PlainRegistryAuth } from '../../../runservice/executor-api.ts'

export type ImageReference = {
  /** Host of the registry; `index.docker.io` for Docker's own. */
  readonly registry: string
  /** The reference without tag and digest, as it was written. */
  readonly name: string
  /** Tag or digest, `latest` when there is none. */
  readonly tag: string
}

const dockerHub = 'index.docker.io'

/** Reads a reference leniently: the part before the first slash is a registry only if it has a dot, a colon or is localhost. */
export function parseImageReference(image: string): ImageReference {
  const slash = image.indexOf('/')
  const first = slash === -1 ? '' : image.slice(0, slash)
  const isRegistry = first === 'localhost' || /[.:]/.test(first)
  const registry = !isRegistry || first === 'docker.io' ? dockerHub : first
  const at = image.indexOf('@')
  if (at !== -1) return { registry, name: image.slice(0, at).replace(/:[^:/]*$/, ''), tag: image.slice(at + 1) }
  const tag = /:([^:/]+)$/.exec(image)
  // `host:5000` alone is no tag; it has no slash behind the colon only when there is no slash at all.
  if (tag === null) return { registry, name: image, tag: 'latest' }
  return { registry, name: image.slice(0, tag.index), tag: tag[1]! }
}

/** The X-Registry-Auth header for pulling from `registry`, undefined when the task has no credentials for it. */
export function registryAuthHeader(
  registry: string,
  auths: Readonly<Record<string, PlainRegistryAuth>>,
): string | undefined {
  const hosts = registry === dockerHub ? [dockerHub, 'docker.io'] : [registry]
  const key = hosts.flatMap(authKeys).find((candidate) => Object.hasOwn(auths, candidate))
  if (key === undefined) return undefined
  const credentials = { ...usernameAndPassword(auths[key]!, key), serveraddress: registry }
  // URL alphabet with padding: without it Docker ignores the header and pulls anonymously.
  return Buffer.from(JSON.stringify(credentials)).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}

/** Where credentials for a host may stand, most exact first. */
function authKeys(host: string): readonly string[] {
  return [host, ...['', 'v1/', 'v2/'].flatMap((path) => [`https://${host}/${path}`, `http://${host}/${path}`])].flatMap(
    (key) => (key.endsWith(`${host}/`) ? [key.slice(0, -1), key] : [key]),
  )
}

function usernameAndPassword(
  auth: PlainRegistryAuth,
  key: string,
): { readonly username: string; readonly password: string } {
  if (auth.type === 'basic') return { username: auth.username, password: auth.password }
  const decoded = Buffer.from(auth.auth, 'base64').toString()
  const colon = decoded.indexOf(':')
  if (colon === -1)
    throw new SlipwayError(
      'setup_failed',
      `the registry credentials for ${key} are not base64 of user:password (type encodedauth)`,
    )
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) }
}
