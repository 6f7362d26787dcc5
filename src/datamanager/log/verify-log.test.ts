import { expect, test } from 'vitest'
import { SlipwayError } from '../../lib/errors.ts'
import { type ChangeLog, type EncodedRecord, genesisHash } from '../change-log.ts'
import { encodeRecord, encodeTransaction } from '../record.ts'
import { verifyLog } from './verify-log.ts'

const identity = { store: 'store', generation: 'generation' }

function aChain(count: number, ids = identity): EncodedRecord[] {
  const records: EncodedRecord[] = []
  for (let position = 1; position <= count; position++) {
    const prev = records.at(-1)?.hash ?? genesisHash
    records.push(encodeRecord({ ...ids, position, prev }, 'b', [encodeTransaction({ at: position, operations: [] })]))
  }
  return records
}

/** A log that has these records; those before the first were collected. */
function logOf(records: readonly EncodedRecord[]): ChangeLog {
  const oldest = records[0]?.position ?? 1
  return {
    append: async () => ({ kind: 'exists' }),
    read: async (from, limit) => {
      if (from + 1 < oldest) throw new SlipwayError('history_collected', 'collected')
      return records.filter(({ position }) => position > from).slice(0, limit)
    },
    head: async () => records.at(-1)?.position ?? 0,
    changed: async () => {},
    collect: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
}

test('a sound log has no problems, whole or collected, and says from where to where it goes', async () => {
  const chain = aChain(50)
  const known = new Map([[40, chain[39]!.hash]])
  expect(await verifyLog(logOf(chain), identity, known)).toEqual({ records: { oldest: 1, newest: 50 }, problems: [] })
  const rest = await verifyLog(logOf(chain.slice(20)), identity, known)
  expect(rest).toEqual({ records: { oldest: 21, newest: 50 }, problems: [] })
  expect(await verifyLog(logOf([]), identity, known)).toEqual({ records: undefined, problems: [] })
})

test.each<[string, (chain: EncodedRecord[]) => EncodedRecord[], string]>([
  ['a damaged record', (chain) => chain.with(4, { ...chain[4]!, bytes: Buffer.from('x') }), 'its hash does not fit'],
  ['a gap', (chain) => chain.toSpliced(4, 1), 'record 6 does not follow record 4'],
  [
    'a fork',
    (chain) => [...chain.slice(0, 5), ...aChain(9, { ...identity, store: 'other' }).slice(5)],
    'another store',
  ],
  ['another record than a snapshot names', (chain) => chain, 'record 7 is not the one that a snapshot names'],
])('%s is found', async (_, damage, problem) => {
  const { problems } = await verifyLog(logOf(damage(aChain(9))), identity, new Map([[7, 'f'.repeat(64)]]))
  expect(problems.join('\n')).toContain(problem)
})
