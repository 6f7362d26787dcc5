// A repository of a provider server: a bare git repository with what a provider keeps about it.

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ProviderServer, ServerUser } from './provider-server.ts'

export type ServerKey = {
  readonly id: number
  readonly title: string
  readonly key: string
  readonly isReadOnly: boolean
}

export type ServerHook = {
  readonly id: number
  url: string
  secret: string
  /** As the provider calls them. */
  events: readonly string[]
  isActive: boolean
  contentType: string
}

export type ServerStatus = {
  readonly id: number
  readonly sha: string
  /** As the provider calls it. */
  readonly state: string
  readonly context: string
  readonly description: string
  readonly targetUrl: string
}

export type ServerPullRequest = {
  readonly id: number
  /** In the base repository. */
  readonly number: number
  readonly title: string
  readonly user: ServerUser
  /** Undefined once a fork was deleted. */
  readonly head: { repository: ServerRepository | undefined; readonly branch: string; sha: string }
  readonly base: { readonly branch: string }
  isOpen: boolean
  /** The commit that brought it into its base; undefined: none did. */
  mergedAs: string | undefined
  readonly labels: string[]
}

export type CommitRequest = {
  readonly message?: string
  /** By path; null removes one. */
  readonly files: Readonly<Record<string, string | null>>
  /** Where symbolic links lead, by path. */
  readonly links?: Readonly<Record<string, string>>
  /** Commits of submodules, by path. */
  readonly submodules?: Readonly<Record<string, string>>
  /** Default: the default branch. A new one begins at `from`, or at the default branch. */
  readonly branch?: string
  readonly from?: string
  /** Who pushes it; default: the first administrator. */
  readonly user?: ServerUser
}

/** A change of one ref, as pushed. */
export type ServerPush = {
  readonly ref: string
  /** Zeros for a ref that is new or gone. */
  readonly before: string
  readonly after: string
  readonly user: ServerUser
}

export const noSha = '0'.repeat(40)

export class ServerRepository {
  readonly id: number
  path: string
  readonly createdAt: string
  readonly isPrivate: boolean
  isArchived = false
  defaultBranch: string
  readonly dir: string
  /** Who may change settings, and who may only read (when it is private). */
  readonly administrators = new Set<ServerUser>()
  readonly readers = new Set<ServerUser>()
  /** Who may push, too, and say statuses. */
  readonly writers = new Set<ServerUser>()
  readonly keys: ServerKey[] = []
  readonly hooks: ServerHook[] = []
  readonly statuses: ServerStatus[] = []
  readonly pullRequests: ServerPullRequest[] = []
  /** Where it was before it was renamed. */
  readonly formerPaths: string[] = []
  readonly parent: ServerRepository | undefined
  readonly #server: ProviderServer

  constructor(
    server: ProviderServer,
    {
      path,
      isPrivate,
      defaultBranch,
      parent,
    }: {
      readonly path: string
      readonly isPrivate: boolean
      readonly defaultBranch: string
      readonly parent: ServerRepository | undefined
    },
  ) {
    this.#server = server
    this.id = server.nextId()
    this.path = path
    this.createdAt = server.nowText()
    this.isPrivate = isPrivate
    this.defaultBranch = defaultBranch
    this.parent = parent
    this.dir = join(server.root, `${this.id}.git`)
    if (parent === undefined) writeEmptyRepository(this.dir, defaultBranch)
    else execFileSync('git', ['clone', '--quiet', '--bare', parent.dir, this.dir])
  }

  /** `acme/team` of `acme/team/web`. */
  get owner(): string {
    return this.path.slice(0, this.path.lastIndexOf('/'))
  }

  get name(): string {
    return this.path.slice(this.path.lastIndexOf('/') + 1)
  }

  get serverUrl(): string {
    return this.#server.url
  }

  get webUrl(): string {
    return `${this.#server.url}/${this.path}`
  }

  get cloneUrl(): string {
    return `${this.webUrl}.git`
  }

  get sshUrl(): string {
    return this.#server.sshUrlOf(this.path)
  }

  get isEmpty(): boolean {
    return this.refs().size === 0
  }

  /** What git prints, trimmed. */
  git(...args: string[]): string {
    return this.#git(args).trim()
  }

  /** Commits by name of the ref; of annotated tags the tag object. */
  refs(prefix = 'refs/'): ReadonlyMap<string, string> {
    const lines = this.git('for-each-ref', '--format=%(refname) %(objectname)', prefix).split('\n')
    return new Map(lines.filter((line) => line !== '').map((line) => line.split(' ') as [string, string]))
  }

  /** The commit, as if it had been pushed: hooks are sent. */
  async commit(request: CommitRequest): Promise<string> {
    const branch = request.branch ?? this.defaultBranch
    const ref = `refs/heads/${branch}`
    const known = this.refs('refs/heads/')
    const before = known.get(ref)
    const from = before ?? request.from ?? known.get(`refs/heads/${this.defaultBranch}`)
    const message = request.message ?? 'A change'
    const person = `Test <test@example.org> ${Math.floor(Date.now() / 1000)} +0000`
    const content = (text: string) => `data ${Buffer.byteLength(text)}\n${text}\n`
    const { files, links = {}, submodules = {} } = request
    const input = [
      `commit ${ref}\nmark :1\nauthor ${person}\ncommitter ${person}\n${content(message)}`,
      from === undefined ? '' : `from ${from}\n`,
      ...Object.entries(files).map(([path, text]) =>
        text === null ? `D ${path}\n` : `M 100644 inline ${path}\n${content(text)}`,
      ),
      ...Object.entries(links).map(([path, target]) => `M 120000 inline ${path}\n${content(target)}`),
      ...Object.entries(submodules).map(([path, sha]) => `M 160000 ${sha} ${path}\n`),
    ]
    const after = this.#git(['fast-import', '--quiet'], `${input.join('')}get-mark :1\n`).trim()
    await this.pushed([{ ref, before: before ?? noSha, after, user: request.user ?? this.anAdministrator() }])
    return after
  }

  /** The name of the commit, or of the tag object when it is annotated. */
  async tag(name: string, { isAnnotated = false, at = this.defaultBranch } = {}): Promise<string> {
    const ref = `refs/tags/${name}`
    const before = this.refs(ref).get(ref) ?? noSha
    this.git('tag', '--force', ...(isAnnotated ? ['--annotate', '--message', `Tag ${name}`] : []), name, at)
    const after = this.git('rev-parse', ref)
    await this.pushed([{ ref, before, after, user: this.anAdministrator() }])
    return after
  }

  async removeRef(ref: string): Promise<void> {
    const before = this.git('rev-parse', ref)
    this.git('update-ref', '-d', ref)
    await this.pushed([{ ref, before, after: noSha, user: this.anAdministrator() }])
    const [, branch] = /^refs\/heads\/(.+)$/.exec(ref) ?? []
    if (branch === undefined || this.#server.flavour.closesWithBranch !== true) return
    for (const base of this.#server.repositories) await base.closePullRequestsOf(this, branch)
  }

  /** From a branch of this repository, or of a fork of it. */
  async openPullRequest({
    title = 'A change',
    head,
    branch,
    base = this.defaultBranch,
    user,
  }: {
    readonly title?: string
    readonly head?: ServerRepository
    readonly branch: string
    readonly base?: string
    readonly user?: ServerUser
  }): Promise<ServerPullRequest> {
    const from = head ?? this
    const pullRequest: ServerPullRequest = {
      id: this.#server.nextId(),
      number: this.pullRequests.length + 1,
      title,
      user: user ?? from.anAdministrator(),
      head: { repository: from, branch, sha: from.git('rev-parse', `refs/heads/${branch}`) },
      base: { branch: base },
      isOpen: true,
      mergedAs: undefined,
      labels: [],
    }
    this.pullRequests.push(pullRequest)
    this.#fetchHead(pullRequest)
    await this.#server.sendHooks(this, { kind: 'pull_request', action: 'opened', pullRequest, user: pullRequest.user })
    return pullRequest
  }

  async closePullRequest(pullRequest: ServerPullRequest): Promise<void> {
    pullRequest.isOpen = false
    await this.#server.sendHooks(this, { kind: 'pull_request', action: 'closed', pullRequest, user: pullRequest.user })
  }

  /** With a commit of its own, which its base has from then on. */
  async mergePullRequest(pullRequest: ServerPullRequest): Promise<string> {
    const { head, base, title } = pullRequest
    const user = this.anAdministrator()
    const ref = `refs/heads/${base.branch}`
    const before = this.git('rev-parse', ref)
    const after = this.git('commit-tree', `${head.sha}^{tree}`, '-p', before, '-p', head.sha, '-m', `Merge ${title}`)
    this.git('update-ref', ref, after)
    pullRequest.isOpen = false
    pullRequest.mergedAs = after
    await this.#server.sendHooks(this, { kind: 'pull_request', action: 'closed', pullRequest, user })
    await this.pushed([{ ref, before, after, user }])
    return after
  }

  /** Those that are open and whose commits come from there. */
  async closePullRequestsOf(from: ServerRepository, branch?: string): Promise<void> {
    for (const pullRequest of this.pullRequests) {
      const { isOpen, head } = pullRequest
      const isFrom = head.repository === from && (branch === undefined || head.branch === branch)
      if (isOpen && isFrom) await this.closePullRequest(pullRequest)
    }
  }

  async reopenPullRequest(pullRequest: ServerPullRequest): Promise<void> {
    pullRequest.isOpen = true
    await this.#server.sendHooks(this, {
      kind: 'pull_request',
      action: 'reopened',
      pullRequest,
      user: pullRequest.user,
    })
  }

  async labelPullRequest(pullRequest: ServerPullRequest, label: string): Promise<void> {
    pullRequest.labels.push(label)
    const user = this.anAdministrator()
    await this.#server.sendHooks(this, { kind: 'pull_request', action: 'labelled', pullRequest, label, user })
  }

  /** What happens after refs have changed: hooks, and pull requests that follow their branch. */
  async pushed(pushes: readonly ServerPush[]): Promise<void> {
    for (const push of pushes) {
      const ofKind = pushes.filter(({ ref }) => ref.startsWith('refs/tags/') === push.ref.startsWith('refs/tags/'))
      if (ofKind.length <= (this.#server.flavour.hookedRefsMost ?? ofKind.length))
        await this.#server.sendHooks(this, { kind: 'push', push })
    }
    for (const base of this.#server.repositories) {
      for (const pullRequest of base.pullRequests) {
        const { head } = pullRequest
        const push = pushes.find(({ ref }) => ref === `refs/heads/${head.branch}`)
        if (!pullRequest.isOpen || head.repository !== this || push === undefined || push.after === noSha) continue
        head.sha = push.after
        base.#fetchHead(pullRequest)
        const event = {
          kind: 'pull_request',
          action: 'synchronised',
          before: push.before,
          pullRequest,
          user: push.user,
        } as const
        await this.#server.sendHooks(base, event)
      }
    }
  }

  anAdministrator(): ServerUser {
    const [first] = this.administrators
    if (first === undefined) throw new Error(`${this.path} has no administrator`)
    return first
  }

  canRead(user: ServerUser | undefined): boolean {
    return !this.isPrivate || this.isMember(user)
  }

  /** Whoever it was given to, for whatever. */
  isMember(user: ServerUser | undefined): boolean {
    return this.canPush(user) || (user !== undefined && this.readers.has(user))
  }

  canPush(user: ServerUser | undefined): boolean {
    return this.canAdminister(user) || (user !== undefined && this.writers.has(user))
  }

  canAdminister(user: ServerUser | undefined): boolean {
    return user !== undefined && this.administrators.has(user)
  }

  statusesOf(sha: string): readonly ServerStatus[] {
    return this.statuses.filter((status) => status.sha === sha)
  }

  #fetchHead({ number, head }: ServerPullRequest): void {
    const ref = this.#server.flavour.pullRequestRef(number)
    this.git('fetch', '--quiet', head.repository?.dir ?? this.dir, `+refs/heads/${head.branch}:${ref}`)
  }

  #git(args: readonly string[], input?: string): string {
    return execFileSync('git', args, {
      cwd: this.dir,
      encoding: 'utf8',
      input,
      stdio: ['pipe', 'pipe', 'pipe'],
      maxBuffer: 64 * 1024 * 1024,
      env: {
        PATH: process.env.PATH,
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_AUTHOR_NAME: 'Test',
        GIT_AUTHOR_EMAIL: 'test@example.org',
        GIT_COMMITTER_NAME: 'Test',
        GIT_COMMITTER_EMAIL: 'test@example.org',
      },
    })
  }
}

/** What `git init --bare` makes, without starting it: tests make many. */
function writeEmptyRepository(dir: string, defaultBranch: string): void {
  for (const name of ['objects/info', 'objects/pack', 'refs/heads', 'refs/tags'])
    mkdirSync(join(dir, name), { recursive: true })
  writeFileSync(join(dir, 'HEAD'), `ref: refs/heads/${defaultBranch}\n`)
  writeFileSync(join(dir, 'config'), '[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n')
}
