// What is remembered of projects that are gone is of no use to anybody.

import type { Configstore } from '../../configstore/api.ts'
import type { Database } from '../../datamanager/database.ts'
import type { GatewaySchema } from '../rows.ts'

export type ForgetComponents = {
  readonly configstore: Pick<Configstore, 'resolveProjectAccess'>
  readonly database: Database<GatewaySchema>
}

/** Of one question and of one transaction. */
const atOnce = 500

/** Forgets what looks have seen of projects that were deleted. Their deliveries go with their age. */
export async function forgetProjects({ configstore, database }: ForgetComponents): Promise<void> {
  const known = database.view((tx) => tx.list('lookedat').map(({ id }) => id))
  for (let from = 0; from < known.length; from += atOnce) {
    const projectIds = known.slice(from, from + atOnce)
    const { items } = await configstore.resolveProjectAccess({ projectIds })
    const there = new Set(items.map(({ id }) => id))
    for (const id of projectIds) if (!there.has(id)) await forget(id, database)
  }
}

async function forget(projectId: string, database: Database<GatewaySchema>): Promise<void> {
  for (let isMore = true; isMore; ) {
    const { result } = await database.do((tx) => {
      const rows = tx.list('seenref', { index: 'byProject', prefix: [projectId], limit: atOnce })
      for (const { id } of rows) tx.delete('seenref', id)
      if (rows.length < atOnce) tx.delete('lookedat', projectId)
      return rows.length === atOnce
    })
    isMore = result
  }
}
