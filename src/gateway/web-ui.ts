// Serves the web UI that `npm run build:web` made: files with a hash in their name for a year, all else asked for anew each time.
// Every page is index.html, whose script shows what the address names, so addresses that nothing else answers get that file when a
// browser navigates there, and the usual error otherwise.

import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** Scripts, styles, pictures and data come from this origin only, nothing runs that stands in a page, nothing frames it. */
export const webUiPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

const oneYearSeconds = 365 * 24 * 60 * 60
/** Smaller ones gain nothing from being compressed. */
const compressedFromBytes = 1024
/** Depth of the deepest file that may ask: the search for the package's root goes no further up. */
const parentsMax = 6

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.txt': 'text/plain; charset=utf-8',
}

type WebFile = {
  readonly bytes: Buffer
  readonly contentType: string
  readonly etag: string
  /** Its name changes with its content. */
  readonly isHashed: boolean
  /** Made when first asked for. */
  readonly encoded: Map<'br' | 'gzip', Promise<Buffer>>
}

/** Where the built UI is, in a clone and in an installed package alike; undefined when it was not built. */
export function findWebUi(): string | undefined {
  let directory = dirname(fileURLToPath(import.meta.url))
  for (let level = 0; level < parentsMax; level++) {
    const found = join(directory, 'web', 'dist')
    if (existsSync(join(found, 'index.html'))) return found
    directory = dirname(directory)
  }
  return undefined
}

/**
 * Answers GET requests that no other route answers. `directory` is that of the built files, which are read now and kept; without it
 * pages say how to build them. Call it before the server listens.
 */
export function mountWebUi(app: FastifyInstance, directory: string | undefined): void {
  const files = directory === undefined ? undefined : readFiles(directory)
  app.get('/*', async (request, reply) => {
    const path = decodePath(request.url)
    const file = files?.get(path)
    if (file !== undefined && path !== '/index.html') return await send(file, request, reply)
    if (!isNavigation(request) || path.startsWith('/api/') || path.startsWith('/assets/')) return reply.callNotFound()
    const index = files?.get('/index.html')
    if (index !== undefined) return await send(index, request, reply)
    return reply
      .status(404)
      .type('text/plain; charset=utf-8')
      .send('The web UI of this server was not built: run `npm run build:web` and start the server again.\n')
  })
}

function isNavigation({ headers }: FastifyRequest): boolean {
  return headers.accept?.includes('text/html') ?? false
}

function decodePath(url: string): string {
  const path = url.split('?', 1)[0]!
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** By path of the address. Only what is in the directory is ever served: requests choose from this map and name no files. */
function readFiles(directory: string): ReadonlyMap<string, WebFile> {
  const files = new Map<string, WebFile>()
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const contentType = contentTypes[extname(entry.name)]
    if (!entry.isFile() || contentType === undefined) continue
    const file = join(entry.parentPath, entry.name)
    const bytes = readFileSync(file)
    const path = file.slice(directory.length).replaceAll('\\', '/')
    const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
    files.set(path, { bytes, contentType, etag, isHashed: path.startsWith('/assets/'), encoded: new Map() })
  }
  return files
}

async function send(file: WebFile, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  reply.header('content-security-policy', webUiPolicy)
  reply.header('cross-origin-opener-policy', 'same-origin')
  reply.header('cache-control', file.isHashed ? `public, max-age=${oneYearSeconds}, immutable` : 'no-cache')
  reply.header('etag', file.etag)
  reply.header('vary', 'Accept-Encoding')
  if (request.headers['if-none-match'] === file.etag) return reply.status(304).send()
  reply.type(file.contentType)
  const encoding = encodingOf(file, request)
  if (encoding === undefined) return reply.send(file.bytes)
  reply.header('content-encoding', encoding)
  return reply.send(await encode(file, encoding))
}

function encodingOf({ bytes, contentType }: WebFile, { headers }: FastifyRequest): 'br' | 'gzip' | undefined {
  if (bytes.length < compressedFromBytes || contentType === 'image/png') return undefined
  const accepted = String(headers['accept-encoding'] ?? '')
    .split(',')
    .map((item) => item.trim())
  return (['br', 'gzip'] as const).find((name) => accepted.some((item) => item === name || item.startsWith(`${name};`)))
}

const brotli = promisify(brotliCompress)
const gzipped = promisify(gzip)
/** The best that takes less than a tenth of a second for the largest file. */
const brotliQuality = 9

function encode(file: WebFile, encoding: 'br' | 'gzip'): Promise<Buffer> {
  const known = file.encoded.get(encoding)
  if (known !== undefined) return known
  const made =
    encoding === 'br'
      ? brotli(file.bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality } })
      : gzipped(file.bytes)
  file.encoded.set(encoding, made)
  return made
}
