// The runservice of one invocation: its database, its objects, and what it shares with the others.

import { join } from 'node:path'
import { openDatabase } from '../../datamanager/open-database.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import { loadInstallationKey } from '../../lib/sealing.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import type { RunserviceHost } from '../../runservice/api.ts'
import { Caches } from '../../runservice/archives/caches.ts'
import type { CloneSource } from '../../runservice/executor-api.ts'
import { type RunserviceSchema, runserviceRowTypes } from '../../runservice/row-types.ts'
import { createRunservice } from '../../runservice/service.ts'
import type { Invocation, StateDirectory } from './state-directory.ts'

export type RunserviceOfInvocation = AsyncDisposable & { readonly runservice: RunserviceHost; readonly caches: Caches }

/** Opens what the invocation has, or begins anew. The caller holds its lock. Disposing closes it. */
export async function openRunservice(
  state: StateDirectory,
  invocation: Pick<Invocation, 'id' | 'dir'>,
  {
    clock,
    logger,
    cloneSource = noSource,
  }: { readonly clock: Clock; readonly logger: Logger; readonly cloneSource?: (() => CloneSource) | undefined },
): Promise<RunserviceOfInvocation> {
  await using undo = new AsyncDisposableStack()
  const database = undo.use(
    await openDatabase<RunserviceSchema>({ path: databaseOf(invocation), types: runserviceRowTypes, clock }),
  )
  const ost = undo.use(await openPosixObjectStorage({ root: join(invocation.dir, 'objects'), clock }))
  const shared = undo.use(await openPosixObjectStorage({ root: join(state.shared, 'objects'), clock }))
  const caches = new Caches({ ost: shared, clock })
  const key = loadInstallationKey(join(state.shared, 'key'), { create: true })
  const runservice = undo.use(
    createRunservice({ storeId: invocation.id, keys: [key] }, { database, ost, caches, clock, logger, cloneSource }),
  )
  const owned = undo.move()
  return { runservice, caches, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

export function databaseOf(invocation: Pick<Invocation, 'dir'>): string {
  return join(invocation.dir, 'database')
}

const noSource = (): CloneSource => ({
  url: '',
  ref: '',
  commitSha: '',
  branch: '',
  originUrl: '',
  mirrorKey: '',
  submoduleUrls: {},
})
