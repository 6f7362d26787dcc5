// Runs made by hand: a definition and a commit become what a push of that commit would start.

import type { Configstore } from '../configstore/api.ts'
import type { Project } from '../configstore/types.ts'
import { SlipwayError } from '../lib/errors.ts'
import { newUuid } from '../lib/uuid.ts'
import { runAnnotations } from '../pipeline/annotations.ts'
import { checkDefinition } from '../pipeline/config/check.ts'
import type { Config } from '../pipeline/config/config.ts'
import { formatDiagnostic } from '../pipeline/config/diagnostic.ts'
import type { GitEvent } from '../pipeline/event.ts'
import { expandRun } from '../pipeline/expand.ts'
import { runGroup } from '../pipeline/group.ts'
import { type PlannedRun, planRuns } from '../pipeline/plan.ts'
import { isSecretRef, type Value } from '../pipeline/run-config.ts'
import { staticEnvironment } from '../pipeline/static-environment.ts'
import type { NewRunRequest } from '../runservice/api.ts'

export type RunByHand = {
  /** One of the three; all missing means the project's default branch. */
  readonly branch?: string
  readonly tag?: string
  readonly ref?: string
  readonly commitSha: string
  readonly message?: string
  readonly definition: { readonly fileName: string; readonly content: string }
  /** They replace the project's of the same name. */
  readonly variables?: Readonly<Record<string, string>>
}

export type PlannedRuns = {
  readonly requests: readonly NewRunRequest[]
  readonly notCreated: readonly { readonly name: string; readonly message: string }[]
}

/** Errors: `config_invalid` with all that is wrong, `request_invalid`. */
export async function planRunsByHand(
  project: Project,
  asked: RunByHand,
  configstore: Pick<Configstore, 'resolveVariables' | 'openSecrets'>,
): Promise<PlannedRuns> {
  const config = readDefinition(asked.definition)
  const event = eventOf(project, asked)
  const planned = planRuns(config, event)
  const { variables, secrets } = await variablesOf(project, { event, given: asked.variables ?? {} }, configstore)
  const created = planned.filter((one) => one.kind === 'created')
  return {
    requests: created.map(({ run }) => {
      const { runConfig } = expandRun({ config, run, event, variables, newId: newUuid })
      return { ...commonOf(project, event), name: runConfig.name, tasks: runConfig.tasks, secrets }
    }),
    notCreated: planned.flatMap((one) =>
      one.kind === 'created' ? [] : [{ name: one.run.name, message: describeNotCreated(one) }],
    ),
  }
}

function commonOf(project: Project, event: GitEvent): Omit<NewRunRequest, 'name' | 'secrets'> {
  const owner = { type: 'project', id: project.id } as const
  return {
    group: runGroup(owner, event),
    staticEnvironment: staticEnvironment({
      event,
      cloneUrl: project.source.kind === 'git' ? project.source.url : '',
      trust: 'trusted',
      skipSshHostKeyCheck: project.skipSshHostKeyCheck,
    }),
    annotations: runAnnotations({ owner, event, trigger: 'manual' }),
    // Shared with projects of the same owner only, whatever others call theirs.
    ...(project.cacheGroup === undefined ? {} : { cacheGroup: `${project.owner.id}-${project.cacheGroup}` }),
    trust: 'trusted',
  }
}

function readDefinition({ fileName, content }: RunByHand['definition']): Config {
  const { config, errors } = checkDefinition({ path: `.slipway/${fileName}`, text: content })
  if (config !== undefined) return config
  throw new SlipwayError(
    'config_invalid',
    ['the definition cannot be used:', ...errors.map(formatDiagnostic)].join('\n'),
  )
}

function eventOf(project: Project, asked: RunByHand): GitEvent {
  const { branch, tag, ref } = asked
  if ([branch, tag, ref].filter((one) => one !== undefined).length > 1)
    throw new SlipwayError('request_invalid', 'body: only one of branch, tag and ref can be given')
  const common = { commitSha: asked.commitSha, message: asked.message ?? '', branch: '', tag: '', pullRequestId: '' }
  const full =
    ref ?? (tag === undefined ? `refs/heads/${branch ?? project.defaultBranch ?? 'main'}` : `refs/tags/${tag}`)
  const [, kind, name] = /^refs\/(heads|tags)\/(.+)$/.exec(full) ?? []
  if (name === undefined)
    throw new SlipwayError('request_invalid', `body.ref: refs/heads/... or refs/tags/... is expected, not ${full}`)
  return kind === 'heads'
    ? { ...common, refType: 'branch', ref: full, branch: name }
    : { ...common, refType: 'tag', ref: full, tag: name }
}

/** What is given by hand is as secret as the rest: nobody knows what people put there. */
async function variablesOf(
  project: Project,
  { event, given }: { readonly event: GitEvent; readonly given: Readonly<Record<string, string>> },
  configstore: Pick<Configstore, 'resolveVariables' | 'openSecrets'>,
): Promise<{ readonly variables: ReadonlyMap<string, Value>; readonly secrets: Readonly<Record<string, string>> }> {
  const resolved = await configstore.resolveVariables({ project: project.id, event, isFork: false })
  const own = Object.entries(resolved.variables).filter(([name]) => !Object.hasOwn(given, name))
  const refs = own.flatMap(([, value]) => (isSecretRef(value) ? [value.secret] : []))
  const { values } = refs.length === 0 ? { values: {} } : await configstore.openSecrets({ refs: [...new Set(refs)] })
  const byHand = Object.entries(given).map(([name, value]) => ({ name, ref: `given/${name}`, value }))
  return {
    variables: new Map<string, Value>([...own, ...byHand.map(({ name, ref }) => [name, { secret: ref }] as const)]),
    secrets: { ...values, ...Object.fromEntries(byHand.map(({ ref, value }) => [ref, value])) },
  }
}

function describeNotCreated({ reason }: Extract<PlannedRun, { readonly kind: 'not_created' }>): string {
  return reason.kind === 'skipped_message'
    ? `the message asks for no runs: ${reason.marker}`
    : `when ${reason.rule} does not match ${reason.ref}`
}
