// Asks an object storage whether it is fit for a change log: some stores accept a conditional write and ignore the
// condition, which would let two writers have one position.

import { randomUUID } from 'node:crypto'
import { collectBytes } from '../../../lib/bytes.ts'
import { isSlipwayError, SlipwayError } from '../../../lib/errors.ts'
import type { ObjectStorage } from '../../../objectstorage/object-storage.ts'

/** Creates an object below `prefix` twice, and once more many times at once. Errors: `backend_unfit`. */
export async function checkConditions(storage: ObjectStorage, prefix: string, signal?: AbortSignal): Promise<void> {
  const options = signal ? { signal } : {}
  const key = `${prefix}selftest/${randomUUID()}`
  const create = async (text: string): Promise<boolean> => {
    try {
      await storage.create(key, Buffer.from(text), options)
      return true
    } catch (error) {
      if (isSlipwayError(error, 'object_exists')) return false
      throw error
    }
  }
  const unfit = (what: string) =>
    new SlipwayError(
      'backend_unfit',
      `the object storage ${what}: it cannot hold the change log. Choose another log backend`,
    )
  try {
    const rivals = Array.from({ length: rivalsCount }, (_, number) => `rival ${number}`)
    const wins = (await Promise.all(rivals.map(create))).flatMap((isWinner, number) => (isWinner ? [number] : []))
    if (wins.length !== 1) throw unfit(`let ${wins.length} of ${rivalsCount} writers create one object`)
    if (await create('late')) throw unfit('ignores the condition that an object must not exist')
    const content = (await collectBytes(storage.read(key, options))).toString()
    if (content !== rivals[wins[0]!]) throw unfit('changed an object while it refused to')
  } finally {
    await storage.delete(key, signal).catch(() => {}) // what stays is a few bytes
  }
}

const rivalsCount = 4
