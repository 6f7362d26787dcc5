import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareUtf8 } from '../../lib/compare-utf8.ts'
import { encodeExportRow } from './export-format.ts'
import { mergeLines } from './merge-lines.ts'

const line = (id: string) => encodeExportRow('"thing"', JSON.stringify(id), '{"id":"other","body":1}')

async function* chunksOf(ids: readonly string[], sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0
  for (let n = 0; at < ids.length; n++) {
    const size = sizes[n % sizes.length]!
    yield Buffer.from(
      ids
        .slice(at, at + size)
        .map(line)
        .join(''),
    )
    at += size
  }
}

test('two streams in order become one in order, however they are cut', async () => {
  const id = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 4 })
  const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(id), fc.infiniteStream(fc.boolean()), sizes, sizes, async (ids, sides, a, b) => {
      const sorted = ids.sort(compareUtf8)
      const isLeft = new Map(sorted.map((name) => [name, sides.next().value]))
      const left = sorted.filter((name) => isLeft.get(name))
      const right = sorted.filter((name) => !isLeft.get(name))
      let merged = ''
      for await (const lines of mergeLines(chunksOf(left, a), chunksOf(right, b))) merged += lines.toString()
      expect(merged).toBe(sorted.map(line).join(''))
    }),
  )
})
