// Whether a storage can be trusted with what rests on `create`.

import { randomUUID } from 'node:crypto'
import { collectBytes } from '../lib/bytes.ts'
import { isSlipwayError, SlipwayError } from '../lib/errors.ts'
import type { ObjectStorage } from './object-storage.ts'

const creatorsAtOnce = 8

/**
 * Creates random keys twice, and once more by several at the same time. Throws `object_storage_unsafe` when more or fewer than one
 * succeed, or when another content is read than that of the one: a storage that ignores conditions would lose data. To be
 * called once at the start of whatever relies on `create`. Leaves nothing.
 */
export async function selfTest(ost: ObjectStorage, signal?: AbortSignal): Promise<void> {
  await testCreators(ost, signal, async (create) => [await create(0), await create(1)])
  await testCreators(ost, signal, (create) =>
    Promise.all(Array.from({ length: creatorsAtOnce }, (_, creator) => create(creator))),
  )
}

async function testCreators(
  ost: ObjectStorage,
  signal: AbortSignal | undefined,
  run: (create: (creator: number) => Promise<boolean>) => Promise<readonly boolean[]>,
): Promise<void> {
  const key = `self-test/${randomUUID()}`
  const options = signal === undefined ? {} : { signal }
  const create = async (creator: number) => {
    try {
      await ost.create(key, Buffer.from(`${creator}`), options)
      return true
    } catch (error) {
      if (isSlipwayError(error, 'object_exists')) return false
      throw error
    }
  }
  try {
    const outcomes = await run(create)
    const created = outcomes.filter((isCreated) => isCreated).length
    if (created !== 1) throw unsafe(`${created} of ${outcomes.length} creations of one object succeeded`)
    const content = (await collectBytes(ost.read(key, options))).toString()
    if (content !== `${outcomes.indexOf(true)}`) throw unsafe('an object that existed was overwritten by a creation')
  } finally {
    // What cannot be removed is a few bytes under a name that nobody uses.
    await ost.delete(key, signal).catch(() => {})
  }
}

function unsafe(fault: string): SlipwayError {
  const message = `self-test of the object storage: ${fault}: it ignores conditional writes and cannot be used for this`
  return new SlipwayError('object_storage_unsafe', message)
}
