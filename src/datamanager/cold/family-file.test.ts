import { expect, test } from 'vitest'
import { compress } from '../snapshot/blocks.ts'
import {
  decodeFamilyAt,
  decodeFamilyFile,
  decodeFamilyIndex,
  type Family,
  FamilyFileEncoder,
  findBlock,
} from './family-file.ts'

const id = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`
const aFamily = (n: number, text: string): Family => ({
  id: id(n),
  entry: { order: n, path: `/p/${n}`, state: 1, number: n, label: 'a', createdAt: n, repeats: id(0) },
  rows: [
    { type: 'head', id: id(n), changedAt: 7, body: JSON.stringify({ text, tab: '\t', line: '\n', é: '\u{10000}' }) },
    { type: 'part', id: `${id(n)}/1`, changedAt: 3, body: '[1,2]' },
  ],
})
const families = [aFamily(1, 'one'), aFamily(2, 'x'.repeat(70_000)), aFamily(3, 'three')]

function encoded() {
  const encoder = new FamilyFileEncoder()
  for (const family of families) encoder.add(family)
  return encoder.finish('file')
}

test('families come back as they were, all of them and each alone by its range', () => {
  const { file, rows, index } = encoded()
  expect([...decodeFamilyFile(file, rows)]).toEqual(families)
  expect(file).toMatchObject({ count: 3, rows: 6, types: ['head', 'part'], first: id(1), last: id(3) })
  const known = decodeFamilyIndex(file, index)
  for (const [at, span] of known.families.entries()) {
    const { start, end, rawBytes } = findBlock(known.blocks, span.block)
    expect(span.entry).toEqual(families[at]!.entry)
    expect(decodeFamilyAt(span, rawBytes, rows.subarray(start, end))).toEqual(families[at]!.rows)
  }
  expect(known.families.map(({ block }) => block)).toEqual([0, 0, 1])
})

test.each([
  ['another text', 'one', 'eno'],
  ['another body', '[1,2]', '[1,3]'],
  ['the id of another family', id(3), id(4)],
  ['a row of another type', 'part', 'trap'],
])('a family with %s than its index says is refused', (_what, from, to) => {
  const { file, rows, index } = encoded()
  const { blocks, families: spans } = decodeFamilyIndex(file, index)
  const { rawBytes, start, end } = findBlock(blocks, from === id(3) ? 1 : 0)
  const span = spans[from === id(3) ? 2 : 0]!
  const unpacked = [...decodeFamilyFile(file, rows)]
  expect(decodeFamilyAt(span, rawBytes, rows.subarray(start, end))).toEqual(unpacked[from === id(3) ? 2 : 0]!.rows)
  const encoder = new FamilyFileEncoder()
  for (const family of families) encoder.add(JSON.parse(JSON.stringify(family).replaceAll(from, to)) as Family)
  const changed = encoder.finish('file')
  const changedBlock = findBlock(decodeFamilyIndex(changed.file, changed.index).blocks, span.block)
  expect(() =>
    decodeFamilyAt(span, changedBlock.rawBytes, changed.rows.subarray(changedBlock.start, changedBlock.end)),
  ).toThrow(expect.objectContaining({ code: 'snapshot_corrupt' }))
})

test('what is no block, or ends in the middle, is refused', () => {
  const { file, rows, index } = encoded()
  const { families: spans, blocks } = decodeFamilyIndex(file, index)
  const { rawBytes, start, end } = findBlock(blocks, 0)
  const corrupt = expect.objectContaining({ code: 'snapshot_corrupt' })
  const garbage = compress(Buffer.from('x\n'.repeat(rawBytes / 2)))
  expect(() => decodeFamilyAt(spans[0]!, rawBytes, garbage)).toThrow(corrupt)
  expect(() => decodeFamilyAt(spans[0]!, rawBytes, rows.subarray(start, end - 3))).toThrow(corrupt)
  expect(() => [...decodeFamilyFile(file, rows.subarray(1))]).toThrow(corrupt)
  expect(() => [...decodeFamilyFile({ ...file, count: 2 }, rows)]).toThrow(corrupt)
  expect(() => decodeFamilyIndex(file, index.subarray(1))).toThrow(corrupt)
})
