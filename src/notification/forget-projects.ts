// Who hears of projects that are gone, and how their branches were, is of no use to anybody.

import type { Configstore } from '../configstore/api.ts'
import type { Database } from '../datamanager/database.ts'
import type { Clock } from '../lib/clock.ts'
import { removeReceiver } from './receivers.ts'
import type { NotificationSchema, Reading } from './row-types.ts'

export type ForgetComponents = {
  readonly configstore: Pick<Configstore, 'resolveProjectAccess'>
  readonly database: Database<NotificationSchema>
  readonly clock: Clock
}

/** Of one question. */
const atOnce = 500

/** Removes the receivers of projects that were deleted. The rest goes with its age. */
export async function forgetProjects(
  { configstore, database, clock }: ForgetComponents,
  signal?: AbortSignal,
): Promise<void> {
  const known = database.view(projectsWithReceivers)
  for (let from = 0; from < known.length; from += atOnce) {
    signal?.throwIfAborted()
    const projectIds = known.slice(from, from + atOnce)
    const { items } = await configstore.resolveProjectAccess({ projectIds })
    const there = new Set(items.map(({ id }) => id))
    const gone = projectIds.filter((id) => !there.has(id))
    const now = clock.now()
    for (const projectId of gone)
      await database.do((tx) => {
        for (const { id } of tx.list('receiver', { index: 'byProject', prefix: [projectId] }))
          removeReceiver(tx, { projectId, id, now })
      })
  }
}

function projectsWithReceivers(tx: Reading): readonly string[] {
  return [...new Set(tx.list('receiver', { index: 'byProject' }).map(({ body }) => body.projectId))]
}
