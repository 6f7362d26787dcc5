// Projects and users that were deleted: what was on its way when that happened makes no run of them any more.

import type { Database } from '../../datamanager/database.ts'
import { SlipwayError } from '../../lib/errors.ts'
import type { RunserviceSchema } from '../row-types.ts'
import type { Tx } from '../stimulus.ts'

const pageSize = 100

/** Of a group, such as `project/ID`. */
export function removedOwnerId(group: string): string {
  return group.split('/').slice(1, 3).join('/')
}

export function isOfRemovedOwner(tx: Pick<Tx, 'get'>, group: string): boolean {
  return tx.get('removedowner', removedOwnerId(group)) !== undefined
}

/** Errors: `project_not_found`, `user_not_found`. */
export function refuseRemovedOwner(tx: Pick<Tx, 'get'>, group: string): void {
  if (!isOfRemovedOwner(tx, group)) return
  const [, type = '', id = ''] = group.split('/')
  const code = type === 'user' ? 'user_not_found' : 'project_not_found'
  throw new SlipwayError(code, `${type} ${id} was deleted`)
}

/** Forgets owners removed before `before` that have no runs left. */
export async function cleanRemovedOwners(database: Database<RunserviceSchema>, before: number): Promise<void> {
  for (let isMore = true; isMore; ) {
    const { result } = await database.do((tx) => {
      const oldest = tx.list('removedowner', { index: 'byTime', limit: pageSize })
      const gone = oldest.filter(
        ({ id, body }) =>
          body.removedAt < before && tx.entries({ path: `/${id}`, isSubtree: true, limit: 1 }).length === 0,
      )
      for (const { id } of gone) tx.delete('removedowner', id)
      return gone.length
    })
    isMore = result === pageSize
  }
}
