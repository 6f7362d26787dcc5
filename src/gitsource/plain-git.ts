// Any repository by its URL, with git itself. What was fetched is kept in a bare repository without file contents, which is a cache: it
// may be removed at any time nobody uses it.

import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../lib/errors.ts'
import { fileLock } from '../lib/file-lock.ts'
import { gitSucceeds, gitText, runGit } from '../lib/git.ts'
import { type GitAccessOptions, openGitAccess } from '../lib/git-access.ts'
import { mayBeDamage, removeIfDamaged } from '../lib/git-damage.ts'
import { removeLeftLocks } from '../lib/git-left-locks.ts'
import { limits } from '../lib/limits.ts'
import type { Commit, GitSource, Ref, SourceFile } from './git-source.ts'

export type PlainGitSettings = GitAccessOptions & {
  readonly url: string
  /** Of this repository alone; made when missing. */
  readonly cacheDir: string
}

/** `ref`: where it is, for servers that give no commit by its name. */
type WantedCommit = { readonly sha: string; readonly ref: string | undefined }

/**
 * Contents of files are left out of a fetch, and come when they are asked for. Not a setting of the repository: all else that is missing
 * there is damage, which git must not look for elsewhere.
 */
const contentsOnDemand = ['-c', 'remote.origin.promisor=true', '-c', 'remote.origin.partialclonefilter=blob:none']

export class PlainGit implements GitSource {
  readonly #settings: PlainGitSettings
  readonly #clock: Clock

  constructor(settings: PlainGitSettings, { clock }: { readonly clock: Clock }) {
    this.#settings = settings
    this.#clock = clock
  }

  async listRefs(signal: AbortSignal): Promise<readonly Ref[]> {
    const text = await this.#remote(['ls-remote', '--heads', '--tags', '--', this.#settings.url], signal)
    const refs = parseRefs(text)
    if (refs.length > limits.gitRefs.value)
      throw new SlipwayError(
        'limit_exceeded',
        `the repository has more than ${limits.gitRefs.value} branches and tags (gitRefs)`,
      )
    return refs
  }

  async findRef(name: string, signal: AbortSignal): Promise<Ref | undefined> {
    // A pattern of ls-remote matches the end of names, so others may come along.
    const text = await this.#remote(['ls-remote', '--', this.#settings.url, name, `${name}^{}`], signal)
    return parseRefs(text).find((ref) => ref.name === name)
  }

  async findDefaultBranch(signal: AbortSignal): Promise<string | undefined> {
    const text = await this.#remote(['ls-remote', '--symref', '--', this.#settings.url, 'HEAD'], signal)
    return /^ref: refs\/heads\/(\S+)\tHEAD$/m.exec(text)?.[1]
  }

  async getCommit(sha: string, ref: string | undefined, signal: AbortSignal): Promise<Commit> {
    const show = ['show', '--no-patch', '--format=%H%x00%an%x00%B', sha]
    const text = await this.#fetched({ sha, ref }, () => this.#local(show, signal), signal)
    const [full = '', author = '', message = ''] = text.split('\0')
    return { sha: full, author, message: message.trim() }
  }

  async readFiles(
    commit: WantedCommit,
    folder: string,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly SourceFile[]> {
    return await this.#fetched(commit, () => this.#readFolder(commit.sha, folder, names, signal), signal)
  }

  async #readFolder(
    sha: string,
    folder: string,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly SourceFile[]> {
    // By path, not as `COMMIT:FOLDER`: a folder that is missing is then an empty list, and everything else that goes wrong an error.
    const tree = await this.#local(['ls-tree', '-z', sha, '--', `${folder}/`], signal)
    const files: SourceFile[] = []
    for (const entry of tree.split('\0')) {
      const [, mode, id, path] = /^(\d+) blob ([0-9a-f]+)\t(.*)$/s.exec(entry) ?? []
      if (path === undefined || mode === '120000' || !names.includes(path.slice(folder.length + 1))) continue
      files.push({ path, text: await this.#readBlob(id!, path, signal) })
    }
    return files
  }

  async #readBlob(id: string, path: string, signal: AbortSignal): Promise<string> {
    // Its content was left out of the fetch; git gets it now, from the same place.
    const bytesMax = limits.definitionBytes.value
    using access = this.#access()
    const environment = { ...access.environment, ...this.#repository() }
    const size = Number(await gitText([...contentsOnDemand, 'cat-file', '-s', id], { signal, environment }))
    if (size > bytesMax)
      throw new SlipwayError('limit_exceeded', `${path} has ${size} bytes, more than ${bytesMax} (definitionBytes)`)
    return (await runGit([...contentsOnDemand, 'cat-file', 'blob', id], { signal, environment })).toString('utf8')
  }

  /** What `read` gives when the commit is there. A cache that turns out to be damaged is made anew. */
  async #fetched<T>(commit: WantedCommit, read: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(commit.sha))
      throw new SlipwayError('commit_not_found', `${JSON.stringify(commit.sha)} is no name of a commit`)
    const attempt = async () => {
      await this.#fetch(commit, signal)
      return await read()
    }
    try {
      return await attempt()
    } catch (error) {
      signal.throwIfAborted()
      const isWorthALook = mayBeDamage(error) || isSlipwayError(error, 'commit_not_found')
      if (!isWorthALook || !(await this.#removeDamaged(signal))) throw error
    }
    return await attempt()
  }

  async #removeDamaged(signal: AbortSignal): Promise<boolean> {
    using _lock = await fileLock(join(this.#settings.cacheDir, 'lock'), this.#clock, signal)
    return existsSync(this.#dir) && (await removeIfDamaged(this.#dir, signal, contentsOnDemand))
  }

  async #fetch({ sha, ref }: WantedCommit, signal: AbortSignal): Promise<void> {
    const { url, cacheDir } = this.#settings
    await mkdir(cacheDir, { recursive: true, mode: 0o700 })
    using _lock = await fileLock(join(cacheDir, 'lock'), this.#clock, signal)
    // Contents of files are fetched without our lock, so what is written of packs may be somebody's.
    await removeLeftLocks(this.#dir, ['', 'refs/slipway'])
    if (!existsSync(join(this.#dir, 'HEAD'))) {
      await rm(this.#dir, { recursive: true, force: true })
      await runGit(['init', '--quiet', '--bare', this.#dir], { signal })
    }
    if (!(await this.#hasAllCommits(signal)))
      throw new SlipwayError('git_failed', 'commits that were fetched are not in the cache any more')
    await this.#local(['config', 'remote.origin.url', url], signal)
    const kept = `refs/slipway/${sha}`
    if (await this.#has(kept, signal)) return
    using access = this.#access()
    const environment = { ...access.environment, ...this.#repository() }
    const fetch = [
      ...contentsOnDemand,
      '-c',
      'gc.auto=0',
      'fetch',
      '--quiet',
      '--no-tags',
      '--force',
      '--depth=1',
      '--filter=blob:none',
      'origin',
    ]
    if (await gitSucceeds([...fetch, `${sha}:${kept}`], { signal, environment })) return
    // Servers that give nothing by the name of a commit give the ref; without a depth, for the commit may be older than its end.
    if (ref !== undefined) {
      const byRef = [...fetch.filter((word) => word !== '--depth=1'), `+${ref}:refs/slipway/ref`]
      await runGit(byRef, { signal, environment })
      if (await gitSucceeds(['update-ref', kept, `${sha}^{commit}`], { signal, environment })) return
    } else await runGit([...fetch, `${sha}:${kept}`], { signal, environment })
    throw new SlipwayError(
      'commit_not_found',
      `the repository has no commit ${sha}${ref === undefined ? '' : ` on ${ref}`}`,
    )
  }

  /** Fetching into a repository that lacks the commits of its refs, git would ask for each, in a process within the one before. */
  async #hasAllCommits(signal: AbortSignal): Promise<boolean> {
    const check = ['for-each-ref', '--format=%(objecttype)']
    return await gitSucceeds(check, { signal, environment: this.#repository() })
  }

  async #has(ref: string, signal: AbortSignal): Promise<boolean> {
    return await gitSucceeds(['rev-parse', '--quiet', '--verify', `${ref}^{commit}`], {
      signal,
      environment: this.#repository(),
    })
  }

  get #dir(): string {
    return join(this.#settings.cacheDir, 'repository.git')
  }

  #repository(): Readonly<Record<string, string>> {
    return { GIT_DIR: this.#dir }
  }

  #access() {
    return openGitAccess(this.#settings.url, this.#settings)
  }

  async #local(args: readonly string[], signal: AbortSignal): Promise<string> {
    return (await runGit(args, { signal, environment: this.#repository() })).toString('utf8')
  }

  async #remote(args: readonly string[], signal: AbortSignal): Promise<string> {
    using access = this.#access()
    return (await runGit(args, { signal, environment: access.environment })).toString('utf8')
  }
}

/** Lines of ls-remote. `NAME^{}` is what the annotated tag NAME points to. */
function parseRefs(text: string): readonly Ref[] {
  const commits = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, sha, name] = /^([0-9a-f]{40,64})\t(refs\/.+)$/.exec(line) ?? []
    if (sha !== undefined) commits.set(name!, sha)
  }
  return [...commits]
    .filter(([name]) => !name.endsWith('^{}'))
    .map(([name, sha]) => ({ name, commitSha: commits.get(`${name}^{}`) ?? sha }))
}
