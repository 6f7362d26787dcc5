import { expect, test } from 'vitest'
import { parseWhen, type When, whenText } from './conditions.ts'

test.each<[string, When | undefined]>([
  ['always', undefined],
  ['branch main', { branch: { include: [{ type: 'simple', match: 'main' }] } }],
  [
    'branch main, /^release-\\d{1,2}$/; not tag v0',
    {
      branch: {
        include: [
          { type: 'simple', match: 'main' },
          { type: 'regexp', match: '^release-\\d{1,2}$' },
        ],
      },
      tag: { exclude: [{ type: 'simple', match: 'v0' }] },
    },
  ],
  [
    'branch feature/one; not tag a/b, /x;y/',
    {
      branch: { include: [{ type: 'simple', match: 'feature/one' }] },
      tag: {
        exclude: [
          { type: 'simple', match: 'a/b' },
          { type: 'regexp', match: 'x;y' },
        ],
      },
    },
  ],
  ['ref /^refs\\/pull/', { ref: { include: [{ type: 'regexp', match: '^refs\\/pull' }] } }],
])('%s', (text, when) => {
  expect(whenText(when)).toBe(text)
  expect(parseWhen(text)).toEqual(when)
})

test.each(['main', 'branch', 'never branch main'])('%j is refused', (text) => {
  expect(() => parseWhen(text)).toThrow('expected')
})
