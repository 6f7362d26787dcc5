import fc from 'fast-check'
import { expect, test } from 'vitest'
import { genesisHash } from './change-log.ts'
import { decodeRecord, encodeDelete, encodePut, encodeRecord, encodeTransaction } from './record.ts'

const place = { store: 'store 1', generation: 'generation 1', position: 1, prev: genesisHash }
const aRecord = (lines: readonly string[], position = 1, prev = genesisHash) =>
  encodeRecord({ ...place, position, prev }, 'batch 1', lines)

test('a record comes back as it was encoded', () => {
  const lines = [
    encodeTransaction({ at: 5, operations: [encodePut('ball', 'ä\n"', '{"a":[1,null,"\\n"]}')] }),
    encodeTransaction({ transactionId: 'tx', at: 6, result: '{"b":1}', operations: [encodeDelete('ball', 'x')] }),
  ]
  const record = aRecord(lines, 2, 'a'.repeat(64))
  expect(decodeRecord(record)).toEqual({
    ...place,
    position: 2,
    prev: 'a'.repeat(64),
    hash: record.hash,
    batch: 'batch 1',
    transactions: [
      { at: 5, operations: [{ kind: 'put', type: 'ball', id: 'ä\n"', body: { a: [1, null, '\n'] } }] },
      { transactionId: 'tx', at: 6, result: { b: 1 }, operations: [{ kind: 'delete', type: 'ball', id: 'x' }] },
    ],
  })
})

test('the text of any body survives a record, so every replica stores the same bytes', () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      const text = JSON.stringify(JSON.parse(json))
      const [transaction] = decodeRecord(
        aRecord([encodeTransaction({ at: 0, operations: [encodePut('t', 'i', text)] })]),
      ).transactions
      const operation = transaction?.operations[0]
      expect(operation?.kind === 'put' && JSON.stringify(operation.body)).toBe(text)
    }),
  )
})

test('every flipped byte is noticed', () => {
  const record = aRecord([encodeTransaction({ at: 5, operations: [encodePut('ball', 'a', '1')] })])
  for (let offset = 0; offset < record.bytes.length; offset++) {
    const bytes = Uint8Array.from(record.bytes)
    bytes[offset]! ^= 1
    expect(() => decodeRecord({ ...record, bytes })).toThrow('record 1 of the change log is damaged')
  }
  expect(() => decodeRecord({ ...record, bytes: record.bytes.subarray(0, -1) })).toThrow('damaged')
})

test('a record at another position than its own is refused', () => {
  const record = aRecord([encodeTransaction({ at: 5, operations: [] })], 4, 'b'.repeat(64))
  expect(() => decodeRecord({ ...record, position: 5 })).toThrow('it says it is record 4')
})

test.each([
  ['no array of operations', '{"at":1,"operations":{}}\n', 'a transaction has no operations'],
  ['no time', '{"operations":[]}\n', 'a transaction has no time'],
  ['no JSON', 'nothing\n', 'its transaction is no JSON'],
  ['a transaction id that is no string', '{"tx":1,"at":1,"operations":[]}\n', 'a transaction id is no string'],
  ['an operation without kind', '{"at":1,"operations":[{}]}\n', 'an operation has no kind'],
  ['a put without body', '{"at":1,"operations":[{"kind":"put","type":"a","id":"b"}]}\n', 'a put has no body'],
  ['a delete without row', '{"at":1,"operations":[{"kind":"delete","type":"a"}]}\n', 'a delete names no row'],
  ['an operation that is no object', '{"at":1,"operations":[1]}\n', 'its operation is no object'],
])('a line with %s is damage', (_name, line, message) => {
  expect(() => decodeRecord(aRecord([line]))).toThrow(message)
})

test('an operation of a later version is kept as it is', () => {
  const line = '{"at":1,"operations":[{"kind":"freeze","by":"me"}]}\n'
  expect(decodeRecord(aRecord([line])).transactions[0]?.operations).toEqual([
    { kind: 'unknown', stored: { kind: 'freeze', by: 'me' } },
  ])
})

test('an operation that must not be ignored stops an older version', () => {
  const line = '{"at":1,"operations":[{"kind":"freeze","must":true}]}\n'
  expect(() => decodeRecord(aRecord([line]))).toThrow(expect.objectContaining({ code: 'database_too_new' }))
})
