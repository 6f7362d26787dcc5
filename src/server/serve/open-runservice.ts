// The runservice of this process, or the way to those of others.

import type { Configstore } from '../../configstore/api.ts'
import type { ProviderAccess } from '../../configstore/provider-access.ts'
import { repositoryIdAnnotation } from '../../gateway/runs/run-creation.ts'
import { limits } from '../../lib/limits.ts'
import type { Runservice, RunserviceHost } from '../../runservice/api.ts'
import { Caches } from '../../runservice/archives/caches.ts'
import type { CloneSource } from '../../runservice/executor-api.ts'
import { mountExecutorRoutes } from '../../runservice/executors/executor-routes.ts'
import type { CloneAccess } from '../../runservice/orders/make-order.ts'
import { createRemoteRunservice, serveRunservice } from '../../runservice/remote.ts'
import { type RunserviceSchema, runserviceRowTypes } from '../../runservice/row-types.ts'
import { createRunservice } from '../../runservice/service.ts'
import type { RunConfigRow } from '../../runservice/types.ts'
import { startCleaning } from '../cleaning-rounds.ts'
import { isShared } from '../settings/read-settings.ts'
import { followDeletions } from './follow-deletions.ts'
import { directRunAccess, directRunCloneSource } from './open-gitserver.ts'
import type { Installation, Mount } from './open-server.ts'
import { cloneAccessOf } from './project-repository.ts'
import { projectSecrets } from './project-secrets.ts'
import type { RecentRepositories } from './recent-repositories.ts'

export type RunserviceComponent = AsyncDisposable & {
  readonly runservice: Runservice
  /** When it is in this process. */
  readonly host: RunserviceHost | undefined
}

/** Disposing closes what was opened here. */
export async function openRunserviceComponent(
  installation: Installation,
  mounts: Mount[],
  {
    configstore,
    providers,
    repositories,
  }: {
    readonly configstore: Configstore
    readonly providers: ProviderAccess
    readonly repositories: RecentRepositories
  },
): Promise<RunserviceComponent> {
  const { settings, keys, storage, databases, clock, logger, instanceId } = installation
  if (!settings.components.has('runservice')) {
    const remote = createRemoteRunservice({ urls: settings.services.runservice, token: keys.services })
    return { runservice: remote, host: undefined, [Symbol.asyncDispose]: () => remote[Symbol.asyncDispose]() }
  }
  await using undo = new AsyncDisposableStack()
  const database = undo.use(await databases.open<RunserviceSchema>('runservice', { types: runserviceRowTypes }))
  installation.watch('runservice', database)
  const cloneAccess: CloneAccess = async (config, task, options) => {
    const [, owner, id] = config.group.split('/')
    if (owner !== 'project') return directRunAccess(config, task, installation)
    const repositoryId = config.annotations[repositoryIdAnnotation]
    const made = { cloneUrl: cloneSource(config).url, ...(repositoryId === undefined ? {} : { repositoryId }) }
    const components = { configstore, providers, repositories, ...options }
    return await cloneAccessOf({ projectId: id ?? '', ...made }, components)
  }
  const caches = new Caches({ ost: storage, clock })
  const host = undo.use(
    createRunservice(
      {
        storeId: database.identity.store,
        keys: keys.sealing,
        instanceId,
        ...(isShared(settings) ? { instanceUrl: settings.instanceUrl, instanceToken: keys.services } : {}),
      },
      {
        database,
        ost: storage,
        caches,
        clock,
        logger,
        cloneSource: (config) => directRunCloneSource(config, cloneSource(config)),
        cloneAccess,
        secretResolver: projectSecrets(configstore),
        coordination: databases.coordination,
      },
    ),
  )
  const { logsMs, workspacesMs, cachesMs } = settings.retention
  undo.use(
    startCleaning(
      async (signal) => {
        await host.clean({ logsMs, workspacesMs, eventsMs: limits.runEventRetentionMs.value }, signal)
        await caches.clean({ maxAgeMs: cachesMs, maxBytesPerGroup: limits.cacheBytesPerProject.value }, signal)
      },
      { clock, logger },
    ),
  )
  undo.use(followDeletions(instanceId, { configstore, providers, runservice: host, clock, logger }))
  mounts.push((app) => mountExecutorRoutes(app, { runservice: host, clock, logger }))
  if (isShared(settings))
    mounts.push((app) => {
      serveRunservice(app, { token: keys.services }, { runservice: host, logger })
      host.serveInstances(app)
    })
  const owned = undo.move()
  return { runservice: host, host, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Runs carry where their commit is in their environment, as tasks see it. */
function cloneSource({ group, staticEnvironment }: RunConfigRow): CloneSource {
  const text = (name: string) => {
    const value = staticEnvironment[name]
    return typeof value === 'string' ? value : ''
  }
  const url = text('AGOLA_REPOSITORY_URL')
  return {
    url,
    ref: text('AGOLA_GIT_REF'),
    commitSha: text('AGOLA_GIT_COMMITSHA'),
    branch: text('AGOLA_GIT_BRANCH'),
    originUrl: url,
    mirrorKey: group.split('/').slice(1, 3).join('-'),
    submoduleUrls: {},
  }
}
