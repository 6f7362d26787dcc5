// Pages of docs/ that are made from the sources are as the sources say.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { errorCodes } from '../src/lib/errors.ts'
import { limits } from '../src/lib/limits.ts'
import { generatedPages } from '../tools/docs.ts'

test.each(Object.entries(generatedPages()))('docs/%s is current: `npm run docs` writes it', (name, text) => {
  expect(readFileSync(join(import.meta.dirname, '../docs', name), 'utf8')).toBe(text)
})

test('every error code and every limit has one line that fits a table', () => {
  for (const text of [
    ...Object.values(errorCodes).map(({ meaning }) => meaning),
    ...Object.values(limits).map(({ effect }) => effect),
  ]) {
    expect(text).toMatch(/^[A-Z`].*[.]$/)
    expect(text).not.toMatch(/[|\n]/)
  }
})
