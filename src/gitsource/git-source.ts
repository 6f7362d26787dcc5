// What the rest needs of where commits come from, whatever keeps the repository: a provider with an API, or any git server.

export type Ref = {
  /** `refs/heads/main`. */
  readonly name: string
  readonly commitSha: string
}

export type Commit = {
  readonly sha: string
  /** As a whole; the first line is its subject. */
  readonly message: string
  /** Name of the author. */
  readonly author: string
}

export type SourceFile = { readonly path: string; readonly text: string }

export interface GitSource {
  /** Branches and tags; a tag's commit is what it points to in the end. At most `limits.gitRefs`, else `limit_exceeded`. */
  listRefs(signal: AbortSignal): Promise<readonly Ref[]>
  /** The ref with its commit, or undefined. Pull requests have refs as well, named as the provider names them. */
  findRef(name: string, signal: AbortSignal): Promise<Ref | undefined>
  /** Branch that HEAD names; undefined in an empty repository or when the server does not say. */
  findDefaultBranch(signal: AbortSignal): Promise<string | undefined>
  /** `ref`: one that contains the commit, for servers that give no commit by its name. `commit_not_found`. */
  getCommit(sha: string, ref: string | undefined, signal: AbortSignal): Promise<Commit>
  /**
   * Files of the commit that are directly in `folder` and have one of `names`. `commit_not_found`, `limit_exceeded` for a file above
   * `limits.definitionBytes`. Links are not followed and count as missing.
   */
  readFiles(
    commit: { readonly sha: string; readonly ref: string | undefined },
    folder: string,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly SourceFile[]>
}
