// Notification in this process, or the way to that of others.

import type { Configstore } from '../../configstore/api.ts'
import { createRpcClient } from '../../http/rpc/rpc-client.ts'
import { serveRpc } from '../../http/rpc/rpc-server.ts'
import { type NotificationService, notificationMethods } from '../../notification/api.ts'
import { endLeases } from '../../notification/notifications.ts'
import { type NotificationSchema, notificationRowTypes } from '../../notification/row-types.ts'
import { openNotification } from '../../notification/service.ts'
import type { Runservice } from '../../runservice/api.ts'
import { startCleaning } from '../cleaning-rounds.ts'
import { isShared } from '../settings/read-settings.ts'
import type { Installation, Mount } from './open-server.ts'
import type { RecentRepositories } from './recent-repositories.ts'
import { unlessInMaintenance } from './unless-in-maintenance.ts'

const prefix = '/internal/notification'

export type NotificationParts = {
  readonly configstore: Configstore
  readonly runservice: Runservice
  readonly repositories: RecentRepositories
}

/** Disposing closes what was opened here. Undefined when the installation has none that is known of. */
export async function openNotificationComponent(
  installation: Installation,
  mounts: Mount[],
  { configstore, runservice, repositories }: NotificationParts,
): Promise<NotificationService | undefined> {
  const { settings, keys, databases, clock, logger, version, figures } = installation
  if (!settings.components.has('notification')) {
    const urls = settings.services.notification
    return urls.length === 0
      ? undefined
      : createRpcClient<NotificationService>({ urls, prefix, methods: notificationMethods, token: keys.services })
  }
  await using undo = new AsyncDisposableStack()
  const database = undo.use(await databases.open<NotificationSchema>('notification', { types: notificationRowTypes }))
  installation.watch('notification', database)
  if (!isShared(settings)) await unlessInMaintenance(endLeases(database, clock.now()))
  const { statusPrefix, allowPrivateAddresses, smtp } = settings.notification
  const notification = undo.use(
    await openNotification(
      {
        publicUrl: installation.publicUrl,
        statusPrefix,
        allowPrivateAddresses,
        ...(smtp === undefined ? {} : { smtp }),
        version,
        sealing: { storeId: database.identity.store, keys: keys.sealing },
      },
      {
        database,
        configstore,
        runservice,
        repositories,
        tryLock: (signal) => databases.coordination.tryLock('run-events', signal),
        clock,
        logger,
        onAttempt: (kind, outcome) => figures.notificationAttempts.count({ kind, outcome }),
      },
    ),
  )
  figures.waiting.set('notification', () => notification.waiting())
  undo.use(startCleaning((signal) => notification.clean(signal), { clock, logger }))
  if (isShared(settings))
    mounts.push((app) =>
      serveRpc(app, { prefix, methods: notificationMethods, token: keys.services }, { target: notification, logger }),
    )
  const owned = undo.move()
  return { ...notification, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
