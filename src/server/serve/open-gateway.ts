// The public front in this process.

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Configstore } from '../../configstore/api.ts'
import type { ProviderAccess } from '../../configstore/provider-access.ts'
import { endDeliveryLeases } from '../../gateway/deliveries/inbox.ts'
import { mountGateway } from '../../gateway/gateway.ts'
import { type GatewaySchema, gatewayRowTypes } from '../../gateway/rows.ts'
import { findWebUi, mountWebUi } from '../../gateway/web-ui.ts'
import type { Gitserver } from '../../gitserver/api.ts'
import type { NotificationService } from '../../notification/api.ts'
import type { Runservice } from '../../runservice/api.ts'
import { startCleaning } from '../cleaning-rounds.ts'
import { repositoryAddress } from './open-gitserver.ts'
import { readinessOf } from './open-probes.ts'
import type { Installation, Mount } from './open-server.ts'
import { cleanRepositories, projectSources } from './project-sources.ts'
import type { RecentRepositories } from './recent-repositories.ts'
import { serverMaintenance } from './server-maintenance.ts'
import { unlessInMaintenance } from './unless-in-maintenance.ts'

export type GatewayParts = {
  readonly configstore: Configstore
  readonly providers: ProviderAccess
  /** Shared with what hands out clones. */
  readonly repositories: RecentRepositories
  readonly runservice: Runservice
  /** Undefined where none runs. */
  readonly notification: NotificationService | undefined
  /** Undefined without direct runs. */
  readonly gitserver: Gitserver | undefined
  /** Of the link for the first administrator. */
  readonly setupToken: string
}

/** Disposing closes its database. */
export async function openGatewayComponent(
  installation: Installation,
  mounts: Mount[],
  { configstore, providers, repositories, runservice, notification, gitserver, setupToken }: GatewayParts,
): Promise<AsyncDisposable> {
  const { settings, keys, databases, opened, clock, logger, version, figures } = installation
  const { gateway, url, tracing } = settings
  const database = await databases.open<GatewaySchema>('gateway', { types: gatewayRowTypes })
  installation.watch('gateway', database)
  if (settings.database.log === 'embedded') await unlessInMaintenance(endDeliveryLeases(database, clock.now()))
  const directory = join(settings.dataDir, 'repositories')
  const cleaning = startCleaning(() => cleanRepositories(directory, clock), { clock, logger })
  mounts.push((app) => {
    mountGateway(
      app,
      {
        version,
        setupTokenHash: createHash('sha256').update(setupToken).digest('hex'),
        allowedOrigins: gateway.corsOrigins,
        memberAdding: gateway.memberAdding,
        sessionMs: gateway.sessionMs,
        ...(keys.admin === undefined ? {} : { adminToken: keys.admin }),
        ...(url === undefined ? {} : { publicUrl: url }),
        ...(tracing.endpoint === undefined ? {} : { tracingEndpoint: tracing.endpoint }),
      },
      {
        database,
        figures,
        configstore,
        runservice,
        ...(notification === undefined ? {} : { notification }),
        providers,
        sources: projectSources({ directory }, { configstore, repositories, clock }),
        ...(gitserver === undefined
          ? {}
          : { directRuns: { gitserver, repositoryUrl: (name) => repositoryAddress(name, installation) } }),
        tryPollLock: (signal) => databases.coordination.tryLock('git-polling', signal),
        maintenance: serverMaintenance({
          databases,
          keys: keys.sealing,
          opened,
          log: settings.database.log,
          clock,
        }),
        clock,
        logger,
        readiness: () => readinessOf(installation),
        generation: () => database.identity.generation,
      },
    )
    mountWebUi(app, findWebUi())
  })
  return {
    [Symbol.asyncDispose]: async () => {
      await cleaning[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}
