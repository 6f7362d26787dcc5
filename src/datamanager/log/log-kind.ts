// A generation has one log for ever. Settings that name another kind of log, or two instances that do, would begin a second one
// beside it: so the kind is an object that the first one who opens the generation makes. A move to another kind is an import
// of the rows as a new generation.

import { collectBytes } from '../../lib/bytes.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { DatabaseSettings } from '../database-config.ts'
import { logKindKey, type StoragePlace } from '../snapshot/keys.ts'

export type LogKind = DatabaseSettings['log']

/** Errors: `database_foreign` when the log of the generation is of another kind, those of the storage. */
export async function claimLogKind(
  place: StoragePlace,
  generation: string,
  kind: LogKind,
  signal?: AbortSignal,
): Promise<void> {
  const found = (await findLogKind(place, generation, signal)) ?? (await createLogKind(place, generation, kind, signal))
  if (found === kind) return
  throw new SlipwayError(
    'database_foreign',
    `the log of ${place.base} is ${found}, the settings say ${kind}: move it with \`slipway database move\``,
  )
}

/** Undefined before anybody has opened the generation. */
export async function findLogKind(
  { ost, base }: StoragePlace,
  generation: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  try {
    const text = (await collectBytes(ost.read(logKindKey(base, generation), signal ? { signal } : {}))).toString()
    return text.trim()
  } catch (error) {
    if (isSlipwayError(error, 'object_not_found')) return undefined
    throw error
  }
}

async function createLogKind(
  place: StoragePlace,
  generation: string,
  kind: LogKind,
  signal: AbortSignal | undefined,
): Promise<string> {
  try {
    const key = logKindKey(place.base, generation)
    await place.ost.create(key, Buffer.from(`${kind}\n`), signal ? { signal } : {})
    return kind
  } catch (error) {
    const found = isSlipwayError(error, 'object_exists', 'outcome_unknown')
      ? await findLogKind(place, generation, signal)
      : undefined
    if (found === undefined) throw error
    return found
  }
}
