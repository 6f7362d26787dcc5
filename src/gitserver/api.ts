// All that other rooms may know of the git server: the repositories that direct runs are pushed to.

import type { RpcMethods } from '../http/rpc/rpc.ts'

/** Names a repository: whose it is, and which of theirs. */
export type RepositoryName = {
  /** Id of the user. */
  readonly userId: string
  /** Of the local repository: see `isRepositoryId`. */
  readonly repositoryId: string
}

export type RepositoryFile = { readonly path: string; readonly text: string }

export interface Gitserver {
  /**
   * Files of the commit that are directly in `folder` and have one of `names`; links count as missing. Errors: `commit_not_found`,
   * `limit_exceeded` for a file above `limits.definitionBytes`.
   */
  readFiles(
    repository: RepositoryName,
    commitSha: string,
    folder: string,
    names: readonly string[],
  ): Promise<readonly RepositoryFile[]>
}

/** How each of them crosses processes. */
export const gitserverMethods: RpcMethods<Gitserver> = { readFiles: 'call' }

/** Where repositories are below the address of the server. */
export const repositoriesPath = '/repos'

/** 1 to 64 lower case letters, digits and single hyphens; one that ends with `-sha256` has object names of that kind. */
export function isRepositoryId(text: string): boolean {
  return text.length <= 64 && /^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(text)
}

/** The address of a repository, on a server at `url`. */
export function repositoryUrl(url: string, { userId, repositoryId }: RepositoryName): string {
  return `${url}${repositoriesPath}/${userId}/${repositoryId}.git`
}

/** Where the commit of a direct run is. */
export type DirectRunSource = {
  readonly repository: RepositoryName
  /** Of the local repository; empty when it has none. Without credentials. */
  readonly originUrl: string
  /** Paths of the submodules whose commits were pushed as well. */
  readonly submodules: readonly string[]
}

/** What a direct run carries of it; `directRunSource` reads it. */
export function directRunAnnotations({ repository, originUrl, submodules }: DirectRunSource): Record<string, string> {
  return {
    local_repository: repository.repositoryId,
    ...(originUrl === '' ? {} : { origin_url: originUrl }),
    ...(submodules.length === 0 ? {} : { submodules: JSON.stringify(submodules) }),
  }
}

/** Undefined for runs of other kinds. */
export function directRunSource({
  group,
  annotations,
}: {
  readonly group: string
  readonly annotations: Readonly<Record<string, string>>
}): DirectRunSource | undefined {
  const [, type, userId = ''] = group.split('/')
  const { local_repository: repositoryId = '', origin_url: originUrl = '', submodules = '[]' } = annotations
  if (type !== 'user' || !isRepositoryId(repositoryId)) return undefined
  return { repository: { userId, repositoryId }, originUrl, submodules: JSON.parse(submodules) as readonly string[] }
}
