// Which installation something is of: an id in object storage, in the directory with the databases' files, and where the
// logs are. Whoever finds two of them with different ids, or one that lacks it while another has it, was configured wrongly
// or has lost something, and must not begin anew there.

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { collectBytes } from '../lib/bytes.ts'
import { isSlipwayError, SlipwayError } from '../lib/errors.ts'
import { newUuid } from '../lib/uuid.ts'
import type { ObjectStorage } from '../objectstorage/object-storage.ts'
import type { DatabaseBackend } from './database-config.ts'

export const installationFormat = 1
/** Name of the object below the base, of the file in the directory, and of the binding in the log's place. */
export const installationName = 'installation'

export type BindInstallationParts = {
  readonly storage: ObjectStorage
  readonly base: string
  readonly directory: string
  readonly backend: Pick<DatabaseBackend, 'findBinding' | 'bind'>
  /** Milliseconds. */
  readonly now: number
}

/**
 * The id of the installation, made when object storage, directory and log have none. Errors: `database_foreign` when they
 * differ or only object storage has none, `database_too_new`, `database_corrupt`, those of the storage and the log.
 */
export async function bindInstallation(parts: BindInstallationParts, signal?: AbortSignal): Promise<string> {
  const { storage, base, directory, backend, now } = parts
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const file = join(directory, installationName)
  const local = existsSync(file) ? parseInstallation(readFileSync(file, 'utf8'), file) : undefined
  let found = await readInstallation(storage, base, signal)
  if (found === undefined) {
    const bound = await backend.findBinding(installationName, signal)
    // Another instance may have begun it between the two looks: the object is there before the log says so.
    if (bound !== undefined) found = await readInstallation(storage, base, signal)
    const elsewhere = local === undefined ? bound && 'the change log' : file
    if (found === undefined && elsewhere !== undefined)
      throw new SlipwayError(
        'database_foreign',
        `${elsewhere} is of installation ${local ?? bound}, but the object storage has none below ${base}: is it the right one? If it was lost, see docs/operations.md, "Lost object storage"`,
      )
  }
  const id = found ?? (await createInstallation(storage, base, newUuid(now), signal))
  if (local !== undefined && local !== id)
    throw new SlipwayError(
      'database_foreign',
      `${file} says installation ${local}, the object storage is of installation ${id}: one of them is another installation's`,
    )
  await backend.bind(installationName, id, signal)
  if (local === undefined) {
    writeFileSync(`${file}.new`, encodeInstallation(id), { mode: 0o600 })
    renameSync(`${file}.new`, file)
  }
  return id
}

/** The id that object storage has below `base`; undefined when there is none. */
export async function readInstallation(
  storage: ObjectStorage,
  base: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const key = `${base}/${installationName}`
  try {
    const text = (await collectBytes(storage.read(key, signal ? { signal } : {}))).toString()
    return parseInstallation(text, `the object ${key}`)
  } catch (error) {
    if (isSlipwayError(error, 'object_not_found')) return undefined
    throw error
  }
}

/** Several may do so at once: all get the id of the first. */
async function createInstallation(
  storage: ObjectStorage,
  base: string,
  id: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  try {
    await storage.create(`${base}/${installationName}`, Buffer.from(encodeInstallation(id)), signal ? { signal } : {})
    return id
  } catch (error) {
    if (!isSlipwayError(error, 'object_exists', 'outcome_unknown')) throw error
    const found = await readInstallation(storage, base, signal)
    if (found === undefined) throw error
    return found
  }
}

function encodeInstallation(installation: string): string {
  return `${JSON.stringify({ format: installationFormat, installation })}\n`
}

function parseInstallation(text: string, where: string): string {
  const fail = (cause?: unknown) => new SlipwayError('database_corrupt', `${where} is damaged`, { cause })
  let value: { readonly format?: unknown; readonly installation?: unknown } | null
  try {
    value = JSON.parse(text) as typeof value
  } catch (cause) {
    throw fail(cause)
  }
  if (typeof value?.format !== 'number' || typeof value.installation !== 'string') throw fail()
  if (value.format > installationFormat)
    throw new SlipwayError('database_too_new', `${where} has format ${value.format}: upgrade`)
  return value.installation
}
