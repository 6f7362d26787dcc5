// Where clone steps get their files from. Each repository has one bare mirror per executor; a commit is fetched into it once,
// and packed once per (commit, options) as a tar of a complete clone: full or shallow history, `.git`, no alternates, a
// detached HEAD, `origin` without credentials. The tar is streamed into every pod that asks for it.
//
//   <dir>/<hash of the key>/mirror.git   bare, every fetched commit kept by a ref of its own
//                           lfs/         objects of Git LFS, as git-lfs keeps them
//                           fetch.lock   held while fetching, never while waiting for another lock
//                           pack.lock    held while packing
//                           packed/<hash of commit and options>.tar
//                           packed/*.tree, packed/*.unfinished   while packing; what a kill left goes with the next call

import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { fileLock } from '../../lib/file-lock.ts'
import { gitSucceeds, gitText, runGit } from '../../lib/git.ts'
import { openGitAccess } from '../../lib/git-access.ts'
import { mayBeDamage, removeIfDamaged } from '../../lib/git-damage.ts'
import { removeLeftLocks } from '../../lib/git-left-locks.ts'
import { limits } from '../../lib/limits.ts'
import { runProcess } from '../../lib/process.ts'
import { isSameHost } from '../../lib/same-host.ts'
import type { CloneSource } from '../../runservice/executor-api.ts'
import { checkOutLfs, findLfsPointers } from './lfs.ts'

export type CloneOptions = {
  /** Commits of history; undefined means all. */
  readonly depth?: number
  readonly recurseSubmodules: boolean
  /** Fetches files of Git LFS; else a tree that has any fails. */
  readonly lfs?: boolean
}

export type Note = (line: string) => void

/** Packed trees kept per repository, by last use; the mirror makes any of them again. */
const packedTreesKept = 3
const submoduleDepthMax = 10

export class GitMirrors {
  readonly #dir: string
  readonly #bytesMax: number
  readonly #clock: Clock

  /** `bytesMax`: of one mirror; default limits.mirrorBytes. */
  constructor(settings: { readonly dir: string; readonly bytesMax?: number }, components: { readonly clock: Clock }) {
    this.#dir = settings.dir
    this.#bytesMax = settings.bytesMax ?? limits.mirrorBytes.value
    this.#clock = components.clock
  }

  /**
   * Path of a tar with a clone of the commit: made now, or found. It stays readable while opened at once; later calls
   * may remove it. Errors: `git_failed` with what git said, `limit_exceeded` for a mirror that grew too large.
   */
  async packedTree(source: CloneSource, options: CloneOptions, note: Note, signal: AbortSignal): Promise<string> {
    const repository = join(this.#dir, sha256(source.mirrorKey).slice(0, 32))
    const packed = join(repository, 'packed', `${packedName(source, options)}.tar`)
    await mkdir(join(repository, 'packed'), { recursive: true, mode: 0o700 })
    using _lock = await fileLock(join(repository, 'pack.lock'), this.#clock, signal)
    await removeUnfinished(join(repository, 'packed'))
    if (await exists(packed)) {
      const now = new Date(this.#clock.now())
      await utimes(packed, now, now)
      return packed
    }
    const attempt = async () => {
      await this.#fetch(repository, source, [], note, signal)
      await this.#pack(join(repository, 'mirror.git'), packed, source, options, note, signal)
    }
    try {
      await attempt()
    } catch (error) {
      signal.throwIfAborted()
      if (!mayBeDamage(error) || !(await this.#removeDamaged(repository, signal))) throw error
      note('What was fetched before is damaged: fetching all of it again')
      await attempt()
    }
    await removeOldest(join(repository, 'packed'), packedTreesKept)
    return packed
  }

  /** Opens a packed tree for streaming. */
  open(path: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return createReadStream(path, { highWaterMark: 1024 * 1024, signal })
  }

  async #removeDamaged(repository: string, signal: AbortSignal): Promise<boolean> {
    const mirror = join(repository, 'mirror.git')
    using _lock = await fileLock(join(repository, 'fetch.lock'), this.#clock, signal)
    return (await exists(mirror)) && (await removeIfDamaged(mirror, signal))
  }

  /** `settings`: of git, for this fetch. */
  async #fetch(
    repository: string,
    source: CloneSource,
    settings: readonly string[],
    note: Note,
    signal: AbortSignal,
  ): Promise<void> {
    // No URL is an option of git, whoever wrote it.
    if (source.url.startsWith('-')) throw new SlipwayError('git_failed', `"${source.url}" is no URL of a repository`)
    const mirror = join(repository, 'mirror.git')
    await mkdir(repository, { recursive: true, mode: 0o700 })
    using _lock = await fileLock(join(repository, 'fetch.lock'), this.#clock, signal)
    // Nobody else fetches, as we hold the lock.
    await removeLeftLocks(mirror, ['', 'refs/slipway', 'refs/fetched', 'objects/pack'])
    if (!(await exists(join(mirror, 'HEAD')))) {
      await rm(mirror, { recursive: true, force: true })
      await runGit(['init', '--quiet', '--bare', mirror], { signal })
    }
    const kept = `refs/slipway/${source.commitSha}`
    if (await gitSucceeds(['--git-dir', mirror, 'rev-parse', '--quiet', '--verify', `${kept}^{commit}`], { signal }))
      return
    note(`Fetching ${source.ref} (${source.commitSha.slice(0, 12)})`)
    using access = source.access && openGitAccess(source.url, source.access)
    const environment = access?.environment ?? {}
    const fetch = (what: string) =>
      gitSucceeds(
        [
          '--git-dir',
          mirror,
          '-c',
          'gc.auto=0',
          ...settings,
          'fetch',
          '--quiet',
          '--no-tags',
          '--force',
          '--update-shallow',
          '--',
          source.url,
          what,
        ],
        { signal, environment },
      )
    // By commit first: a ref may have moved on. Servers that refuse that give the ref, which must then contain the commit.
    if (!(await fetch(`${source.commitSha}:${kept}`))) {
      await runGit(
        [
          '--git-dir',
          mirror,
          '-c',
          'gc.auto=0',
          ...settings,
          'fetch',
          '--quiet',
          '--force',
          '--',
          source.url,
          `${source.ref}:refs/fetched/ref`,
        ],
        { signal, environment },
      )
      if (!(await gitSucceeds(['--git-dir', mirror, 'cat-file', '-e', `${source.commitSha}^{commit}`], { signal }))) {
        throw new SlipwayError(
          'git_failed',
          `commit ${source.commitSha} is not in ${source.ref} any more: was it force-pushed away?`,
        )
      }
      await runGit(['--git-dir', mirror, 'update-ref', kept, source.commitSha], { signal })
    }
    if ((await mirrorBytes(mirror, signal)) > this.#bytesMax) {
      await rm(mirror, { recursive: true, force: true })
      throw new SlipwayError('limit_exceeded', `the mirror of the repository grew beyond ${this.#bytesMax} bytes`)
    }
  }

  async #pack(
    mirror: string,
    packed: string,
    source: CloneSource,
    options: CloneOptions,
    note: Note,
    signal: AbortSignal,
  ): Promise<void> {
    // Names of their own: a git or tar that outlived the process which began this before may still be writing to its.
    const attempt = randomUUID()
    const tree = `${packed}.${attempt}.tree`
    const unfinished = `${packed}.${attempt}.unfinished`
    try {
      await this.#checkOut(mirror, tree, source, options, signal)
      await this.#checkOutLfs(dirname(mirror), tree, source, options, note, signal)
      if (options.recurseSubmodules) await this.#checkOutSubmodules(tree, source, options, '', note, signal, 0)
      const result = await runProcess(
        'tar',
        ['--format=pax', '--owner=0', '--group=0', '-C', tree, '-cf', unfinished, '.'],
        { signal },
      )
      if (result.code !== 0) throw new SlipwayError('git_failed', `pack the clone: ${result.stderr.trim()}`)
      await rename(unfinished, packed)
    } finally {
      await rm(tree, { recursive: true, force: true })
      await rm(unfinished, { force: true })
    }
  }

  async #checkOut(
    mirror: string,
    tree: string,
    source: CloneSource,
    options: CloneOptions,
    signal: AbortSignal,
  ): Promise<void> {
    const git = (...args: string[]) => runGit(['-C', tree, ...args], { signal })
    const depth = options.depth === undefined ? [] : [`--depth=${options.depth}`]
    await runGit(['init', '--quiet', tree], { signal })
    // `file://` makes git send a pack even from this disk, so the clone has no alternates and is as deep as asked.
    await git(
      'fetch',
      '--quiet',
      '--no-tags',
      '--update-shallow',
      ...depth,
      `file://${mirror}`,
      `refs/slipway/${source.commitSha}`,
    )
    await rm(join(tree, '.git', 'FETCH_HEAD'), { force: true })
    if (source.branch !== '') {
      await git('update-ref', `refs/remotes/origin/${source.branch}`, source.commitSha)
      await git('update-ref', `refs/heads/${source.branch}`, source.commitSha)
    } else {
      await git('update-ref', source.ref.startsWith('refs/') ? source.ref : 'refs/slipway/commit', source.commitSha)
    }
    await git('remote', 'add', 'origin', withoutCredentials(source.originUrl === '' ? source.url : source.originUrl))
    await git('-c', 'advice.detachedHead=false', 'checkout', '--quiet', '--detach', source.commitSha)
  }

  async #checkOutLfs(
    repository: string,
    tree: string,
    source: CloneSource,
    { lfs = false }: CloneOptions,
    note: Note,
    signal: AbortSignal,
  ): Promise<void> {
    const pointers = await findLfsPointers(tree, signal)
    if (pointers.length === 0) return
    const files = pointers.length === 1 ? '1 file is' : `${pointers.length} files are`
    if (!lfs)
      throw new SlipwayError(
        'git_failed',
        `${files} stored in Git LFS: the clone step fetches them when it says "lfs: true"`,
      )
    note(`Fetching ${pointers.length} files of Git LFS`)
    using _lock = await fileLock(join(repository, 'fetch.lock'), this.#clock, signal)
    await checkOutLfs(tree, pointers, { store: join(repository, 'lfs'), source, bytesMax: this.#bytesMax, signal })
  }

  async #checkOutSubmodules(
    tree: string,
    source: CloneSource,
    options: CloneOptions,
    prefix: string,
    note: Note,
    signal: AbortSignal,
    level: number,
  ): Promise<void> {
    if (level > submoduleDepthMax)
      throw new SlipwayError('git_failed', `submodules are nested deeper than ${submoduleDepthMax}`)
    if (!(await exists(join(tree, '.gitmodules')))) return
    for (const module of await submodulesOf(tree, signal)) {
      const path = `${prefix}${module.path}`
      const given = source.submoduleUrls[path]
      const url = given ?? absoluteUrl(module.url, source.originUrl === '' ? source.url : source.originUrl)
      const access = isSameHost(url, source.url) ? source.access : undefined
      note(`Fetching submodule ${path}`)
      const commitSha = /^160000 commit ([0-9a-f]+)/.exec(
        await gitText(['-C', tree, 'ls-tree', 'HEAD', '--', module.path], { signal }),
      )?.[1]
      if (commitSha === undefined) continue
      const submodule: CloneSource = {
        url,
        ref: 'HEAD',
        commitSha,
        branch: '',
        // What needed somebody's credentials is nobody else's to read.
        mirrorKey: given === undefined && access === undefined ? url : `${source.mirrorKey}/${path}`,
        originUrl: absoluteUrl(module.url, source.originUrl === '' ? source.url : source.originUrl),
        submoduleUrls: source.submoduleUrls,
        ...(access === undefined ? {} : { access }),
      }
      const repository = join(this.#dir, sha256(submodule.mirrorKey).slice(0, 32))
      await this.#fetch(repository, submodule, given === undefined ? remoteOnly : [], note, signal)
      await checkNoSymlink(tree, module.path)
      await rm(join(tree, module.path), { recursive: true, force: true })
      await this.#checkOut(
        join(repository, 'mirror.git'),
        join(tree, module.path),
        submodule,
        { recurseSubmodules: true },
        signal,
      )
      await this.#checkOutLfs(repository, join(tree, module.path), submodule, options, note, signal)
      await this.#checkOutSubmodules(join(tree, module.path), submodule, options, `${path}/`, note, signal, level + 1)
    }
  }
}

async function submodulesOf(tree: string, signal: AbortSignal) {
  const text = await gitText(
    ['-C', tree, 'config', '--file', '.gitmodules', '--null', '--get-regexp', '^submodule\\..*\\.(path|url)$'],
    {
      signal,
      codes: [0, 1],
    },
  )
  const modules = new Map<string, { path?: string; url?: string }>()
  for (const entry of text.split('\0').filter((line) => line !== '')) {
    const [key = '', value = ''] = entry.split('\n', 2)
    const name = key.slice('submodule.'.length, key.lastIndexOf('.'))
    const module = modules.get(name) ?? {}
    if (key.endsWith('.path')) module.path = value
    else module.url = value
    modules.set(name, module)
  }
  return [...modules.values()].flatMap(({ path, url }) =>
    path === undefined || url === undefined || !isInside(path) ? [] : [{ path, url }],
  )
}

/**
 * For URLs that stand in .gitmodules, which is somebody's text: they lead to other machines, never to a path of this one
 * (another project's mirror, for example) nor to a program.
 */
const remoteOnly = ['allow=never', ...['http', 'https', 'ssh', 'git'].map((name) => `${name}.allow=always`)].flatMap(
  (setting) => ['-c', `protocol.${setting}`],
)

/** Objects, packed or not. */
async function mirrorBytes(mirror: string, signal: AbortSignal): Promise<number> {
  const text = await gitText(['--git-dir', mirror, 'count-objects', '-v'], { signal })
  return [...text.matchAll(/^size(?:-pack)?: (\d+)$/gm)].reduce(
    (sum, [, kibibytes]) => sum + Number(kibibytes) * 1024,
    0,
  )
}

/** A tree may say that a folder is a symbolic link; what we write below it must not end up where that leads. */
async function checkNoSymlink(tree: string, path: string): Promise<void> {
  let at = tree
  for (const segment of path.split('/').slice(0, -1)) {
    at = join(at, segment)
    if ((await lstat(at).catch(() => undefined))?.isSymbolicLink())
      throw new SlipwayError('git_failed', `submodule ${path} is behind a symbolic link`)
  }
}

/** A path of .gitmodules is somebody's text: it may not leave the tree. */
function isInside(path: string): boolean {
  return (
    !path.startsWith('/') &&
    !path.split('/').includes('..') &&
    path !== '' &&
    path.split('/').every((segment) => segment.toLowerCase() !== '.git')
  )
}

/** Resolves `../other.git` against the superproject's URL, as git does. */
function absoluteUrl(url: string, base: string): string {
  if (!url.startsWith('./') && !url.startsWith('../')) return url
  const segments = base.replace(/\/+$/, '').split('/')
  for (const part of url.split('/')) {
    if (part === '..') segments.pop()
    else if (part !== '.') segments.push(part)
  }
  return segments.join('/')
}

function packedName(source: CloneSource, options: CloneOptions): string {
  const { commitSha, ref, branch, originUrl, submoduleUrls } = source
  return sha256(JSON.stringify({ commitSha, ref, branch, originUrl, submoduleUrls, options })).slice(0, 32)
}

function withoutCredentials(url: string): string {
  return url.replace(/^(\w+:\/\/)[^/]+@/, (match, scheme: string) => (scheme === 'ssh://' ? match : scheme))
}

/** What a killed process left while it packed; nobody else does, as we hold the lock. */
async function removeUnfinished(packedDir: string): Promise<void> {
  for (const name of await readdir(packedDir))
    if (/\.(tree|unfinished)$/.test(name)) await rm(join(packedDir, name), { recursive: true, force: true })
}

async function removeOldest(dir: string, kept: number): Promise<void> {
  const files = await Promise.all(
    (await readdir(dir)).map(async (name) => ({
      name,
      usedAt: (await stat(join(dir, name)).catch(() => undefined))?.mtimeMs ?? 0,
    })),
  )
  for (const { name } of files.sort((a, b) => b.usedAt - a.usedAt).slice(kept)) {
    await rm(join(dir, name), { recursive: true, force: true })
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
