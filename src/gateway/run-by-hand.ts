// Runs made by hand: what a push of that commit would start, with the definition of the commit or one that is given.

import type { Configstore } from '../configstore/api.ts'
import type { Project } from '../configstore/types.ts'
import { SlipwayError } from '../lib/errors.ts'
import type { GitEvent } from '../pipeline/event.ts'
import { type FetchedDefinition, fetchDefinition, readDefinition } from './fetch-definition.ts'
import type { ProjectRepository, ProjectSources } from './project-sources.ts'
import { type PlannedRuns, planRunsOf } from './run-creation.ts'

export type RunByHand = {
  /** One of the three; all missing means the project's default branch. */
  readonly branch?: string
  readonly tag?: string
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

type Named = Pick<GitEvent, 'refType' | 'ref' | 'branch' | 'tag'>

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
  const repository = await sources.open(project, signal)
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
  { branch, tag, ref }: RunByHand,
  repository: ProjectRepository | undefined,
  signal: AbortSignal,
): Promise<Named> {
  if ([branch, tag, ref].filter((one) => one !== undefined).length > 1)
    throw new SlipwayError('request_invalid', 'body: only one of branch, tag and ref can be given')
  const full = ref ?? (tag === undefined ? `refs/heads/${branch ?? (await defaultBranch())}` : `refs/tags/${tag}`)
  const [, kind, name] = /^refs\/(heads|tags)\/(.+)$/.exec(full) ?? []
  if (name === undefined)
    throw new SlipwayError('request_invalid', `body.ref: refs/heads/... or refs/tags/... is expected, not ${full}`)
  return kind === 'heads'
    ? { refType: 'branch', ref: full, branch: name, tag: '' }
    : { refType: 'tag', ref: full, branch: '', tag: name }

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
  return { ...named, pullRequestId: '', commitSha, message: asked.message ?? ofTag ?? (await read()) }
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
