// Runs made by hand: what a push of that commit would start, with the definition of the commit or one that is given.

import type { Configstore } from '../../configstore/api.ts'
import type { Project } from '../../configstore/types.ts'
import type { LinkSubject } from '../../gitsource/provider.ts'
import { isRefName } from '../../gitsource/repository-event.ts'
import { SlipwayError } from '../../lib/errors.ts'
import type { GitEvent } from '../../pipeline/event.ts'
import { type FetchedDefinition, fetchDefinition, readDefinition } from './fetch-definition.ts'
import type { ProjectRepository, ProjectSources } from './project-sources.ts'
import { type PlannedRuns, planRunsOf } from './run-creation.ts'

export type RunByHand = {
  /** One of the four; all missing means the project's default branch. */
  readonly branch?: string
  readonly tag?: string
  /** Its number. */
  readonly pullRequest?: string
  readonly ref?: string
  /** That of the ref when missing. */
  readonly commitSha?: string
  /** That of the commit when missing. */
  readonly message?: string
  /** That of the commit when missing. */
  readonly definition?: { readonly fileName: string; readonly content: string }
  /** They replace the project's of the same name. */
  readonly variables?: Readonly<Record<string, string>>
}

type ByHandComponents = {
  readonly configstore: Pick<Configstore, 'resolveVariables'>
  readonly sources: ProjectSources
}

type Named = Pick<GitEvent, 'refType' | 'ref' | 'branch' | 'tag' | 'pullRequestId'>

/**
 * Reads the repository only for what is not given. Errors: `config_invalid` with all that is wrong with a definition that is given, or
 * when the commit has none; `request_invalid`, `commit_not_found`, `git_failed`.
 */
export async function planRunsByHand(
  project: Project,
  asked: RunByHand,
  { configstore, sources }: ByHandComponents,
  signal: AbortSignal,
): Promise<PlannedRuns> {
  const given = asked.definition && givenDefinition(asked.definition)
  const repository = await sources.open(project, signal, 'always')
  const isRead = given === undefined || asked.commitSha === undefined
  const named = await namedRef(project, asked, isRead ? repository : undefined, signal)
  const event = await eventOf(named, asked, { repository, isRead: given === undefined }, signal)
  return await planRunsOf(
    project,
    {
      event,
      definition: given ?? (await definitionOf(event, neededRepository(repository, 'definition'), signal)),
      repository: repository ?? {
        cloneUrl: project.source.kind === 'git' ? project.source.url : '',
        skipSshHostKeyCheck: project.skipSshHostKeyCheck,
      },
      trigger: 'manual',
      isFork: named.refType === 'pull_request' && !(await isOnBranch(event, repository, signal)),
      ...(repository?.linksOf === undefined ? {} : { links: repository.linksOf(subjectOf(event)) }),
      ...(asked.variables === undefined ? {} : { variables: asked.variables }),
    },
    configstore,
  )
}

/** Whoever gives it is there to be told. */
function givenDefinition({ fileName, content }: NonNullable<RunByHand['definition']>) {
  const definition = readDefinition(`.slipway/${fileName}`, content)
  if (definition.kind === 'config') return definition
  throw new SlipwayError('config_invalid', ['the definition cannot be used:', ...definition.errors].join('\n'))
}

async function definitionOf(
  { commitSha, ref }: GitEvent,
  { source }: ProjectRepository,
  signal: AbortSignal,
): Promise<Exclude<FetchedDefinition, { kind: 'none' }>> {
  const definition = await fetchDefinition(source, { sha: commitSha, ref }, signal)
  if (definition.kind === 'none') throw new SlipwayError('config_invalid', `commit ${commitSha}: ${definition.message}`)
  return definition
}

async function namedRef(
  project: Project,
  { branch, tag, pullRequest, ref }: RunByHand,
  repository: ProjectRepository | undefined,
  signal: AbortSignal,
): Promise<Named> {
  if ([branch, tag, pullRequest, ref].filter((one) => one !== undefined).length > 1)
    throw new SlipwayError('request_invalid', 'body: only one of branch, tag, pullRequest and ref can be given')
  const full = ref ?? refOfPullRequest() ?? (tag === undefined ? undefined : `refs/tags/${tag}`)
  const none = { branch: '', tag: '', pullRequestId: '' }
  const asked = full ?? (branch === undefined ? undefined : `refs/heads/${branch}`)
  if (asked !== undefined && !isRefName(asked))
    throw new SlipwayError('request_invalid', `body: ${JSON.stringify(asked)} is no name of a ref`)
  if (full === undefined) {
    const name = branch ?? (await defaultBranch())
    return { ...none, refType: 'branch', ref: `refs/heads/${name}`, branch: name }
  }
  const [, kind, name] = /^refs\/(heads|tags)\/(.+)$/.exec(full) ?? []
  if (kind === 'heads' && name !== undefined) return { ...none, refType: 'branch', ref: full, branch: name }
  if (kind === 'tags' && name !== undefined) return { ...none, refType: 'tag', ref: full, tag: name }
  const [, number] = /^refs\/(?:pull|merge-requests)\/([0-9]{1,18})\/head$/.exec(full) ?? []
  if (number !== undefined) return { ...none, refType: 'pull_request', ref: full, pullRequestId: number }
  throw new SlipwayError(
    'request_invalid',
    `body.ref: one of a branch, tag or pull request is expected, like refs/heads/main, not ${full}`,
  )

  function refOfPullRequest(): string | undefined {
    if (pullRequest === undefined) return undefined
    return repository?.pullRequestRef?.(pullRequest) ?? `refs/pull/${pullRequest}/head`
  }

  async function defaultBranch(): Promise<string> {
    return (
      project.defaultBranch ?? (await repository?.source.findDefaultBranch(signal).catch(() => undefined)) ?? 'main'
    )
  }
}

async function eventOf(
  named: Named,
  asked: RunByHand,
  { repository, isRead }: { readonly repository: ProjectRepository | undefined; readonly isRead: boolean },
  signal: AbortSignal,
): Promise<GitEvent> {
  const { ref, tag } = named
  const commitSha = asked.commitSha ?? (await commitOf(ref, neededRepository(repository, 'commitSha'), signal))
  const ofTag = tag === '' ? undefined : `Tag ${tag}`
  const read = async () =>
    isRead ? (await neededRepository(repository, 'definition').source.getCommit(commitSha, ref, signal)).message : ''
  return { ...named, commitSha, message: asked.message ?? ofTag ?? (await read()) }
}

/** Then it is the repository's own; where that cannot be told, nothing of the project is entrusted to it. */
async function isOnBranch(
  { commitSha }: GitEvent,
  repository: ProjectRepository | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const refs = (await repository?.source.listRefs(signal)) ?? []
  return refs.some((ref) => ref.name.startsWith('refs/heads/') && ref.commitSha === commitSha)
}

function subjectOf({ commitSha, branch, tag, pullRequestId }: GitEvent): LinkSubject {
  return {
    commitSha,
    ...(branch === '' ? {} : { branch }),
    ...(tag === '' ? {} : { tag }),
    ...(pullRequestId === '' ? {} : { pullRequestId }),
  }
}

async function commitOf(ref: string, { source }: ProjectRepository, signal: AbortSignal): Promise<string> {
  const found = await source.findRef(ref, signal)
  if (found === undefined) throw new SlipwayError('commit_not_found', `the repository has no ${ref}`)
  return found.commitSha
}

function neededRepository(repository: ProjectRepository | undefined, member: string): ProjectRepository {
  if (repository !== undefined) return repository
  throw new SlipwayError('request_invalid', `body.${member}: is needed, for the project has no repository to look in`)
}
