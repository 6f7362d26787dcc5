// One delivery: an event becomes runs, or what says why not.

import type { Configstore } from '../../configstore/api.ts'
import type { Project } from '../../configstore/types.ts'
import type { RepositoryEvent } from '../../gitsource/repository-event.ts'
import { isSlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { GitEvent } from '../../pipeline/event.ts'
import { runGroup } from '../../pipeline/group.ts'
import type { NewRunRequest, Runservice } from '../../runservice/api.ts'
import type { Run } from '../../runservice/types.ts'
import { type FetchedDefinition, fetchDefinition, type readDefinition } from '../runs/fetch-definition.ts'
import type { ProjectRepository, ProjectSources } from '../runs/project-sources.ts'
import { planRunsOf, type RunTrigger } from '../runs/run-creation.ts'
import { forPeople } from './after-failure.ts'
import type { DeliveryOutcome, DeliveryWork } from './delivery.ts'
import type { DeliveryRow } from './inbox.ts'
import { noteDefaultBranch } from './note-default-branch.ts'

export type PerformComponents = {
  readonly configstore: Pick<Configstore, 'getProject' | 'resolveVariables' | 'updateProject'>
  readonly runservice: Pick<Runservice, 'createRuns' | 'findRuns' | 'runRows' | 'cancelRun' | 'stopRun'>
  readonly sources: ProjectSources
  /** Looks at the repository: how many branches and tags have changed. */
  readonly look: (project: Project, repository: ProjectRepository, signal: AbortSignal) => Promise<LookResult>
  readonly readDefinition: typeof readDefinition
  /** Before anything that takes the processor: others may come first. */
  readonly turn: () => Promise<void>
  readonly now: () => number
}

export type LookResult = { readonly isFirst: boolean; readonly changed: number }

/** Of a run besides what its request says, at most. */
const runBytes = 2_000
/** Of a repository that could not even be asked what it is. */
const unopened: RunTrigger['repository'] = { cloneUrl: '', skipSshHostKeyCheck: false }
/** In the outcome, which is one row. */
const idsListed = 500
const notCreatedListed = 50

type Performing = {
  readonly delivery: DeliveryRow
  readonly project: Project
  readonly isOver: (error: unknown) => boolean
  readonly signal: AbortSignal
}

/** A transaction is remembered for a day: after this time it is not known any more whether its runs were made. */
const rememberedMs = 23 * 60 * 60 * 1000

/** Repeating it makes nothing twice. Errors: those of repository and services; of those `isOver` knows which are not tried again. */
export async function performDelivery(
  delivery: DeliveryRow,
  { isOver }: { readonly isOver: (error: unknown) => boolean },
  components: PerformComponents,
  signal: AbortSignal,
): Promise<DeliveryOutcome> {
  const { projectId, work, receivedAt, queued } = delivery.body
  const project = await findProject(projectId, components)
  if (project === undefined || work === undefined) return ignored('the project is gone')
  if ((queued?.attempts ?? 1) > 1 && components.now() - receivedAt > rememberedMs)
    return { kind: 'failed', message: 'it was begun more than a day ago: deliver it again if its runs are missing' }
  const performing = { delivery, project, isOver, signal }
  if (work.kind === 'event') return await performEvent(work, performing, components)
  const repository = await components.sources.open(project, signal)
  if (repository === undefined) return ignored('the project has no repository that could be looked at')
  const { isFirst, changed } = await components.look(project, repository, signal)
  if (isFirst) return ignored('the first look: branches and tags are known from now on')
  if (changed === 0) return ignored('no branch and no tag has changed')
  return ignored(`${changed} branches and tags have changed, each is a delivery of its own`)
}

async function performEvent(
  { event, repositoryPath }: Extract<DeliveryWork, { readonly kind: 'event' }>,
  { delivery, project, isOver, signal }: Performing,
  components: PerformComponents,
): Promise<DeliveryOutcome> {
  const isFork = event.kind === 'pull_request' && event.isFork
  if (event.kind === 'pull_request' && event.action === 'closed')
    return await closePullRequest(project, event, components)
  if (isFork && project.effectiveForkRuns === 'never') return ignored('the project starts no runs of forks')
  let repository: ProjectRepository | undefined
  const triggerOf = (definition: RunTrigger['definition'], git: GitEvent): RunTrigger => ({
    event: git,
    definition,
    repository: repository ?? unopened,
    isFork,
    trigger: delivery.body.source === 'poll' ? 'poll' : 'webhook',
    links: event.links,
    webhookEvent: delivery.body.event,
    webhookSender: event.sender,
  })
  try {
    const asked = repositoryPath === undefined ? undefined : { unlessCalled: repositoryPath }
    repository = await components.sources.open(project, signal, asked)
    if (repository === undefined) return ignored('the project has no repository to read the definition from')
    return await startRuns(repository)
  } catch (error) {
    // People look at their runs: what kept a push from starting any is one of them in the end.
    if (signal.aborted || !isOver(error)) throw error
    const message = forPeople(error)
    const git = gitEventOf(event, event.commitSha ?? '', event.message ?? '')
    const errors = [message, `once that is mended: slipway project redeliver ${project.path} ${delivery.id}`]
    const plan = await planRunsOf(project, triggerOf({ kind: 'errors', errors }, git), components.configstore)
    const runs = await components.runservice.createRuns(plan.requests, { transactionId: `${delivery.id}/failed` })
    return { kind: 'failed', message, runIds: runs.map(({ id }) => id) }
  }

  async function startRuns({ source }: ProjectRepository): Promise<DeliveryOutcome> {
    const commitSha = event.commitSha ?? (await source.findRef(event.ref, signal))?.commitSha
    if (commitSha === undefined) return ignored(`${event.ref} is not there any more`)
    await noteDefaultBranch(project, event, source, components.configstore, signal)
    const message =
      event.message ??
      (event.kind === 'tag' ? `Tag ${event.tag}` : (await source.getCommit(commitSha, event.ref, signal)).message)
    const git = gitEventOf(event, commitSha, message)
    const group = runGroup({ type: 'project', id: project.id }, git)
    if (event.kind === 'pull_request' && event.action === 'labelled' && (await hasRunOf(commitSha, group, components)))
      return ignored('a label changes nothing: there are runs of this commit')
    const definition = await fetchDefinition(
      source,
      { sha: commitSha, ref: event.ref },
      signal,
      components.readDefinition,
    )
    if (definition.kind === 'none') return ignored(definition.message)
    await components.turn()
    const needsApproval = isFork && project.effectiveForkRuns === 'approval'
    const isChanged = needsApproval && (await changesDefinition(definition, event, source, signal))
    const plan = await planRunsOf(
      project,
      { ...triggerOf(definition, git), needsApproval, annotations: isChanged ? { definition_changed: 'true' } : {} },
      components.configstore,
    )
    const { requests, notCreated } = plan
    if (requests.length === 0)
      return { kind: 'nothing', message: whyNothing(notCreated), notCreated: listed(notCreated) }
    const runs = await createOnce(requests, delivery.id, components)
    const isNewer = event.kind === 'pull_request' && delivery.body.redeliveryOf === undefined
    if (isNewer && project.cancelSuperseded)
      await endRuns(
        group,
        { before: Math.min(...runs.map(({ sequence }) => sequence)), by: 'a newer push' },
        components,
      )
    const count = runs.length === 1 ? '1 run was created' : `${runs.length} runs were created`
    return {
      kind: 'created',
      message: count,
      runIds: runs.map(({ id }) => id).slice(0, idsListed),
      notCreated: listed(notCreated),
    }
  }
}

/** One transaction, unless there are so many that its result could not be remembered; each of those is made once. */
async function createOnce(
  requests: readonly NewRunRequest[],
  transactionId: string,
  { runservice }: PerformComponents,
): Promise<readonly Run[]> {
  const created: Run[] = []
  for (const [index, part] of partsOf(requests).entries())
    created.push(
      ...(await runservice.createRuns(part, {
        transactionId: index === 0 ? transactionId : `${transactionId}/${index}`,
      })),
    )
  return created
}

function partsOf(requests: readonly NewRunRequest[]): readonly (readonly NewRunRequest[])[] {
  const parts: NewRunRequest[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const request of requests) {
    const { name, group, annotations, setupErrors } = request
    const size = runBytes + Buffer.byteLength(JSON.stringify({ name, group, annotations, setupErrors }))
    if (bytes + size > limits.transactionResultBytes.value) {
      parts.push([])
      bytes = 0
    }
    bytes += size
    parts.at(-1)!.push(request)
  }
  return parts
}

function listed(notCreated: NonNullable<DeliveryOutcome['notCreated']>): NonNullable<DeliveryOutcome['notCreated']> {
  return notCreated
    .slice(0, notCreatedListed)
    .map(({ name, message }) => ({ name, message: message.slice(0, 300).toWellFormed() }))
}

async function closePullRequest(
  project: Project,
  event: Extract<RepositoryEvent, { kind: 'pull_request' }>,
  components: PerformComponents,
): Promise<DeliveryOutcome> {
  const group = runGroup({ type: 'project', id: project.id }, gitEventOf(event, '', ''))
  const ended = await endRuns(group, { by: 'the end of the pull request' }, components)
  return ignored(`the pull request was closed: ${ended} runs of it were ended`)
}

/** Those that wait or run and are older than `before`. Returns how many. */
async function endRuns(
  group: string,
  { before = Number.POSITIVE_INFINITY, by }: { readonly before?: number; readonly by: string },
  { runservice }: PerformComponents,
): Promise<number> {
  let ended = 0
  for (let cursor: string | undefined; ; ) {
    const query = {
      group,
      phases: ['queued', 'running'] as const,
      limit: 100,
      ...(cursor === undefined ? {} : { cursor }),
    }
    const { runs, next } = await runservice.findRuns(query)
    for (const { id, phase, sequence } of runs)
      if (sequence < before && (await endRun(id, phase === 'queued', by, runservice))) ended++
    if (next === undefined) return ended
    cursor = next
  }
}

/** False when it ended by itself meanwhile. */
async function endRun(
  id: string,
  isQueued: boolean,
  by: string,
  runservice: Pick<Runservice, 'cancelRun' | 'stopRun'>,
): Promise<boolean> {
  try {
    if (isQueued) await runservice.cancelRun(id, by)
    else await runservice.stopRun(id, by)
    return true
  } catch (error) {
    if (isSlipwayError(error, 'run_not_queued')) return await endRun(id, false, by, runservice)
    if (isSlipwayError(error, 'run_not_running')) return false
    throw error
  }
}

async function hasRunOf(commitSha: string, group: string, { runservice }: PerformComponents): Promise<boolean> {
  const { runs } = await runservice.findRuns({ group, limit: 25 })
  const rows = await runservice.runRows(runs.map(({ id }) => id))
  return rows.some(({ run }) => run.annotations.commit_sha === commitSha)
}

/** Whether the branch that it is for has another definition. Where that cannot be told it counts as changed. */
async function changesDefinition(
  definition: Exclude<FetchedDefinition, { kind: 'none' }>,
  event: RepositoryEvent,
  source: ProjectRepository['source'],
  signal: AbortSignal,
): Promise<boolean> {
  if (event.kind !== 'pull_request' || event.targetBranch === '') return true
  const target = await source.findRef(`refs/heads/${event.targetBranch}`, signal)
  if (target === undefined) return true
  const there = await fetchDefinition(source, { sha: target.commitSha, ref: target.name }, signal)
  return there.kind === 'none' || there.path !== definition.path || there.text !== definition.text
}

function gitEventOf(event: RepositoryEvent, commitSha: string, message: string): GitEvent {
  const common = { ref: event.ref, branch: '', tag: '', pullRequestId: '', commitSha, message }
  switch (event.kind) {
    case 'branch':
      return { ...common, refType: 'branch', branch: event.branch }
    case 'tag':
      return { ...common, refType: 'tag', tag: event.tag }
    case 'pull_request':
      return { ...common, refType: 'pull_request', pullRequestId: event.pullRequestId }
  }
}

function whyNothing(notCreated: readonly { readonly name: string; readonly message: string }[]): string {
  const [first] = notCreated
  if (first === undefined) return 'the definition has no runs'
  return notCreated.length === 1
    ? `${first.name}: ${first.message}`
    : `none of ${notCreated.length} runs: ${first.name}: ${first.message}`
}

const ignored = (message: string): DeliveryOutcome => ({ kind: 'ignored', message })

async function findProject(id: string, { configstore }: PerformComponents): Promise<Project | undefined> {
  try {
    return await configstore.getProject({ project: id })
  } catch (error) {
    if (isSlipwayError(error, 'project_not_found')) return undefined
    throw error
  }
}
