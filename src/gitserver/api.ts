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
