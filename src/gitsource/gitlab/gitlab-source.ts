// Refs, commits and files of a project of a GitLab, by its API.

import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { readFileText, readNamedFiles } from '../definition-files.ts'
import type { Commit, GitSource, Ref, SourceFile } from '../git-source.ts'
import { flagOf, optionalTextOf, shaOf, textOf } from '../provider-fields.ts'
import { type ProviderHttp, pathSegment } from '../provider-http.ts'
import { isCommitSha, isRefName } from '../repository-event.ts'
import { at, branchOrTag } from '../webhooks/payload.ts'
import { projectPath } from './gitlab-address.ts'

const perPage = 100

export class GitlabSource implements GitSource {
  readonly #http: ProviderHttp
  readonly #project: string
  readonly #repository: string

  constructor(http: ProviderHttp, projectId: string) {
    this.#http = http
    this.#project = projectPath(projectId)
    this.#repository = `${this.#project}/repository`
  }

  async listRefs(signal: AbortSignal): Promise<readonly Ref[]> {
    const refs: Ref[] = []
    for (const [kind, prefix] of [
      ['branches', 'refs/heads/'],
      ['tags', 'refs/tags/'],
    ] as const) {
      const path = `${this.#repository}/${kind}`
      const request = { method: 'GET', path, query: { per_page: perPage }, notFound } as const
      for await (const one of this.#http.items(request, signal)) {
        const name = `${prefix}${textOf(one, 'name')}`
        // A tag of something else than a commit has none.
        if (isRefName(name) && at(one, 'commit') !== null) refs.push({ name, commitSha: shaOf(one, 'commit', 'id') })
        if (refs.length > limits.gitRefs.value)
          throw new SlipwayError(
            'limit_exceeded',
            `the repository has more than ${limits.gitRefs.value} branches and tags (gitRefs)`,
          )
      }
    }
    return refs
  }

  async findRef(name: string, signal: AbortSignal): Promise<Ref | undefined> {
    const found = branchOrTag(name)
    if (found === undefined) return await this.#findByCommit(name, signal)
    const path = found.kind === 'branch' ? `branches/${pathSegment(found.branch)}` : `tags/${pathSegment(found.tag)}`
    const answer = await this.#find(`${this.#repository}/${path}`, signal)
    if (answer === undefined || at(answer, 'commit') === null) return undefined
    return { name, commitSha: shaOf(answer, 'commit', 'id') }
  }

  /** GitLab gives a commit by any name of it. */
  async #findByCommit(name: string, signal: AbortSignal): Promise<Ref | undefined> {
    if (!isRefName(name)) return undefined
    const commit = await this.#find(`${this.#repository}/commits/${pathSegment(name)}`, signal)
    return commit === undefined ? undefined : { name, commitSha: shaOf(commit, 'id') }
  }

  async findDefaultBranch(signal: AbortSignal): Promise<string | undefined> {
    const project = await this.#http.json({ method: 'GET', path: this.#project, notFound }, signal)
    return flagOf(project, 'empty_repo') ? undefined : optionalTextOf(project, 'default_branch')
  }

  async getCommit(sha: string, _ref: string | undefined, signal: AbortSignal): Promise<Commit> {
    const commit = isCommitSha(sha) ? await this.#find(`${this.#repository}/commits/${sha}`, signal) : undefined
    if (commit === undefined) throw noCommit(sha)
    return {
      sha: shaOf(commit, 'id'),
      author: optionalTextOf(commit, 'author_name') ?? '',
      message: textOf(commit, 'message').trim(),
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
      (entry) => at(entry, 'type') === 'blob' && at(entry, 'mode') !== '120000',
      async (entry, file) => {
        const path = `${this.#repository}/blobs/${shaOf(entry, 'id')}/raw`
        return await readFileText(this.#http, { path, file }, signal)
      },
    )
  }

  async #listFolder(
    sha: string,
    ref: string | undefined,
    folder: string,
    signal: AbortSignal,
  ): Promise<readonly unknown[]> {
    const path = `${this.#repository}/tree`
    const query = { ref: sha, path: folder, per_page: perPage }
    try {
      const request = { method: 'GET', path, query, notFound: 'commit_not_found' } as const
      return await Array.fromAsync(this.#http.items(request, signal))
    } catch (error) {
      if (!isSlipwayError(error, 'commit_not_found')) throw error
      // The same answer when only the folder is missing.
      await this.getCommit(sha, ref, signal)
      return []
    }
  }

  /** Undefined when there is no such thing in the project. */
  async #find(path: string, signal: AbortSignal): Promise<unknown> {
    const answer = await this.#http.request({ method: 'GET', path, answers: [404] }, signal)
    if (answer.status !== 404) return answer.json()
    if (/Project/i.test(String(at(answer.json(), 'message'))))
      throw new SlipwayError(notFound, `GitLab: GET ${path}: the project is not there`)
    return undefined
  }
}

const notFound = 'remote_repository_not_found'

function noCommit(sha: string): SlipwayError {
  return new SlipwayError('commit_not_found', `the repository has no commit ${JSON.stringify(sha)}`)
}
