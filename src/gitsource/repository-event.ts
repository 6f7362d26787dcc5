// What happened in a repository, as any provider or a look at it tells. Plain JSON: it is kept until it was dealt with. It never says
// which repository: that is known from elsewhere.

export type EventLinks = {
  readonly commit?: string
  readonly compare?: string
  readonly branch?: string
  readonly tag?: string
  readonly pullRequest?: string
}

type Common = {
  /** Full: `refs/heads/main`, `refs/pull/7/head`. A valid name of a ref. */
  readonly ref: string
  /** Missing when it has to be looked up by the ref: an annotated tag is no commit. */
  readonly commitSha?: string
  /** Missing when it has to be read from the commit. */
  readonly message?: string
  /** Login of who did it; empty when nobody says. */
  readonly sender: string
  /** http or https. */
  readonly links: EventLinks
}

export type PullRequestAction = 'changed' | 'labelled' | 'closed'

export type RepositoryEvent = Common &
  (
    | { readonly kind: 'branch'; readonly branch: string }
    | { readonly kind: 'tag'; readonly tag: string }
    | {
        readonly kind: 'pull_request'
        /** `changed`: opened, reopened, or has new commits. */
        readonly action: PullRequestAction
        /** As people know it, unique in the repository. */
        readonly pullRequestId: string
        readonly targetBranch: string
        /** Its commits come from another repository, or from one that is gone. */
        readonly isFork: boolean
      }
  )

const refCharactersMax = 1000

/** As git-check-ref-format(1) has it, below `refs/`: nothing in it means anything to git but a name. */
export function isRefName(text: string): boolean {
  return (
    text.length <= refCharactersMax &&
    /^refs\/[^/]/.test(text) &&
    !/[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)|[/.]$/.test(text)
  )
}

export function isCommitSha(text: string): boolean {
  return /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(text) && !/^0+$/.test(text)
}
