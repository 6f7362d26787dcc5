// What was looked up for an order, sealed: an executor that connects again gets the same values, whatever they have become since,
// because the pod has them and its output is masked by them. Gone with the order.

import { createHash } from 'node:crypto'
import type { Database, ReadTransaction } from '../../datamanager/database.ts'
import { type SealedPlace, seal, unseal } from '../../lib/sealing.ts'
import type { Environment, RunConfigTask, Value } from '../../pipeline/run-config.ts'
import { isSecretRef } from '../../pipeline/run-config.ts'
import { type RunserviceSchema, runTaskRowId } from '../row-types.ts'
import { hasSecret, type Sealing } from '../run-secrets.ts'
import type { Tx } from '../stimulus.ts'
import type { ExecutorTask, RunConfigRow, UsedSecret } from '../types.ts'
import type { FoundSecret, SecretResolver } from './secret-resolver.ts'

const pageSize = 100

/** All references of the task that are to be looked up before it is handed out. */
export function refsToLookUp(
  tx: ReadTransaction<RunserviceSchema>,
  { config, task }: { readonly config: RunConfigRow; readonly task: RunConfigTask },
  resolver: Pick<SecretResolver, 'isKept'>,
): readonly string[] {
  // What was sealed with the run, as runs of the first version have all of theirs, is there.
  return [...refsOf(config, task)].filter((ref) => resolver.isKept(ref, config.group) && !hasSecret(tx, config.id, ref))
}

function refsOf(config: RunConfigRow, task: RunConfigTask): ReadonlySet<string> {
  const environments: readonly Environment[] = [
    config.staticEnvironment,
    config.environment,
    task.environment,
    ...task.runtime.containers.map(({ environment }) => environment),
    ...task.steps.flatMap((step) => (step.type === 'run' ? [step.environment] : [])),
  ]
  const credentials = Object.values(task.registryAuth).flatMap((auth): readonly Value[] =>
    auth.type === 'basic' ? [auth.username, auth.password] : [auth.auth],
  )
  const values = [...environments.flatMap((environment) => Object.values(environment)), ...credentials]
  return new Set(values.flatMap((value) => (isSecretRef(value) ? [value.secret] : [])))
}

/**
 * Writes down what an order was found, unless somebody was faster, or it is not to be begun any more. The task then waits no
 * longer, and says which versions it has.
 */
export function putFound(
  tx: Tx,
  orderId: string,
  { refs, found, sealing }: { refs: readonly string[]; found: ReadonlyMap<string, FoundSecret>; sealing: Sealing },
): void {
  const order = tx.get('executortask', orderId)
  if (order === undefined || order.stop || order.secrets !== undefined) return
  const secrets = refs.map((ref): UsedSecret => {
    const secret = found.get(ref)
    return secret === undefined ? { ref } : { ref, name: secret.name, version: secret.version }
  })
  for (const [ref, { value }] of found) {
    const sealed = seal(sealing.keys[0], placeOf(sealing, orderId, ref), value)
    tx.put('ordersecret', `${orderId}/${createHash('sha256').update(ref).digest('hex')}`, { orderId, ref, sealed })
  }
  tx.put('executortask', orderId, { ...order, secrets })
  const taskRowId = runTaskRowId(order.runId, order.runTaskId)
  const task = tx.get('runtask', taskRowId)
  if (task?.status !== 'notstarted') return
  const { reason: _, ...rest } = task
  const usedSecrets = secrets.flatMap(({ name, version }) =>
    name === undefined || version === undefined ? [] : [{ name, version }],
  )
  tx.put('runtask', taskRowId, { ...rest, ...(usedSecrets.length === 0 ? {} : { usedSecrets }) })
}

/** Values in clear, by reference, with the names that people know. Errors: `key_wrong`. */
export function openFound(
  tx: ReadTransaction<RunserviceSchema>,
  { id, secrets = [] }: Pick<ExecutorTask, 'id' | 'secrets'>,
  sealing: Sealing,
): ReadonlyMap<string, Pick<FoundSecret, 'name' | 'value'>> {
  if (secrets.length === 0) return new Map()
  const names = new Map(secrets.map(({ ref, name }) => [ref, name]))
  return new Map(
    tx.list('ordersecret', { index: 'byOrder', prefix: [id] }).map(({ body: { ref, sealed } }) => {
      const value = unseal(sealing.keys, placeOf(sealing, id, ref), sealed)
      return [ref, { name: names.get(ref) ?? ref, value }]
    }),
  )
}

/** With the order. */
export function deleteFound(tx: Tx, orderId: string): void {
  for (const { id } of tx.list('ordersecret', { index: 'byOrder', prefix: [orderId] })) tx.delete('ordersecret', id)
}

/** Removes those of orders that an instance of the first version deleted, which knows nothing of them. */
export async function cleanLeftFound(database: Database<RunserviceSchema>): Promise<void> {
  let after: readonly string[] | undefined
  for (;;) {
    const page = database.view((tx) =>
      tx
        .list('ordersecret', { index: 'byOrder', limit: pageSize, ...(after === undefined ? {} : { after }) })
        .map(({ id, body: { orderId } }) => ({ id, orderId, isLeft: tx.get('executortask', orderId) === undefined })),
    )
    const left = page.filter(({ isLeft }) => isLeft)
    // An order that ended is never there again, nor is anything looked up for it.
    if (left.length > 0)
      await database.do((tx) => {
        for (const { id } of left) tx.delete('ordersecret', id)
      })
    const last = page.at(-1)
    if (last === undefined || page.length < pageSize) return
    after = [last.orderId, last.id]
  }
}

function placeOf({ storeId }: Sealing, orderId: string, ref: string): SealedPlace {
  return { storeId, type: 'ordersecret', id: orderId, field: ref }
}
