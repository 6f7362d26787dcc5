// Where the engine listens: DOCKER_HOST and its companions, else the usual sockets of Docker and Podman, rootful first.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorMessage, SlipwayError } from '../../../lib/errors.ts'

export type EngineTls = {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
  /** False accepts any certificate, as DOCKER_CERT_PATH without DOCKER_TLS_VERIFY means for Docker's own clients. */
  readonly verify: boolean
}

export type EngineAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls?: EngineTls }

/** The variables that matter: DOCKER_HOST, DOCKER_CERT_PATH, DOCKER_TLS_VERIFY, XDG_RUNTIME_DIR, HOME. */
export type EngineEnvironment = Readonly<Record<string, string | undefined>>

/**
 * The addresses to try, in order: `host` or DOCKER_HOST alone, else every usual socket that exists, or the first of them
 * when none does. Fails with `driver_unavailable` when the address is of a kind that is not supported.
 */
export function engineAddresses(host: string | undefined, environment: EngineEnvironment): readonly EngineAddress[] {
  const asked = host ?? environment.DOCKER_HOST
  if (asked !== undefined && asked !== '') return [parseEngineHost(asked, environment)]
  const sockets = usualSockets(environment)
  const present = sockets.filter((path) => existsSync(path))
  return (present.length > 0 ? present : sockets.slice(0, 1)).map((path) => ({ kind: 'unix', path }))
}

/** Reads an address as DOCKER_HOST has it: `unix:///path`, `tcp://host:port`, `http://`, `https://`, or a bare path. */
export function parseEngineHost(host: string, environment: EngineEnvironment): EngineAddress {
  if (host.startsWith('/')) return { kind: 'unix', path: host }
  if (host.startsWith('unix://')) return { kind: 'unix', path: host.slice('unix://'.length) }
  let url: URL | undefined
  try {
    url = new URL(host.replace(/^tcp:/, 'http:'))
  } catch {
    url = undefined
  }
  if (url === undefined || url.hostname === '' || !/^https?:$/.test(url.protocol))
    throw new SlipwayError(
      'driver_unavailable',
      `the engine address ${host} is not supported: use unix:///path, tcp://host:port or https://host:port`,
    )
  const tls = engineTls(environment) ?? (url.protocol === 'https:' ? { verify: true } : undefined)
  return {
    kind: 'tcp',
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (tls === undefined ? 2375 : 2376) : Number(url.port),
    ...(tls === undefined ? {} : { tls }),
  }
}

/** The address for people, as DOCKER_HOST would have it. */
export function describeEngineAddress(address: EngineAddress): string {
  return address.kind === 'unix' ? `unix://${address.path}` : `tcp://${address.host}:${address.port}`
}

function usualSockets(environment: EngineEnvironment): readonly string[] {
  const runtimeDir = environment.XDG_RUNTIME_DIR
  const home = environment.HOME
  return [
    '/var/run/docker.sock',
    ...(runtimeDir === undefined ? [] : [join(runtimeDir, 'docker.sock')]),
    ...(home === undefined ? [] : [join(home, '.docker/run/docker.sock')]),
    ...(runtimeDir === undefined ? [] : [join(runtimeDir, 'podman/podman.sock')]),
    '/run/podman/podman.sock',
  ]
}

function engineTls(environment: EngineEnvironment): EngineTls | undefined {
  const dir = environment.DOCKER_CERT_PATH
  const verify = (environment.DOCKER_TLS_VERIFY ?? '') !== ''
  if (dir === undefined || dir === '') return verify ? { verify } : undefined
  try {
    const read = (name: string) => readFileSync(join(dir, name))
    return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem'), verify }
  } catch (cause) {
    throw new SlipwayError('driver_unavailable', `read the certificates of DOCKER_CERT_PATH: ${errorMessage(cause)}`, {
      cause,
    })
  }
}
