// What starts runs, whatever it was: an event and the definition at its commit become requests to create runs.

import { type Configstore, deployKeyRef } from '../../configstore/api.ts'
import type { Project } from '../../configstore/types.ts'
import { newUuid } from '../../lib/uuid.ts'
import { type AnnotationsInput, runAnnotations } from '../../pipeline/annotations.ts'
import type { Config } from '../../pipeline/config/config.ts'
import type { GitEvent } from '../../pipeline/event.ts'
import { expandRun } from '../../pipeline/expand.ts'
import { runGroup } from '../../pipeline/group.ts'
import { type PlannedRun, planRuns } from '../../pipeline/plan.ts'
import type { RunConfigTask, Value } from '../../pipeline/run-config.ts'
import { staticEnvironment } from '../../pipeline/static-environment.ts'
import type { NewRunRequest } from '../../runservice/api.ts'
import type { ProjectRepository } from './project-sources.ts'

export type RunTrigger = Pick<AnnotationsInput, 'trigger' | 'links' | 'webhookEvent' | 'webhookSender'> & {
  readonly event: GitEvent
  readonly definition:
    | { readonly kind: 'config'; readonly config: Config }
    | { readonly kind: 'errors'; readonly errors: readonly string[] }
  /** What tasks clone. */
  readonly repository: Pick<ProjectRepository, 'cloneUrl' | 'sshHostKey' | 'skipSshHostKeyCheck'>
  /** The commit is of another repository: nothing of the project is entrusted to it. */
  readonly isFork?: boolean
  /** Nothing begins before somebody has approved it. */
  readonly needsApproval?: boolean
  /** They replace the project's of the same name. */
  readonly variables?: Readonly<Record<string, string>>
  /** Besides those that every run has. */
  readonly annotations?: Readonly<Record<string, string>>
}

export type PlannedRuns = {
  readonly requests: readonly NewRunRequest[]
  readonly notCreated: readonly { readonly name: string; readonly message: string }[]
}

type Variables = Pick<Configstore, 'resolveVariables'>

/** Which repository of its provider a run is of, whatever it is called by now. */
export const repositoryIdAnnotation = 'repository_id'

/** Of a run; rows are small. */
const messageCharactersMax = 4_000

/** A definition with errors is one run, in which they are seen. Errors: those of the configstore. */
export async function planRunsOf(project: Project, trigger: RunTrigger, configstore: Variables): Promise<PlannedRuns> {
  const { definition, event, needsApproval = false } = trigger
  if (definition.kind === 'errors') {
    return {
      requests: [{ ...commonOf(project, trigger), name: 'Setup Error', setupErrors: definition.errors, secrets: {} }],
      notCreated: [],
    }
  }
  const { config } = definition
  const planned = planRuns(config, event)
  const created = planned.filter((one) => one.kind === 'created')
  const notCreated = planned.flatMap((one) =>
    one.kind === 'created' ? [] : [{ name: one.run.name, message: describeNotCreated(one) }],
  )
  if (created.length === 0) return { requests: [], notCreated }
  const { variables, secrets } = await variablesOf(project, trigger, configstore)
  const common = commonOf(project, trigger)
  return {
    requests: created.map(({ run }) => {
      const { runConfig } = expandRun({ config, run, event, variables, newId: newUuid })
      return {
        ...common,
        name: runConfig.name,
        tasks: needsApproval ? runConfig.tasks.map(withApproval) : runConfig.tasks,
        secrets,
      }
    }),
    notCreated,
  }
}

/** Where nothing stands before a task, a person does; what comes after it waits anyway. */
function withApproval(task: RunConfigTask): RunConfigTask {
  return task.depends.length === 0 ? { ...task, needsApproval: true } : task
}

function commonOf(
  project: Project,
  { event, repository, isFork = false, annotations, ...origin }: RunTrigger,
): Omit<NewRunRequest, 'name' | 'secrets'> {
  const owner = { type: 'project', id: project.id } as const
  const trust = isFork ? 'fork' : 'trusted'
  return {
    group: runGroup(owner, event),
    staticEnvironment: staticEnvironment({
      event,
      trust,
      cloneUrl: repository.cloneUrl,
      skipSshHostKeyCheck: repository.skipSshHostKeyCheck,
      ...(repository.sshHostKey === undefined ? {} : { sshHostKey: repository.sshHostKey }),
      // Only where the project says so, and never for a fork.
      ...(isFork || !project.deployKeyInTasks ? {} : { sshPrivateKey: { secret: deployKeyRef } }),
    }),
    annotations: {
      ...runAnnotations({ owner, event: shownEvent(event), ...origin }),
      ...(project.source.kind === 'remotesource' ? { [repositoryIdAnnotation]: project.source.repositoryId } : {}),
      ...annotations,
    },
    // Shared with projects of the same owner only, whatever others call theirs.
    ...(project.cacheGroup === undefined ? {} : { cacheGroup: `${project.owner.id}-${project.cacheGroup}` }),
    trust,
  }
}

/** A message is as long as somebody likes, and every list of runs has it. */
export function shownEvent(event: GitEvent): GitEvent {
  const { message } = event
  if (message.length <= messageCharactersMax) return event
  return { ...event, message: `${message.slice(0, messageCharactersMax).toWellFormed()}...` }
}

/**
 * The project's stay references, whose values are looked up when a task is handed out. What is given by hand is kept nowhere else, and
 * as secret as the rest: nobody knows what people put there.
 */
async function variablesOf(
  project: Project,
  { event, isFork = false, variables: given = {} }: RunTrigger,
  configstore: Variables,
): Promise<{ readonly variables: ReadonlyMap<string, Value>; readonly secrets: Readonly<Record<string, string>> }> {
  const resolved = await configstore.resolveVariables({ project: project.id, event, isFork })
  const own = Object.entries(resolved.variables).filter(([name]) => !Object.hasOwn(given, name))
  const byHand = Object.entries(given).map(([name, value]) => ({ name, ref: `given/${name}`, value }))
  return {
    variables: new Map<string, Value>([...own, ...byHand.map(({ name, ref }) => [name, { secret: ref }] as const)]),
    secrets: Object.fromEntries(byHand.map(({ ref, value }) => [ref, value])),
  }
}

/** For people, one line. */
export function describeNotCreated({ reason }: Extract<PlannedRun, { readonly kind: 'not_created' }>): string {
  return reason.kind === 'skipped_message'
    ? `the message asks for no runs: ${reason.marker}`
    : `when ${reason.rule} does not match ${reason.ref}`
}
