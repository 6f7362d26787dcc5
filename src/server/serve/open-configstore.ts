// The configstore of this process, or the way to those of others.

import { type Configstore, configstoreMethods } from '../../configstore/api.ts'
import { endTaskLeases } from '../../configstore/cascade/tasks.ts'
import { type ConfigstoreSchema, configstoreRowTypes } from '../../configstore/row-types.ts'
import { openConfigstore } from '../../configstore/service.ts'
import { createRpcClient } from '../../http/rpc/rpc-client.ts'
import { serveRpc } from '../../http/rpc/rpc-server.ts'
import { startCleaning } from '../cleaning-rounds.ts'
import { isShared } from '../settings/read-settings.ts'
import type { Installation, Mount } from './open-server.ts'
import { unlessInMaintenance } from './unless-in-maintenance.ts'

const prefix = '/internal/configstore'

/** Disposing closes what was opened here. */
export async function openConfigstoreComponent(
  installation: Installation,
  mounts: Mount[],
): Promise<Configstore & AsyncDisposable> {
  const { settings, keys, databases, clock, logger } = installation
  if (!settings.components.has('configstore'))
    return createRpcClient<Configstore>({
      urls: settings.services.configstore,
      prefix,
      methods: configstoreMethods,
      token: keys.services,
    })
  await using undo = new AsyncDisposableStack()
  const database = undo.use(await databases.open<ConfigstoreSchema>('configstore', { types: configstoreRowTypes }))
  installation.watch('configstore', database)
  if (settings.database.log === 'embedded') await unlessInMaintenance(endTaskLeases(database))
  const configstore = undo.use(await openConfigstore({ installationKeys: keys.sealing }, { database, clock, logger }))
  undo.use(startCleaning((signal) => configstore.sweep({ signal }), { clock, logger }))
  if (isShared(settings))
    mounts.push((app) =>
      serveRpc(app, { prefix, methods: configstoreMethods, token: keys.services }, { target: configstore, logger }),
    )
  const owned = undo.move()
  return { ...configstore, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
