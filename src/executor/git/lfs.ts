// Files of Git LFS in a checked out tree: found by their pointers, fetched by git-lfs, and put in the place of the pointers.
//
// Objects are kept beside the mirror as git-lfs keeps them, `<store>/objects/ab/cd/abcd...`, so later commits fetch only what is
// new. Those that a local source has in its own store are taken from there, as those of a working tree that is run before
// it was pushed.

import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, link, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { errorMessage, SlipwayError } from '../../lib/errors.ts'
import { gitText, runGit } from '../../lib/git.ts'
import { type GitAccessOptions, openGitAccess } from '../../lib/git-access.ts'
import { hostOf, isSameHost } from '../../lib/same-host.ts'
import { newUuid } from '../../lib/uuid.ts'

export type LfsPointer = {
  /** In the tree. */
  readonly path: string
  /** SHA-256 of the content, hex. */
  readonly oid: string
  readonly sizeBytes: number
}

export type LfsSource = {
  /** Where the tree was fetched from, a path or a URL. */
  readonly url: string
  /** Of the repository itself, when `url` is only a copy of it, on this machine or at a git server; empty when there is none. */
  readonly originUrl: string
  /** How to log in at `url`, and at the origin if that is at the same host. */
  readonly access?: GitAccessOptions
}

/** A pointer has at most so many bytes (git-lfs, docs/spec.md). */
const pointerBytesMax = 1024

/** The files of a checked out tree that are pointers, by its attributes. */
export async function findLfsPointers(tree: string, signal: AbortSignal): Promise<readonly LfsPointer[]> {
  const attributes = await gitText(['-C', tree, 'ls-files', '--', '.gitattributes', '**/.gitattributes'], { signal })
  if (attributes === '') return []
  const grep = ['-C', tree, 'grep', '-zlI', '--max-count=1', '^version https://git-lfs.github.com/spec/']
  const candidates = await gitText(grep, { signal, codes: [0, 1] })
  if (candidates === '') return []
  const checked = await runGit(['-C', tree, 'check-attr', '-z', '--stdin', 'filter'], { signal, input: candidates })
  const fields = checked.toString('utf8').split('\0')
  const pointers: LfsPointer[] = []
  for (let at = 0; at + 2 < fields.length; at += 3) {
    const [path = '', , filter] = fields.slice(at, at + 3)
    const pointer = filter === 'lfs' ? await readPointer(tree, path) : undefined
    if (pointer !== undefined) pointers.push(pointer)
  }
  return pointers
}

/**
 * Puts the contents of all pointers into the tree. Errors: `git_failed` with what git-lfs said, or that there is none;
 * `limit_exceeded` when they are larger than `bytesMax` together.
 */
export async function checkOutLfs(
  tree: string,
  pointers: readonly LfsPointer[],
  options: {
    readonly store: string
    readonly source: LfsSource
    readonly bytesMax: number
    readonly signal: AbortSignal
  },
): Promise<void> {
  const { store, source, bytesMax, signal } = options
  const bytes = pointers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  if (bytes > bytesMax)
    throw new SlipwayError(
      'limit_exceeded',
      `the files in Git LFS have ${bytes} bytes, at most ${bytesMax} are fetched`,
    )
  const missing = await takeLocal(await notIn(store, pointers), store, source.url)
  if (missing.length > 0) {
    const remote = remoteOf(source, missing.length)
    const access = isSameHost(remote, source.url) ? source.access : undefined
    await fetchObjects(tree, missing, { store, remote, access, signal })
  }
  for (const pointer of pointers) await replacePointer(tree, store, pointer, signal)
  if ((await bytesBelow(store)) > bytesMax) await rm(store, { recursive: true, force: true })
}

async function readPointer(tree: string, path: string): Promise<LfsPointer | undefined> {
  const file = join(tree, path)
  if ((await stat(file)).size > pointerBytesMax) return undefined
  const text = await readFile(file, 'utf8')
  const oid = /^oid sha256:([0-9a-f]{64})$/m.exec(text)?.[1]
  const size = /^size (\d+)$/m.exec(text)?.[1]
  if (oid === undefined || size === undefined)
    throw new SlipwayError('git_failed', `${path} is a pointer of Git LFS that cannot be read`)
  return { path, oid, sizeBytes: Number(size) }
}

const objectPath = (store: string, oid: string) => join(store, 'objects', oid.slice(0, 2), oid.slice(2, 4), oid)

async function notIn(store: string, pointers: readonly LfsPointer[]): Promise<readonly LfsPointer[]> {
  const missing: LfsPointer[] = []
  for (const pointer of pointers) if (!(await has(store, pointer))) missing.push(pointer)
  return missing
}

async function has(store: string, { oid, sizeBytes }: LfsPointer): Promise<boolean> {
  return (await stat(objectPath(store, oid)).catch(() => undefined))?.size === sizeBytes
}

/** Takes what the repository at a local path has, itself or where its objects are shared from. Returns what it has not. */
async function takeLocal(pointers: readonly LfsPointer[], store: string, url: string): Promise<readonly LfsPointer[]> {
  if (!isAbsolute(url)) return pointers
  const stores: string[] = []
  for (const gitDir of [url, join(url, '.git')]) {
    const alternates = await readFile(join(gitDir, 'objects/info/alternates'), 'utf8').catch(() => '')
    const shared = alternates.split('\n').filter((line) => isAbsolute(line))
    stores.push(join(gitDir, 'lfs'), ...shared.map((objects) => join(dirname(objects), 'lfs')))
  }
  const missing: LfsPointer[] = []
  for (const pointer of pointers) {
    let isTaken = false
    for (const from of stores) isTaken ||= (await has(from, pointer)) && (await take(from, store, pointer))
    if (!isTaken) missing.push(pointer)
  }
  return missing
}

async function take(from: string, store: string, { oid }: LfsPointer): Promise<boolean> {
  const target = objectPath(store, oid)
  await mkdir(dirname(target), { recursive: true, mode: 0o700 })
  try {
    // What is in a store is never changed, so both may name the same file.
    await link(objectPath(from, oid), target)
  } catch {
    const unfinished = `${target}.${newUuid(Date.now())}`
    await pipeline(createReadStream(objectPath(from, oid)), createWriteStream(unfinished, { mode: 0o600 }))
    await rename(unfinished, target)
  }
  return true
}

/** Of a local copy the repository that it is a copy of. */
function remoteOf({ url, originUrl }: LfsSource, missing: number): string {
  const remote = originUrl === '' ? url : originUrl
  if (remote === '' || remote.startsWith('-'))
    throw new SlipwayError('git_failed', `${missing} files of Git LFS are not on this machine, and there is no remote`)
  return isAbsolute(remote) ? `file://${remote}` : remote
}

async function fetchObjects(
  tree: string,
  pointers: readonly LfsPointer[],
  {
    store,
    remote,
    access,
    signal,
  }: {
    readonly store: string
    readonly remote: string
    readonly access: GitAccessOptions | undefined
    readonly signal: AbortSignal
  },
): Promise<void> {
  await checkLfsConfig(tree)
  await mkdir(store, { recursive: true, mode: 0o700 })
  const settings = [
    `remote.${remoteName}.url=${remote}`,
    `lfs.storage=${store}`,
    // What .lfsconfig would leave out, the tree would lack.
    'lfs.fetchinclude=',
    'lfs.fetchexclude=',
    ...(access === undefined ? await unattendedSsh(tree, signal) : []),
  ]
  const config = settings.flatMap((setting) => ['-c', setting])
  using login = access && openGitAccess(remote, access)
  try {
    await runGit(['-C', tree, ...config, 'lfs', 'fetch', remoteName, 'HEAD'], {
      signal,
      environment: login?.environment ?? {},
    })
  } catch (error) {
    signal.throwIfAborted()
    // It also asks for what only looks like a pointer.
    if ((await notIn(store, pointers)).length === 0) return
    const isMissing = /'lfs' is not a git command/.test(errorMessage(error))
    if (!isMissing && access !== undefined) throw error
    if (!isMissing) {
      // As of a direct run, whose origin is nobody's business but its user's.
      const message = `files of Git LFS cannot be fetched from ${hostOf(remote) ?? remote}, where this executor has no login`
      throw new SlipwayError('git_failed', `${message}: ${errorMessage(error)}`, { cause: error })
    }
    throw new SlipwayError('git_failed', 'files are stored in Git LFS, and this executor has no git-lfs: install it', {
      cause: error,
    })
  } finally {
    await rm(join(tree, '.git', 'lfs'), { recursive: true, force: true })
  }
}

/** Without a login of ours ssh has those of this machine, and asks nobody at its terminal, should there be one. */
async function unattendedSsh(tree: string, signal: AbortSignal): Promise<readonly string[]> {
  const own = await gitText(['-C', tree, 'config', '--get', 'core.sshCommand'], { signal, codes: [0, 1] })
  return own === '' ? ['core.sshCommand=ssh -o BatchMode=yes'] : []
}

const remoteName = 'slipway-lfs'

/** Somebody's text: it may name another server, never a path of this machine. */
async function checkLfsConfig(tree: string): Promise<void> {
  const text = await readFile(join(tree, '.lfsconfig'), 'utf8').catch(() => '')
  for (const [, url = ''] of text.matchAll(/^\s*(?:lfs)?url\s*=\s*"?([^"\s]*)/gim))
    if (!/^(https?|ssh):\/\//i.test(url))
      throw new SlipwayError('git_failed', `.lfsconfig names ${url}: only http, https and ssh are followed`)
}

/** Verifies the content while it is copied. */
async function replacePointer(tree: string, store: string, pointer: LfsPointer, signal: AbortSignal): Promise<void> {
  const { path, oid } = pointer
  if (!(await has(store, pointer))) throw new SlipwayError('git_failed', `Git LFS has no content of ${path} (${oid})`)
  const target = join(tree, path)
  const { mode } = await stat(target)
  const unfinished = `${target}.${newUuid(Date.now())}`
  const hash = createHash('sha256')
  await pipeline(
    createReadStream(objectPath(store, oid)),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk)
        yield chunk
      }
    },
    createWriteStream(unfinished),
    { signal },
  )
  if (hash.digest('hex') !== oid) {
    await rm(objectPath(store, oid), { force: true })
    throw new SlipwayError('git_failed', `the content of ${path} in Git LFS is damaged (${oid}); try again`)
  }
  await chmod(unfinished, mode & 0o777)
  await rename(unfinished, target)
}

async function bytesBelow(dir: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []))
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0
  return bytes
}
