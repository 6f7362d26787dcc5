// What happened in the repository, as far as a definition may look at it.

export const refTypes = ['branch', 'tag', 'pull_request'] as const
export type RefType = (typeof refTypes)[number]

export type GitEvent = {
  readonly refType: RefType
  /** Full ref: refs/heads/main, refs/tags/v1, refs/pull/7/head. */
  readonly ref: string
  /** Empty when it does not apply. */
  readonly branch: string
  readonly tag: string
  readonly pullRequestId: string
  readonly commitSha: string
  readonly message: string
}
