// A repository in memory, as projects of a test gateway have it.

import { createHash } from 'node:crypto'
import type { Commit, GitSource, Ref, SourceFile } from '../gitsource/git-source.ts'
import { SlipwayError } from '../lib/errors.ts'
import type { ProjectSources } from './runs/project-sources.ts'

export class FakeRepository implements GitSource {
  readonly #commits = new Map<string, Commit & { readonly files: Readonly<Record<string, string>> }>()
  readonly #refs = new Map<string, string>()
  /** Thrown by everything while it is set: the server is down. */
  trouble: Error | undefined

  /** Moves the ref to a new commit. */
  push(ref: string, message: string, files: Readonly<Record<string, string>> = {}): string {
    const sha = createHash('sha1').update(`${this.#commits.size} ${message}`).digest('hex')
    this.#commits.set(sha, { sha, message, author: 'ann', files })
    this.#refs.set(ref, sha)
    return sha
  }

  /** The commit is known by another name as well. */
  alias(sha: string, of: string): void {
    this.#commits.set(sha, { ...this.#commit(of), sha })
  }

  /** Moves or makes a ref; without a commit it is gone. */
  point(ref: string, sha?: string): void {
    if (sha === undefined) this.#refs.delete(ref)
    else this.#refs.set(ref, sha)
  }

  async listRefs(): Promise<readonly Ref[]> {
    this.#check()
    return [...this.#refs]
      .map(([name, commitSha]) => ({ name, commitSha }))
      .filter(({ name }) => /^refs\/(heads|tags)\//.test(name))
  }

  async findRef(name: string): Promise<Ref | undefined> {
    this.#check()
    const commitSha = this.#refs.get(name)
    return commitSha === undefined ? undefined : { name, commitSha }
  }

  async findDefaultBranch(): Promise<string | undefined> {
    this.#check()
    return 'main'
  }

  async getCommit(sha: string): Promise<Commit> {
    const { files: _, ...commit } = this.#commit(sha)
    return commit
  }

  async readFiles(
    { sha }: { readonly sha: string },
    folder: string,
    names: readonly string[],
  ): Promise<readonly SourceFile[]> {
    const { files } = this.#commit(sha)
    return names.flatMap((name) => {
      const text = files[`${folder}/${name}`]
      return text === undefined ? [] : [{ path: `${folder}/${name}`, text }]
    })
  }

  #commit(sha: string) {
    this.#check()
    const commit = this.#commits.get(sha)
    if (commit === undefined) throw new SlipwayError('commit_not_found', `the repository has no commit ${sha}`)
    return commit
  }

  #check(): void {
    if (this.trouble !== undefined) throw this.trouble
  }
}

/** Each project of kind `git` has the repository of its URL; others have none. */
export function fakeSources(repositories: ReadonlyMap<string, FakeRepository>): ProjectSources {
  return {
    open: async ({ source, skipSshHostKeyCheck }) => {
      const repository = source.kind === 'git' ? repositories.get(source.url) : undefined
      if (repository === undefined || source.kind !== 'git') return undefined
      return { source: repository, cloneUrl: source.url, skipSshHostKeyCheck }
    },
  }
}
