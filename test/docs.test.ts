// Pages of docs/ that are made from the sources are as the sources say, and every page is found from the README.

import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'
import { errorCodes } from '../src/lib/errors.ts'
import { limits } from '../src/lib/limits.ts'
import { generatedPages } from '../tools/docs.ts'

test.each(Object.entries(await generatedPages()))('docs/%s is current: `npm run docs` writes it', (name, text) => {
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

test('every page is reached from the README by links, all of which lead somewhere', () => {
  const root = join(import.meta.dirname, '..')
  const pages = globSync(['*.md', 'docs/**/*.md'], { cwd: root })
  const reached = new Set(['README.md'])
  for (const page of reached)
    for (const [, target = ''] of readFileSync(join(root, page), 'utf8').matchAll(
      /\]\((?!https?:)([^)#\s]+)[^)]*\)/g,
    )) {
      const path = normalize(join(dirname(page), target))
      expect(globSync(path, { cwd: root }), `${page} links to ${target}`).toEqual([path])
      if (path.endsWith('.md')) reached.add(path)
    }
  expect([...reached].sort()).toEqual(pages.sort())
})
