// Names of container images, and the credentials of the registries they come from.

import { malformed, type Parsed, parsed } from '../parsed.ts'

export type ImageName = {
  /** Host, with port if one is given; `index.docker.io` for images without one and for `docker.io`. */
  readonly registry: string
  /** As the registry knows it: `library/alpine`, `org/image`. */
  readonly repository: string
  readonly tag?: string
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest?: string
  /** The digest if there is one, else the tag, else `latest`. */
  readonly identifier: string
}

const dockerHub = 'index.docker.io'

/**
 * Parses an image name. What stands before the first `/` is a registry only if it contains `.` or `:`, so that
 * `localhost/image` is an image of Docker Hub.
 */
export function parseImageName(text: string): Parsed<ImageName> {
  const invalid = (what: string) => malformed(`could not parse image name ${JSON.stringify(text)}: ${what}`)
  const [base = '', digest, ...more] = text.split('@')
  if (more.length > 0) return invalid('more than one @')
  if (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest))
    return invalid('the digest must be sha256: and 64 hexadecimal digits')

  const colon = base.lastIndexOf(':')
  const hasTag = colon >= 0 && !base.includes('/', colon)
  const name = hasTag ? base.slice(0, colon) : base
  const tag = hasTag ? base.slice(colon + 1) : ''
  if (tag !== '' && !/^[A-Za-z0-9_.-]{1,128}$/.test(tag))
    return invalid('the tag must be 1 to 128 of the characters a-z A-Z 0-9 _ . -')

  if (name === '') return invalid('the repository is missing')
  const slash = name.indexOf('/')
  const host = slash < 0 ? '' : name.slice(0, slash)
  const hasHost = /[.:]/.test(host)
  if (hasHost && !/^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::[0-9]+)?$/.test(host))
    return invalid('the registry must be a host, with a port if needed')
  const path = hasHost ? name.slice(slash + 1) : name
  if (!/^[a-z0-9_./-]{2,255}$/.test(path))
    return invalid('the repository must be 2 to 255 of the characters a-z 0-9 _ - . /')

  const registry = !hasHost || host === 'docker.io' ? dockerHub : host
  return parsed({
    registry,
    repository: registry === dockerHub && !path.includes('/') ? `library/${path}` : path,
    ...(tag === '' ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
    identifier: digest ?? (tag === '' ? 'latest' : tag),
  })
}

/** The spellings under which credentials of a registry are looked for, in this order. */
export function registryAuthKeys(registry: string): readonly string[] {
  return [
    registry,
    `https://${registry}`,
    `http://${registry}`,
    `https://${registry}/v1/`,
    `http://${registry}/v1/`,
    `https://${registry}/v2/`,
    `http://${registry}/v2/`,
  ]
}

/** The entry of `auths` for a registry (as `parseImageName` names it): that of the first spelling found. */
export function findRegistryAuth<T>(registry: string, auths: Readonly<Record<string, T>>): T | undefined {
  const key = registryAuthKeys(registry).find((spelling) => Object.hasOwn(auths, spelling))
  return key === undefined ? undefined : auths[key]
}

export type RegistryCredentials = { readonly username: string; readonly password: string }

/** An entry of `docker_registries_auth` whose secrets are resolved. */
export type ResolvedRegistryAuth =
  | ({ readonly type: 'basic' } & RegistryCredentials)
  /** `auth`: standard base64 of `user:password`. */
  | { readonly type: 'encodedauth'; readonly auth: string }

/**
 * The user and password of an entry. An encoded one is split at its first colon, so that a password may contain colons.
 * Malformed messages never contain the secret.
 */
export function credentialsOf(auth: ResolvedRegistryAuth): Parsed<RegistryCredentials> {
  if (auth.type === 'basic') return parsed({ username: auth.username, password: auth.password })
  if (auth.type !== 'encodedauth')
    return malformed(`unsupported auth type ${JSON.stringify((auth as { type: unknown }).type)}`)
  const encoded = auth.auth.replace(/[\r\n]/g, '')
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(encoded))
    return malformed('failed to decode docker auth: it must be standard base64 of user:password')
  const decoded = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  if (colon < 0) return malformed('failed to decode docker auth: it must be standard base64 of user:password')
  return parsed({ username: decoded.slice(0, colon), password: decoded.slice(colon + 1) })
}

/** What a `config.json` of Docker says about one registry. */
export type DockerConfigEntry = { readonly username?: string; readonly password?: string; readonly auth: string }
export type DockerConfig = { readonly auths: Readonly<Record<string, DockerConfigEntry>> }

/** A Docker config with one registry; without credentials the entry says "anonymous". */
export function dockerConfig(registry: string, credentials: RegistryCredentials | undefined): DockerConfig {
  const { username, password } = credentials ?? { username: '', password: '' }
  const entry = {
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
    auth: Buffer.from(`${username}:${password}`).toString('base64'),
  }
  return { auths: { [registry]: entry } }
}

/** The value of the header `X-Registry-Auth` of Docker's engine API (v1.41, "Authentication"): base64url of JSON, padded. */
export function registryAuthHeader(registry: string, credentials: RegistryCredentials): string {
  const json = JSON.stringify({ ...credentials, serveraddress: registry })
  return Buffer.from(json).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}
