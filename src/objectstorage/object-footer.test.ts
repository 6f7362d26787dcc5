import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { decodeFooter, encodeFooter } from './object-footer.ts'
import { pathOfKey } from './posix-names.ts'

const documentation = readFileSync(join(import.meta.dirname, '../../docs/storage.md'), 'utf8')

test('the example in docs/storage.md is what is stored', () => {
  const content = Buffer.from('hello\n')
  const stored = Buffer.concat([content, encodeFooter(6, createHash('sha256').update(content).digest())])
  const example = /the content `hello` and a newline:\n\n```\n([0-9a-f\n]+)```/.exec(documentation)?.[1]
  expect(example?.replaceAll('\n', '')).toBe(stored.toString('hex'))
  expect(decodeFooter('key', stored.subarray(6), 6).sizeBytes).toBe(6)
})

test('the example of a file name in docs/storage.md is right', () => {
  const [, key, path] = /`([^`]+)` is `data\/([^`]+)`/.exec(documentation) ?? []
  expect(pathOfKey(key!)).toBe(path)
})

test.each([
  ['of another size', 7],
  ['that is cut', 6],
])('a footer %s is refused', (what, sizeBytes) => {
  const footer = encodeFooter(6, Buffer.alloc(32))
  const damaged = what === 'that is cut' ? footer.subarray(1) : footer
  expect(() => decodeFooter('key', damaged, sizeBytes)).toThrowError(
    expect.objectContaining({ code: 'object_corrupt' }),
  )
})
