// Runs of a user: of a commit that was pushed to the git server, under the user's own group, with what the request gives and nothing
// of any project.

import type { User } from '../../configstore/types.ts'
import type { BodyOf } from '../../contract/route.ts'
import type { ApiRoutes } from '../../contract/routes.ts'
import { directRunAnnotations, type Gitserver, type RepositoryName } from '../../gitserver/api.ts'
import { isRefName } from '../../gitsource/repository-event.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { newUuid } from '../../lib/uuid.ts'
import { runAnnotations } from '../../pipeline/annotations.ts'
import type { GitEvent } from '../../pipeline/event.ts'
import { expandRun } from '../../pipeline/expand.ts'
import { escapeSegment, runGroup } from '../../pipeline/group.ts'
import { planRuns } from '../../pipeline/plan.ts'
import type { Value } from '../../pipeline/run-config.ts'
import { selectTasks } from '../../pipeline/select-tasks.ts'
import { staticEnvironment } from '../../pipeline/static-environment.ts'
import { fetchDefinition } from './fetch-definition.ts'
import { describeNotCreated, type PlannedRuns, shownEvent } from './run-creation.ts'

export type DirectRuns = {
  readonly gitserver: Gitserver
  /** Where tasks clone a repository from. */
  readonly repositoryUrl: (name: RepositoryName) => string
}

export type NewDirectRun = BodyOf<ApiRoutes['createDirectRuns']>

/**
 * Errors: `config_invalid` with all that is wrong with the definition, or when the commit has none; `request_invalid` for a ref or task
 * that cannot be; `commit_not_found` for a commit that was not pushed.
 */
export async function planDirectRuns(
  user: User,
  asked: NewDirectRun,
  { gitserver, repositoryUrl }: DirectRuns,
  signal: AbortSignal,
): Promise<PlannedRuns> {
  const repository = { userId: user.id, repositoryId: asked.repositoryId }
  const event = eventOf(asked)
  const config = selectTasks(await configOf(repository, event.commitSha, gitserver, signal), asked.tasks ?? [])
  const planned = planRuns(config, event)
  const owner = { type: 'user', id: user.id } as const
  const { variables, secrets } = variablesOf(asked)
  const { originUrl = '', submodules = [] } = asked
  const common = {
    // What was started in one repository does not wait for what was started in another.
    group: `${runGroup(owner, event)}/${escapeSegment(asked.repositoryId)}`,
    staticEnvironment: staticEnvironment({ event, cloneUrl: repositoryUrl(repository), trust: 'trusted' }),
    annotations: {
      ...runAnnotations({ owner, event: shownEvent(event), trigger: 'manual' }),
      ...directRunAnnotations({ repository, originUrl, submodules }),
    },
    cacheGroup: `${user.id}-${asked.repositoryId}`,
    secrets,
  }
  return {
    requests: planned.flatMap((one) => {
      if (one.kind !== 'created') return []
      const { runConfig } = expandRun({ config, run: one.run, event, variables, newId: newUuid })
      return [{ ...common, name: runConfig.name, tasks: runConfig.tasks }]
    }),
    notCreated: planned.flatMap((one) =>
      one.kind === 'created' ? [] : [{ name: one.run.name, message: describeNotCreated(one) }],
    ),
  }
}

async function configOf(name: RepositoryName, commitSha: string, gitserver: Gitserver, signal: AbortSignal) {
  const source = {
    readFiles: ({ sha }: { readonly sha: string }, folder: string, names: readonly string[]) =>
      gitserver.readFiles(name, sha, folder, names),
  }
  const definition = await fetchDefinition(source, { sha: commitSha, ref: undefined }, signal)
  if (definition.kind === 'config') return definition.config
  // Whoever starts it is there to be told.
  const what =
    definition.kind === 'none' ? [definition.message] : ['the definition cannot be used:', ...definition.errors]
  throw new SlipwayError('config_invalid', what.join('\n'))
}

function eventOf({ branch, tag, pullRequest, ref, commitSha, message }: NewDirectRun): GitEvent {
  const given = Object.entries({ branch, tag, pullRequest, ref }).filter(([, value]) => value !== undefined)
  if (given.length > 1)
    throw new SlipwayError(
      'request_invalid',
      `body: only one of ${given.map(([name]) => name).join(', ')} can be given`,
    )
  const none = { branch: '', tag: '', pullRequestId: '', commitSha, message }
  // Without a name (a detached HEAD) it is a push to no branch.
  const full =
    ref ??
    (tag !== undefined
      ? `refs/tags/${tag}`
      : pullRequest !== undefined
        ? `refs/pull/${pullRequest}/head`
        : branch !== undefined
          ? `refs/heads/${branch}`
          : 'HEAD')
  if (full === 'HEAD') return { ...none, refType: 'branch', ref: full }
  if (!isRefName(full)) throw new SlipwayError('request_invalid', `body: ${JSON.stringify(full)} is no name of a ref`)
  const [, kind, name] = /^refs\/(heads|tags)\/(.+)$/.exec(full) ?? []
  if (kind === 'heads' && name !== undefined) return { ...none, refType: 'branch', ref: full, branch: name }
  if (kind === 'tags' && name !== undefined) return { ...none, refType: 'tag', ref: full, tag: name }
  const number = /^refs\/(?:pull|merge-requests)\/(\d+)\/head$/.exec(full)?.[1]
  if (number !== undefined) return { ...none, refType: 'pull_request', ref: full, pullRequestId: number }
  throw new SlipwayError(
    'request_invalid',
    `body.ref: refs/heads/..., refs/tags/... or refs/pull/NUMBER/head is expected, not ${full}`,
  )
}

/** Secrets are sealed and masked; what is plain stands in the run as it is. */
function variablesOf({ variables = {}, secrets = {} }: NewDirectRun): {
  readonly variables: ReadonlyMap<string, Value>
  readonly secrets: Readonly<Record<string, string>>
} {
  const refOf = (name: string) => `given/${name}`
  const sealed = Object.entries(secrets)
  return {
    variables: new Map<string, Value>([
      ...Object.entries(variables),
      ...sealed.map(([name]) => [name, { secret: refOf(name) }] as const),
    ]),
    secrets: Object.fromEntries(sealed.map(([name, value]) => [refOf(name), value])),
  }
}

/** For installations without a git server. */
export const noDirectRuns: DirectRuns = {
  gitserver: {
    readFiles: async () => {
      throw new SlipwayError('service_unavailable', 'this installation has no git server for direct runs')
    },
  },
  repositoryUrl: () => '',
}
