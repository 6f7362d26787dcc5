import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareUtf8 } from './compare-utf8.ts'

const text = fc.string({ unit: 'binary', maxLength: 6 })

test('texts are ordered as their UTF-8 bytes are', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(Math.sign(compareUtf8(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
  )
})

test('a character beyond U+FFFF comes after all others', () => {
  expect(compareUtf8('\u{10000}', '\uffff')).toBeGreaterThan(0)
  expect('\u{10000}' < '\uffff').toBe(true)
})
