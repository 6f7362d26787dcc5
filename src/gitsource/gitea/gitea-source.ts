// Refs, commits and files of a repository of a Gitea or Forgejo, by its API.

import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { readFileText, readNamedFiles } from '../definition-files.ts'
import type { Commit, GitSource, Ref, SourceFile } from '../git-source.ts'
import { flagOf, optionalTextOf, shaOf, textOf } from '../provider-fields.ts'
import { type ProviderHttp, pathSegments } from '../provider-http.ts'
import { isCommitSha, isRefName } from '../repository-event.ts'
import { at } from '../webhooks/payload.ts'
import { giteaPages } from './gitea-pages.ts'

/** What one branch or tag is in a list, its addresses included. */
const bytesPerRef = 1000

export class GiteaSource implements GitSource {
  readonly #http: ProviderHttp
  readonly #findPath: (signal: AbortSignal) => Promise<string>
  #path: string | undefined

  /** `findPath`: of its API, `/repos/acme/web`. Asked for once. */
  constructor(http: ProviderHttp, findPath: (signal: AbortSignal) => Promise<string>) {
    this.#http = http
    this.#findPath = findPath
  }

  async listRefs(signal: AbortSignal): Promise<readonly Ref[]> {
    const heads = await this.#matching('refs/heads/', signal)
    const tags = await this.#matching('refs/tags/', signal)
    if (heads.length + tags.length > limits.gitRefs.value)
      throw new SlipwayError(
        'limit_exceeded',
        `the repository has more than ${limits.gitRefs.value} branches and tags (gitRefs)`,
      )
    const commits = await this.#commitsOfTags(tags, signal)
    return [...heads, ...tags].flatMap((ref) => {
      const name = textOf(ref, 'ref')
      const commitSha = at(ref, 'object', 'type') === 'tag' ? commits.get(name) : commitOf(ref)
      return commitSha === undefined ? [] : [{ name, commitSha }]
    })
  }

  async findRef(name: string, signal: AbortSignal): Promise<Ref | undefined> {
    if (!isRefName(name)) return undefined
    // Those that begin with the name come along.
    const ref = (await this.#matching(name, signal)).find((one) => at(one, 'ref') === name)
    if (ref === undefined) return undefined
    const isTag = at(ref, 'object', 'type') === 'tag'
    const commitSha = isTag ? await this.#commitOfTag(shaOf(ref, 'object', 'sha'), signal) : commitOf(ref)
    return commitSha === undefined ? undefined : { name, commitSha }
  }

  async findDefaultBranch(signal: AbortSignal): Promise<string | undefined> {
    const repository = await this.#repository(signal)
    return flagOf(repository, 'empty') ? undefined : optionalTextOf(repository, 'default_branch')
  }

  async getCommit(sha: string, _ref: string | undefined, signal: AbortSignal): Promise<Commit> {
    const commit = isCommitSha(sha) ? await this.#findCommit(sha, signal) : undefined
    if (commit === undefined) throw noCommit(sha)
    return {
      sha: shaOf(commit, 'sha'),
      author: optionalTextOf(commit, 'commit', 'author', 'name') ?? '',
      message: textOf(commit, 'commit', 'message').trim(),
    }
  }

  async readFiles(
    { sha, ref }: { readonly sha: string; readonly ref: string | undefined },
    folder: string,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly SourceFile[]> {
    if (!isCommitSha(sha)) throw noCommit(sha)
    const entries = await this.#listFolder(sha, ref, folder, signal)
    return await readNamedFiles(
      { folder, names },
      entries,
      (entry) => at(entry, 'type') === 'file',
      async (_, file) => {
        const path = `${await this.#repositoryPath(signal)}/raw/${pathSegments(file)}`
        return await readFileText(this.#http, { path, query: { ref: sha }, file }, signal)
      },
    )
  }

  async #listFolder(
    sha: string,
    ref: string | undefined,
    folder: string,
    signal: AbortSignal,
  ): Promise<readonly unknown[]> {
    const path = `${await this.#repositoryPath(signal)}/contents/${pathSegments(folder)}`
    const answer = await this.#http.request({ method: 'GET', path, query: { ref: sha }, answers: [404] }, signal)
    if (answer.status !== 404) {
      // No list: something that is no folder has its name.
      const entries = answer.json()
      return Array.isArray(entries) ? entries : []
    }
    // The same answer when only the folder is missing.
    await this.getCommit(sha, ref, signal)
    return []
  }

  async #findCommit(sha: string, signal: AbortSignal): Promise<unknown> {
    // What these would add is not needed, and costs the server most of its time.
    const query = { stat: false, verification: false, files: false }
    const path = `${await this.#repositoryPath(signal)}/git/commits/${sha}`
    const answer = await this.#http.request({ method: 'GET', path, query, answers: [404] }, signal)
    if (answer.status !== 404) return answer.json()
    await this.#repository(signal)
    return undefined
  }

  /** Refs that begin with `name`, but those that git itself would not take. */
  async #matching(name: string, signal: AbortSignal): Promise<readonly unknown[]> {
    const path = `${await this.#repositoryPath(signal)}/git/${pathSegments(name.replace(/\/$/, ''))}`
    const bytesMax = limits.gitRefs.value * bytesPerRef
    const answer = await this.#http.request({ method: 'GET', path, answers: [404], bytesMax }, signal)
    if (answer.status === 404) {
      await this.#repository(signal)
      return []
    }
    const found = answer.json()
    return (Array.isArray(found) ? found : [found]).filter((one) => {
      const ref = textOf(one, 'ref')
      return ref.startsWith(name) && isRefName(ref)
    })
  }

  /** By their refs, of those that are annotated. */
  async #commitsOfTags(tags: readonly unknown[], signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const commits = new Map<string, string>()
    const annotated = tags.filter((tag) => at(tag, 'object', 'type') === 'tag')
    if (annotated.length === 0) return commits
    const path = `${await this.#repositoryPath(signal)}/tags`
    try {
      for await (const { items } of giteaPages(this.#http, { method: 'GET', path }, 1, signal))
        for (const tag of items) commits.set(`refs/tags/${textOf(tag, 'name')}`, shaOf(tag, 'commit', 'sha'))
    } catch (error) {
      // Gitea fails to list tags when one of them is of something else than a commit.
      if (!isSlipwayError(error, 'provider_unavailable')) throw error
      for (const tag of annotated) {
        const commitSha = await this.#commitOfTag(shaOf(tag, 'object', 'sha'), signal)
        if (commitSha !== undefined) commits.set(textOf(tag, 'ref'), commitSha)
      }
    }
    return commits
  }

  /** Undefined when it is of something else, for which Gitea's answer is 400. */
  async #commitOfTag(sha: string, signal: AbortSignal): Promise<string | undefined> {
    const path = `${await this.#repositoryPath(signal)}/git/tags/${sha}`
    const answer = await this.#http.request({ method: 'GET', path, answers: [400] }, signal)
    return answer.status === 400 ? undefined : shaOf(answer.json(), 'object', 'sha')
  }

  async #repositoryPath(signal: AbortSignal): Promise<string> {
    this.#path ??= await this.#findPath(signal)
    return this.#path
  }

  /** Errors: `remote_repository_not_found`; what else is missing has the same answer from Gitea. */
  async #repository(signal: AbortSignal): Promise<unknown> {
    return await this.#http.json(
      { method: 'GET', path: await this.#repositoryPath(signal), notFound: 'remote_repository_not_found' },
      signal,
    )
  }
}

function noCommit(sha: string): SlipwayError {
  return new SlipwayError('commit_not_found', `the repository has no commit ${JSON.stringify(sha)}`)
}

/** Of a ref that is no annotated tag; undefined when it is of something else than a commit. */
function commitOf(ref: unknown): string | undefined {
  return at(ref, 'object', 'type') === 'commit' ? shaOf(ref, 'object', 'sha') : undefined
}
