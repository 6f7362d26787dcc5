// The git server in this process, or the way to those of others; and how tasks of direct runs get their commits from it.

import type { Configstore } from '../../configstore/api.ts'
import {
  directRunSource,
  type Gitserver,
  gitserverMethods,
  type RepositoryName,
  repositoryUrl,
} from '../../gitserver/api.ts'
import { mountGitserverForward } from '../../gitserver/requests/forward.ts'
import { type CredentialKeys, type RunTaskName, runCredential } from '../../gitserver/requests/run-credential.ts'
import { mountGitserver } from '../../gitserver/requests/smart-http.ts'
import { gitserverDirectory, openGitserver } from '../../gitserver/service.ts'
import { createRpcClient } from '../../http/rpc/rpc-client.ts'
import { serveRpc } from '../../http/rpc/rpc-server.ts'
import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Runservice } from '../../runservice/api.ts'
import type { CloneSource } from '../../runservice/executor-api.ts'
import type { CloneAddress } from '../../runservice/orders/make-order.ts'
import { isFinishedTask, type RunConfigRow } from '../../runservice/types.ts'
import { startCleaning } from '../cleaning-rounds.ts'
import { isShared } from '../settings/read-settings.ts'
import type { Installation, Mount } from './open-server.ts'

const prefix = '/internal/gitserver'

export type GitserverParts = {
  readonly configstore: Configstore
  readonly runservice: Pick<Runservice, 'loadRun'>
}

/** Disposing closes what was opened here. Undefined when the installation has none that is known of. */
export async function openGitserverComponent(
  installation: Installation,
  mounts: Mount[],
  { configstore, runservice }: GitserverParts,
): Promise<(Gitserver & AsyncDisposable) | undefined> {
  const { settings, keys, storage, databases, clock, logger, figures } = installation
  if (!settings.components.has('gitserver')) {
    const urls = settings.services.gitserver
    if (urls.length === 0) return undefined
    if (settings.components.has('gateway')) mounts.push((app) => mountGitserverForward(app, urls))
    return createRpcClient<Gitserver>({ urls, prefix, methods: gitserverMethods, token: keys.services })
  }
  await using undo = new AsyncDisposableStack()
  const gitserver = await openGitserver(
    { dir: gitserverDirectory(settings.dataDir) },
    { storage, clock, logger, onPush: (outcome) => figures.pushes.count({ outcome }) },
  )
  const cleaning = { refsMs: settings.retention.directRunsMs, isUser: (userId: string) => isUser(userId, configstore) }
  undo.use(
    startCleaning(
      async (signal) => {
        const lock = await databases.coordination.tryLock('git-cleaning', signal)
        try {
          // Another instance cleans.
          if (lock !== undefined) await gitserver.clean(cleaning, signal)
        } finally {
          await lock?.[Symbol.asyncDispose]()
        }
        figures.repositories.measured = await gitserver.measure(signal)
      },
      { clock, logger },
    ),
  )
  mounts.push((app) =>
    mountGitserver(app, {
      gitserver,
      configstore,
      keys: credentialKeys(installation),
      repositoryOfTask: (task) => repositoryOfTask(task, { runservice, clock }),
    }),
  )
  if (isShared(settings))
    mounts.push((app) =>
      serveRpc<Gitserver>(
        app,
        { prefix, methods: gitserverMethods, token: keys.services },
        { target: gitserver, logger },
      ),
    )
  const owned = undo.move()
  return { readFiles: gitserver.readFiles, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

async function isUser(user: string, configstore: Pick<Configstore, 'getUser'>): Promise<boolean> {
  try {
    await configstore.getUser({ user })
    return true
  } catch (error) {
    if (isSlipwayError(error, 'user_not_found')) return false
    throw error
  }
}

function credentialKeys({ keys: { sealing } }: Pick<Installation, 'keys'>): CredentialKeys {
  const [first, ...rest] = sealing
  return [first.bytes, ...rest.map(({ bytes }) => bytes)]
}

/** How long an instance may be behind the one that has handed the task out. */
const behindMs = limits.readBarrierMs.value
const askAgainMs = 100

/** What the task may fetch from, as long as it has not ended. */
export async function repositoryOfTask(
  { runId, taskId }: RunTaskName,
  { runservice, clock }: { readonly runservice: Pick<Runservice, 'loadRun'>; readonly clock: Clock },
): Promise<RepositoryName | undefined> {
  for (const until = clock.now() + behindMs; ; await clock.sleep(askAgainMs)) {
    const view = await runservice.loadRun(runId)
    const found = view?.tasks.find(({ task }) => task.id === taskId)
    if (view === undefined) {
      if (clock.now() >= until) return undefined
      continue
    }
    const { run } = view
    const isOpen = (run.phase === 'queued' || run.phase === 'running') && found && !isFinishedTask(found.task.status)
    return isOpen ? directRunSource(run)?.repository : undefined
  }
}

/** How the task fetches from the git server; undefined for runs of other kinds. */
export function directRunAccess(
  config: RunConfigRow,
  task: { readonly runId: string; readonly runTaskId: string },
  installation: Pick<Installation, 'keys'>,
): CloneAddress | undefined {
  if (directRunSource(config) === undefined) return undefined
  const password = runCredential({ runId: task.runId, taskId: task.runTaskId }, credentialKeys(installation))
  return { access: { credentials: { type: 'password', userName: 'slipway', password } } }
}

/** `source`: as that of any run. */
export function directRunCloneSource(config: RunConfigRow, source: CloneSource): CloneSource {
  const direct = directRunSource(config)
  if (direct === undefined) return source
  const { repository, originUrl, submodules } = direct
  return {
    ...source,
    originUrl: originUrl === '' ? source.url : originUrl,
    mirrorKey: `user-${repository.userId}-${repository.repositoryId}`,
    submoduleUrls: Object.fromEntries(submodules.map((path) => [path, source.url])),
  }
}

/** The address of a repository, as people and executors reach it. */
export function repositoryAddress(name: RepositoryName, installation: Pick<Installation, 'publicUrl'>): string {
  return repositoryUrl(installation.publicUrl(), name)
}
