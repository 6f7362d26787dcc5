// A registry of one image for tests: the pull half of the distribution API (https://distribution.github.io/distribution/spec/api/),
// with no, Basic or Bearer authentication. Docker speaks plain HTTP to registries on 127.0.0.1.

import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { type TestImage, testImageContent } from './test-image.ts'

export type TestRegistryOptions = {
  /** Name of the one repository; others do not exist. */
  readonly repository: string
  readonly image: TestImage
  readonly auth?: { readonly type: 'basic' | 'bearer'; readonly username: string; readonly password: string }
}

export type TestRegistry = AsyncDisposable & {
  /** Such as `127.0.0.1:40123`. */
  readonly host: string
  /** Method and path of every request that was let in. */
  readonly requests: readonly string[]
}

const manifestType = 'application/vnd.docker.distribution.manifest.v2+json'

/** Opens the registry on a free port of 127.0.0.1. */
export async function openTestRegistry({ repository, image, auth }: TestRegistryOptions): Promise<TestRegistry> {
  const { config, layer } = testImageContent(image)
  const blobs = new Map([config, gzipSync(layer)].map((data) => [digestOf(data), data]))
  const [configDigest, layerDigest] = [...blobs.keys()] as [string, string]
  const describe = (mediaType: string, digest: string) => ({ mediaType, digest, size: blobs.get(digest)!.length })
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: describe('application/vnd.docker.container.image.v1+json', configDigest),
      layers: [describe('application/vnd.docker.image.rootfs.diff.tar.gzip', layerDigest)],
    }),
  )
  const token = createHash('sha256').update(`${repository} ${auth?.password}`).digest('hex')
  const basic = `Basic ${Buffer.from(`${auth?.username}:${auth?.password}`).toString('base64')}`
  const requests: string[] = []

  const handle = (request: IncomingMessage, response: ServerResponse) => {
    const { pathname } = new URL(request.url ?? '/', 'http://registry')
    const answer = (status: number, headers: Record<string, string>, body: Uint8Array | string = '') => {
      response.writeHead(status, { 'content-length': String(Buffer.byteLength(body)), ...headers })
      response.end(request.method === 'HEAD' ? undefined : body)
    }
    const refuse = (status: number, code: string, message: string, headers: Record<string, string> = {}) =>
      answer(
        status,
        { 'content-type': 'application/json', ...headers },
        JSON.stringify({ errors: [{ code, message }] }),
      )
    const { authorization } = request.headers
    if (pathname === '/token') {
      if (authorization !== basic) return refuse(401, 'UNAUTHORIZED', 'incorrect username or password')
      return answer(200, { 'content-type': 'application/json' }, JSON.stringify({ token }))
    }
    if (auth !== undefined && authorization !== (auth.type === 'basic' ? basic : `Bearer ${token}`)) {
      const realm = `http://${request.headers.host}/token`
      const scope = `repository:${repository}:pull`
      const challenge =
        auth.type === 'basic' ? 'Basic realm="test"' : `Bearer realm="${realm}",service="test",scope="${scope}"`
      return refuse(401, 'UNAUTHORIZED', 'authentication required', { 'www-authenticate': challenge })
    }
    requests.push(`${request.method} ${pathname}`)
    if (pathname === '/v2/') return answer(200, {}, '{}')
    const [, name, kind, reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(pathname) ?? []
    if (name !== repository) return refuse(404, 'NAME_UNKNOWN', 'repository name not known to registry')
    if (kind === 'blobs') {
      const blob = blobs.get(reference)
      if (blob === undefined) return refuse(404, 'BLOB_UNKNOWN', 'blob unknown to registry')
      return answer(200, { 'content-type': 'application/octet-stream', 'docker-content-digest': reference }, blob)
    }
    const digest = digestOf(manifest)
    if (reference !== 'latest' && reference !== digest) return refuse(404, 'MANIFEST_UNKNOWN', 'manifest unknown')
    return answer(200, { 'content-type': manifestType, 'docker-content-digest': digest }, manifest)
  }

  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const digestOf = (data: Uint8Array) => `sha256:${createHash('sha256').update(data).digest('hex')}`
