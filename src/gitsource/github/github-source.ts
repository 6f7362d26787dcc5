// Refs, commits and files of a repository at GitHub. Nothing is read from addresses that an answer names.

import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Commit, GitSource, Ref, SourceFile } from '../git-source.ts'
import type { RemoteRepository } from '../provider.ts'
import { listOf, optionalTextOf, shaOf, textOf } from '../provider-fields.ts'
import { type ProviderAnswer, type ProviderHttp, pathSegments } from '../provider-http.ts'
import { isCommitSha, isRefName } from '../repository-event.ts'
import { at } from '../webhooks/payload.ts'
import { repositoryById } from './github-address.ts'

/** GitHub lists no more of a folder. */
const folderEntriesMax = 1000
/** Tags of tags: git makes them, nobody wants them. */
const tagDepthMax = 5

export class GithubSource implements GitSource {
  readonly #http: ProviderHttp
  readonly #repository: RemoteRepository

  constructor(http: ProviderHttp, repository: RemoteRepository) {
    this.#http = http
    this.#repository = repository
  }

  async listRefs(signal: AbortSignal): Promise<readonly Ref[]> {
    const refs: Ref[] = []
    const add = (ref: Ref) => {
      if (isRefName(ref.name)) refs.push(ref)
      if (refs.length > limits.gitRefs.value)
        throw new SlipwayError(
          'limit_exceeded',
          `${this.#repository.path} has more than ${limits.gitRefs.value} branches and tags (gitRefs)`,
        )
    }
    const branches = { method: 'GET', path: this.#path('/git/matching-refs/heads/'), answers: [404, 409] } as const
    for await (const answer of this.#http.pages(branches, signal)) {
      if (await this.#isMissing(answer, signal)) return []
      for (const entry of listOf(answer.json()))
        add({ name: textOf(entry, 'ref'), commitSha: shaOf(entry, 'object', 'sha') })
    }
    // These name the commit that an annotated tag points to.
    const tags = { method: 'GET', path: this.#path('/tags'), query: { per_page: 100 } } as const
    for await (const entry of this.#http.items(tags, signal)) {
      const commitSha = optionalTextOf(entry, 'commit', 'sha')
      // One of something else than a commit hides no others.
      if (commitSha !== undefined && isCommitSha(commitSha))
        add({ name: `refs/tags/${textOf(entry, 'name')}`, commitSha })
    }
    return refs
  }

  async findRef(name: string, signal: AbortSignal): Promise<Ref | undefined> {
    if (!isRefName(name)) return undefined
    const found = await this.#find(`/git/ref/${pathSegments(name.slice('refs/'.length))}`, signal)
    // Only the ref itself, whatever else begins with its name.
    if (found === undefined || optionalTextOf(found, 'ref') !== name) return undefined
    const commitSha = await this.#commitOf(at(found, 'object'), signal)
    return commitSha === undefined ? undefined : { name, commitSha }
  }

  async findDefaultBranch(signal: AbortSignal): Promise<string | undefined> {
    const repository = await this.#askRepository(signal)
    const branch = optionalTextOf(repository, 'default_branch')
    // GitHub names one of an empty repository too.
    if (branch === undefined || (await this.findRef(`refs/heads/${branch}`, signal)) === undefined) return undefined
    return branch
  }

  async getCommit(sha: string, _ref: string | undefined, signal: AbortSignal): Promise<Commit> {
    const found = isCommitSha(sha) ? await this.#find(`/git/commits/${sha}`, signal) : undefined
    if (found === undefined) throw this.#noCommit(sha)
    return {
      sha: shaOf(found, 'sha'),
      message: textOf(found, 'message').trim(),
      author: textOf(found, 'author', 'name'),
    }
  }

  async readFiles(
    commit: { readonly sha: string; readonly ref: string | undefined },
    folder: string,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly SourceFile[]> {
    if (!isCommitSha(commit.sha)) throw this.#noCommit(commit.sha)
    const listed = await this.#find(`/contents/${pathSegments(folder)}?ref=${commit.sha}`, signal)
    if (listed === undefined) {
      // The folder is missing, or the commit is.
      await this.getCommit(commit.sha, commit.ref, signal)
      return []
    }
    // A file or a link of that name.
    if (!Array.isArray(listed)) return []
    const entries = listed.length < folderEntriesMax ? listOf(listed) : await this.#treeOf(commit.sha, folder, signal)
    const files: SourceFile[] = []
    for (const name of names) {
      const entry = entries.find((each) => (at(each, 'name') ?? at(each, 'path')) === name)
      const path = `${folder}/${name}`
      if (isFile(entry)) files.push({ path, text: await this.#read(entry, path, signal) })
    }
    return files
  }

  /** All of a folder that is too large to be listed. */
  async #treeOf(sha: string, folder: string, signal: AbortSignal): Promise<readonly unknown[]> {
    let tree = sha
    for (const name of [...folder.split('/'), undefined]) {
      const entries = listOf(await this.#find(`/git/trees/${tree}`, signal), 'tree')
      if (name === undefined) return entries
      tree = shaOf(
        entries.find((entry) => at(entry, 'path') === name),
        'sha',
      )
    }
    return []
  }

  async #read(entry: unknown, path: string, signal: AbortSignal): Promise<string> {
    const size = Number(at(entry, 'size'))
    const bytesMax = limits.definitionBytes.value
    if (!(size <= bytesMax))
      throw new SlipwayError('limit_exceeded', `${path} has ${size} bytes, more than ${bytesMax} (definitionBytes)`)
    const blob = await this.#http.json({ method: 'GET', path: this.#path(`/git/blobs/${shaOf(entry, 'sha')}`) }, signal)
    return Buffer.from(textOf(blob, 'content'), 'base64').toString('utf8')
  }

  /** What a ref or a tag points to, in the end; undefined when that is no commit. */
  async #commitOf(object: unknown, signal: AbortSignal, depth = 0): Promise<string | undefined> {
    const sha = shaOf(object, 'sha')
    const type = textOf(object, 'type')
    if (type === 'commit') return sha
    if (type !== 'tag' || depth >= tagDepthMax) return undefined
    const tag = await this.#http.json({ method: 'GET', path: this.#path(`/git/tags/${sha}`) }, signal)
    return await this.#commitOf(at(tag, 'object'), signal, depth + 1)
  }

  /** Its JSON; undefined when the repository is there and this is not. */
  async #find(path: string, signal: AbortSignal): Promise<unknown> {
    const [before = '', query] = path.split('?')
    const answer = await this.#http.request(
      {
        method: 'GET',
        path: this.#path(before),
        query: Object.fromEntries(new URLSearchParams(query)),
        answers: [404, 409, 422],
      },
      signal,
    )
    return (await this.#isMissing(answer, signal)) ? undefined : answer.json()
  }

  /** 404 is what GitHub says of a missing repository as well, 409 that it is empty, 422 that there is no such name. */
  async #isMissing({ status }: ProviderAnswer, signal: AbortSignal): Promise<boolean> {
    if (status < 400) return false
    if (status === 404) await this.#askRepository(signal)
    return true
  }

  #askRepository(signal: AbortSignal): Promise<unknown> {
    const request = { method: 'GET', path: this.#path(''), notFound: 'remote_repository_not_found' } as const
    return this.#http.json(request, signal)
  }

  #path(below: string): string {
    return `${repositoryById(this.#repository.id)}${below}`
  }

  #noCommit(sha: string): SlipwayError {
    return new SlipwayError('commit_not_found', `${this.#repository.path} has no commit ${JSON.stringify(sha)}`)
  }
}

/** Of a listed folder, or of a tree. Links are not followed; a submodule in a folder calls itself a file, with nothing to be read. */
function isFile(entry: unknown): boolean {
  if (at(entry, 'type') === 'blob') return at(entry, 'mode') !== '120000'
  return at(entry, 'type') === 'file' && at(entry, 'download_url') !== null
}
