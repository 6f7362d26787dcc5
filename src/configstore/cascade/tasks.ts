// Tasks: what other services have to do after a deletion here. A row is written with the deletion, given out under a lease, and
// removed when it was done; so it is done at least once, whoever is killed when.

import type { Database } from '../../datamanager/database.ts'
import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { purgeRetired } from '../accounts/linked-accounts.ts'
import type { ClaimTasks, Configstore } from '../api.ts'
import { pageOf } from '../paging.ts'
import type { ConfigstoreSchema, Reading, TaskRow, Tx } from '../row-types.ts'
import { type Store, without } from '../store.ts'
import type { CascadeTask, CascadeWork } from '../types.ts'

type Operations = Pick<Configstore, 'claimTasks' | 'renewTask' | 'completeTask' | 'failTask' | 'listTasks'>
type Components = { readonly database: Database<ConfigstoreSchema>; readonly clock: Clock }

export function taskOperations(store: Store, { database, clock }: Components): Operations {
  return {
    claimTasks: async (input, context) => {
      checkClaim(input)
      const signal = context?.signal === undefined ? store.closing : AbortSignal.any([context.signal, store.closing])
      const until = store.now() + (input.waitMs ?? 0)
      for (;;) {
        const { position } = database
        store.closing.throwIfAborted()
        const claimed = await claim(store, input)
        const now = store.now()
        if (claimed.length > 0 || now >= until || signal.aborted) return { tasks: claimed }
        const next = database.view((tx) => nextDue(tx, input.kinds))
        await taskPut({ database, clock }, position, { ms: Math.min(until, next ?? until) - now, signal })
      }
    },

    renewTask: async ({ id, holder, leaseMs }, context) => {
      checkLease(leaseMs)
      const now = store.now()
      return store.write(context, 'renewTask', (tx) => {
        tx.put('task', id, { ...held(tx, id, holder), leaseUntil: now + leaseMs })
        return {}
      })
    },

    completeTask: ({ id, holder }, context) =>
      store.write(context, 'completeTask', (tx) => {
        const { work } = held(tx, id, holder)
        tx.delete('task', id)
        if (work.kind === 'clean_remote') purgeRetired(tx)
        return {}
      }),

    failTask: async ({ id, holder, error, retryMs }, context) => {
      const wait = Math.min(Math.max(0, retryMs), limits.taskRetryMs.value)
      const now = store.now()
      return store.write(context, 'failTask', (tx) => {
        const task = without(held(tx, id, holder), ['holder', 'leaseUntil'])
        const lastError = error.slice(0, limits.taskErrorCharacters.value).toWellFormed()
        tx.put('task', id, { ...task, lastError, dueAt: now + wait })
        return {}
      })
    },

    listTasks: (input = {}, context) =>
      store.read(context, (tx) => pageOf(tx, input, { type: 'task', index: 'byAge' }, shown)),
  }
}

/** Ends all leases, for a start of the only process that can have any: whoever had one is gone. */
export async function endTaskLeases(database: Database<ConfigstoreSchema>): Promise<void> {
  const leased = (tx: Reading) => tx.list('task').filter(({ body }) => body.holder !== undefined)
  if (database.view((tx) => leased(tx).length) === 0) return
  await database.do((tx) => {
    for (const { id, body } of leased(tx)) tx.put('task', id, without(body, ['holder', 'leaseUntil']))
  })
}

/** One task for each thing to do: it is there once, however often it was asked for. */
export function putTask(tx: Tx, work: CascadeWork, now: number): void {
  const id =
    work.kind === 'delete_runs' ? `${work.kind}/${work.owner.type}/${work.owner.id}` : `${work.kind}/${work.projectId}`
  if (tx.get('task', id) === undefined) tx.put('task', id, { id, createdAt: now, attempts: 0, dueAt: now, work })
}

async function claim(
  store: Store,
  { kinds, holder, leaseMs, limit = claimDefault }: ClaimTasks,
): Promise<CascadeTask[]> {
  const now = store.now()
  const isAny = await store.read({}, (tx) => due(tx, kinds, now, 1).length > 0)
  if (!isAny) return []
  const { tasks } = await store.write({}, 'claimTasks', (tx) => ({
    tasks: due(tx, kinds, now, limit).map((task) => {
      const next: TaskRow = { ...task, attempts: task.attempts + 1, holder, leaseUntil: now + leaseMs }
      tx.put('task', task.id, next)
      return shown(task)
    }),
  }))
  return tasks
}

const claimDefault = 10

function due(tx: Reading, kinds: ClaimTasks['kinds'], now: number, limit: number): TaskRow[] {
  const found: TaskRow[] = []
  for (const kind of kinds) {
    const rows = tx.list('task', { index: 'byDue', prefix: [kind], limit: limit - found.length })
    found.push(...rows.map(({ body }) => body).filter((task) => dueAt(task) <= now))
    if (found.length >= limit) break
  }
  return found
}

/** When the first of them is due. */
function nextDue(tx: Reading, kinds: ClaimTasks['kinds']): number | undefined {
  const times = kinds.flatMap((kind) =>
    tx.list('task', { index: 'byDue', prefix: [kind], limit: 1 }).map(({ body }) => dueAt(body)),
  )
  return times.length === 0 ? undefined : Math.min(...times)
}

const dueAt = (task: TaskRow) => task.leaseUntil ?? task.dueAt

/** Resolves when a task was written after `position`, when `ms` have passed, or when `signal` is aborted. */
async function taskPut(
  { database, clock }: Components,
  position: number,
  { ms, signal }: { readonly ms: number; readonly signal: AbortSignal },
): Promise<void> {
  const enough = new AbortController()
  const ending = AbortSignal.any([enough.signal, signal])
  const changes = async () => {
    for await (const { operations } of database.changes(position, ending))
      if (operations.some(({ type }) => type === 'task')) return
  }
  const ended = (error: unknown) => {
    // A reader that is so far behind just looks again.
    if (!ending.aborted && !isSlipwayError(error, 'history_collected')) throw error
  }
  const [put, passed] = [changes().catch(ended), clock.sleep(Math.max(1, ms), ending).catch(ended)]
  try {
    await Promise.race([put, passed])
  } finally {
    enough.abort()
    await Promise.all([put, passed])
  }
}

function held(tx: Reading, id: string, holder: string): TaskRow {
  const task = tx.get('task', id)
  if (task?.holder === holder) return task
  throw new SlipwayError('task_lease_lost', `task ${id} ${task === undefined ? 'is done' : 'is held by another one'}`)
}

function checkClaim({ leaseMs, limit = claimDefault, waitMs = 0 }: ClaimTasks): void {
  checkLease(leaseMs)
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > limits.pageItems.value)
    throw new SlipwayError('list_invalid', `at most ${limits.pageItems.value} tasks are given out at once`)
  if (!(waitMs >= 0 && waitMs <= limits.taskWaitMs.value))
    throw new SlipwayError('list_invalid', `who waits for a task waits at most ${limits.taskWaitMs.value} ms`)
}

function checkLease(leaseMs: number): void {
  if (leaseMs > 0 && leaseMs <= limits.taskLeaseMs.value) return
  throw new SlipwayError('list_invalid', `a task is held for 1 to ${limits.taskLeaseMs.value} ms`)
}

function shown({ holder: _, leaseUntil: __, ...task }: TaskRow): CascadeTask {
  return task
}
