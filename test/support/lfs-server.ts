// A git server with Git LFS, for tests: a bare repository over git's static HTTP protocol, and the batch API of LFS beside it
// (git-lfs, docs/api/batch.md) with basic transfers.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, normalize } from 'node:path'
import { temporaryDirectory } from './git-repository.ts'

export type LfsServer = AsyncDisposable & {
  /** URL of the repository, which is at first without a commit. */
  readonly url: string
  /** Path of the bare repository: what is pushed there is served. Objects of LFS are not. */
  readonly path: string
  /** Objects by oid; what is changed here is served changed. */
  readonly objects: Map<string, Buffer>
  /** Oids that were downloaded, in order. */
  readonly downloads: readonly string[]
  /** Values of `Authorization` that it was sent. */
  readonly logins: readonly string[]
}

const mediaType = 'application/vnd.git-lfs+json'

/** `login`: `user:password`, which it asks of everybody; `tellsLogin`: who has it is told it for each object, as servers do by ssh. */
export async function openLfsServer({
  login,
  tellsLogin = false,
}: {
  readonly login?: string
  readonly tellsLogin?: boolean
} = {}): Promise<LfsServer> {
  const directory = temporaryDirectory('lfs-server')
  const path = join(directory.path, 'repo.git')
  execFileSync('git', ['init', '--quiet', '--bare', path])
  const objects = new Map<string, Buffer>()
  const downloads: string[] = []
  const logins: string[] = []
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error))
  })
  const authorization = login === undefined ? undefined : `Basic ${Buffer.from(login).toString('base64')}`
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<unknown> => {
    if (request.headers.authorization !== undefined) logins.push(request.headers.authorization)
    if (authorization !== undefined && request.headers.authorization !== authorization)
      return response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end()
    const asked = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname)
    if (asked === '/repo.git/info/lfs/objects/batch' && request.method === 'POST')
      return response.writeHead(200, { 'content-type': mediaType }).end(batch(JSON.parse(await textOf(request)), url))
    const oid = /^\/repo\.git\/info\/lfs\/objects\/([0-9a-f]{64})$/.exec(asked)?.[1]
    if (oid !== undefined) return transfer(oid, request, response)
    if (!asked.startsWith('/repo.git/') || normalize(asked) !== asked) return response.writeHead(404).end()
    // The static protocol: files of the repository, listed by `git update-server-info`.
    if (asked === '/repo.git/info/refs') execFileSync('git', ['--git-dir', path, 'update-server-info'])
    const file = join(directory.path, asked)
    if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return response.writeHead(404).end()
    return response.writeHead(200).end(readFileSync(file))
  }
  const batch = (asked: BatchRequest, base: string) =>
    JSON.stringify({
      transfer: 'basic',
      objects: asked.objects.map(({ oid, size }) => {
        const href = `${base}/info/lfs/objects/${oid}`
        if (asked.operation === 'upload') return { oid, size, actions: objects.has(oid) ? {} : { upload: { href } } }
        if (!objects.has(oid)) return { oid, size, error: { code: 404, message: 'Object does not exist' } }
        const told = tellsLogin ? { header: { Authorization: authorization } } : {}
        return { oid, size, authenticated: login === undefined || tellsLogin, actions: { download: { href, ...told } } }
      }),
    })
  const transfer = async (oid: string, request: IncomingMessage, response: ServerResponse) => {
    if (request.method === 'PUT') {
      objects.set(oid, await bytesOf(request))
      return response.writeHead(200).end()
    }
    downloads.push(oid)
    const bytes = objects.get(oid)
    return bytes === undefined ? response.writeHead(404).end() : response.writeHead(200).end(bytes)
  }
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/repo.git`
  return {
    url,
    path,
    objects,
    downloads,
    logins,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
      directory[Symbol.dispose]()
    },
  }
}

/** The pointer that stands for a content, and its oid. */
export function pointerTo(content: Uint8Array | string): { readonly oid: string; readonly pointer: string } {
  const bytes = Buffer.from(content)
  const oid = createHash('sha256').update(bytes).digest('hex')
  return { oid, pointer: `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${bytes.length}\n` }
}

type BatchRequest = {
  readonly operation: 'download' | 'upload'
  readonly objects: readonly { readonly oid: string; readonly size: number }[]
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

const textOf = async (request: IncomingMessage) => (await bytesOf(request)).toString('utf8')
