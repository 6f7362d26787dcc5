import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../../../lib/limits.ts'
import { matchGlob, parseGlob } from './glob.ts'

function matches(pattern: string, path: string): boolean {
  const glob = parseGlob(pattern)
  if (!glob.ok) throw new Error(glob.message)
  return matchGlob(glob.value, path)
}

test.each([
  ['abc', 'abc', true],
  ['abc', 'ab', false],
  ['abc', 'abcd', false],
  ['abc', 'ABC', false],
  ['a/b', 'a/b', true],
  ['a/b', 'a', false],
  ['*', 'abc', true],
  ['*', '.hidden', true],
  ['*', 'a/b', false],
  ['*c', 'abc', true],
  ['a*', 'a', true],
  ['a*', 'ab/c', false],
  ['a*/b', 'abc/b', true],
  ['a*/b', 'a/c/b', false],
  ['a*b*c*d*e*', 'axbxcxdxexxx', true],
  ['a*b?c*x', 'abxbbxdbxebxczzx', true],
  ['a*b?c*x', 'abxbbxdbxebxczzy', false],
  ['**', 'a', true],
  ['**', '.a', true],
  ['**', 'a/b/c', true],
  ['a/**', 'a', false], // as the last element: at least one
  ['a/**', 'a/b', true],
  ['a/**', 'a/b/c', true],
  ['a/**', 'ab/c', false],
  ['**/c', 'c', true],
  ['**/c', 'b/c', true],
  ['**/c', 'a/b/c', true],
  ['**/c', 'a/bc', false],
  ['**/c', 'c/d', false],
  ['a/**/b', 'a/b', true],
  ['a/**/b', 'a/x/b', true],
  ['a/**/b', 'a/x/y/b', true],
  ['a/**/b', 'a/xb', false],
  ['a/**/b', 'ab', false],
  ['a/**/*.go', 'a/x.go', true],
  ['a/**/*.go', 'a/b/c/x.go', true],
  ['a/**/*.go', 'b/x.go', false],
  ['**/**', 'a', true],
  ['**/**/c', 'a/b/c', true],
  ['a/**/**', 'a/b', true],
  ['a/**/**', 'a', false],
  ['**/*', 'a', true],
  ['**/*', 'a/b', true],
  ['*/**', 'a', false],
  ['*/**', 'a/b', true],
  ['abc**', 'abcd', true], // inside an element ** is *
  ['abc**', 'abc/b', false],
  ['**abc', 'xabc', true],
  ['**abc', 'x/abc', false],
  ['a**/b', 'ax/b', true],
  ['a**/b', 'a/x/b', false],
  ['***', 'abc', true],
  ['***', 'a/b', false],
  ['?', 'a', true],
  ['?', 'é', true],
  ['?', '😀', true],
  ['?', 'ab', false],
  ['a?b', 'a/b', false],
  ['[abc]', 'b', true],
  ['[abc]', 'd', false],
  ['[a-z]', 'm', true],
  ['[a-z]', 'M', false],
  ['[a-cx-z]', 'y', true],
  ['[^a]', 'b', true],
  ['[^a]', 'a', false],
  ['[^a]', '/', false],
  ['a[^b]c', 'a/c', false],
  ['a[!-~]c', 'a/c', false], // a range over the slash does not match it
  ['[!a]', 'a', true], // only ^ negates
  ['[!a]', '!', true],
  ['[!a]', 'b', false],
  ['[\\]a]', ']', true],
  ['[\\-a]', '-', true],
  ['[a\\-z]', 'm', false],
  ['[z-a]', 'm', false],
  ['[α-ω]', 'λ', true],
  ['[😀-😂]', '😁', true],
  ['[*?{]', '*', true],
  ['{a,b}', 'a', true],
  ['{a,b}', 'b', true],
  ['{a,b}', 'c', false],
  ['{a,b}', 'a,b', false],
  ['a{,b}', 'a', true],
  ['a{,b}', 'ab', true],
  ['a{b,}c', 'ac', true],
  ['{}a', 'a', true],
  ['{ab}', 'ab', true],
  ['*.{js,ts}', 'x.ts', true],
  ['*.{js,ts}', 'x.go', false],
  ['{a,b/c}/d', 'b/c/d', true],
  ['{a,b/c}/d', 'b/d', false],
  ['{a,{b,c}d}e', 'cde', true],
  ['{a,{b,c}d}e', 'ce', false],
  ['{a/,}**/c', 'a/x/c', true], // whether ** is a whole element depends on the alternative
  ['{a/,}**/c', 'x/y/c', true],
  ['{a,**}/c', 'x/y/c', true],
  ['x{a,**}/c', 'xy/c', true],
  ['x{a,**}/c', 'xy/z/c', false],
  ['**{/c,d}', 'a/b/c', true],
  ['**{/c,d}', 'abd', true],
  ['**{/c,d}', 'a/bd', false],
  ['a,b', 'a,b', true],
  ['a}', 'a}', true],
  ['\\*', '*', true],
  ['\\*', 'a', false],
  ['\\a', 'a', true],
  ['\\\\', '\\', true],
  ['\\{a\\}', '{a}', true],
  ['{a\\,b}', 'a,b', true],
  ['a\\/b', 'a/b', false],
  ['./a', 'a', false],
  ['/a', 'a', false],
  ['a/', 'a', false],
  ['a//b', 'a/b', false],
  ['../a', 'a', false],
  ['', 'a', false],
] as const)('%j on %j is %s', (pattern, path, expected) => {
  expect(matches(pattern, path)).toBe(expected)
})

test.each([
  ['[', 'bad character class'],
  ['[a', 'bad character class'],
  ['[]', 'bad character class'],
  ['[^]', 'bad character class'],
  ['[]a]', 'bad character class'],
  ['[-a]', 'bad character class'],
  ['[a-]', 'bad character class'],
  ['[a-b-c]', 'bad character class'],
  ['[a/b]', 'bad character class'],
  ['[a\\/]', 'bad character class'],
  ['[a\\', 'bad character class'],
  ['x/[', 'bad character class'],
  ['{', 'missing closing }'],
  ['{a,b', 'missing closing }'],
  ['{a,{b}', 'missing closing }'],
  ['{a\\}', 'missing closing }'],
  ['\\', 'trailing backslash'],
  ['a\\', 'trailing backslash'],
] as const)('%j is refused: %s', (pattern, what) => {
  expect(parseGlob(pattern)).toEqual({ ok: false, message: `syntax error in pattern: ${what}` })
})

test('a pattern that is too long is refused', () => {
  const bytes = limits.globPatternBytes.value
  expect(parseGlob('a'.repeat(bytes))).toMatchObject({ ok: true })
  expect(parseGlob('a'.repeat(bytes + 1))).toEqual({
    ok: false,
    message: `syntax error in pattern: longer than ${bytes} bytes`,
  })
})

test.each([
  ['stars', '*a'.repeat(100), 'a'.repeat(1000)],
  ['double stars', `${'**/'.repeat(100)}b`, 'a/'.repeat(500).slice(0, -1)],
  ['alternatives', `${'{a,b,a}'.repeat(100)}c`, 'a'.repeat(1000)],
  ['nested alternatives', `${'{a,'.repeat(100)}b${'}'.repeat(100)}c`, 'a'.repeat(1000)],
  ['empty alternatives', `${'{,a}'.repeat(300)}c`, 'a'.repeat(300)],
])('%s that make backtracking explode are answered in time', (_, pattern, path) => {
  const started = performance.now()
  matches(pattern, path)
  expect(performance.now() - started).toBeLessThan(20_000)
})

/** All that a pattern's alternatives can be, written out. Only for patterns without escapes and classes. */
function written(pattern: string): string[] {
  const open = pattern.lastIndexOf('{')
  if (open < 0) return [pattern]
  const close = pattern.indexOf('}', open)
  const [before, after] = [pattern.slice(0, open), pattern.slice(close + 1)]
  return pattern
    .slice(open + 1, close)
    .split(',')
    .flatMap((alternative) => written(before + alternative + after))
}

function elementsMatch(pattern: readonly string[], path: readonly string[]): boolean {
  const [first, ...rest] = pattern
  if (first === undefined) return path.length === 0
  if (path.length === 0) return false
  if (first !== '**') {
    const expression = new RegExp(`^${first.replaceAll('?', '.').replace(/\*+/g, '.*')}$`)
    return expression.test(path[0]!) && elementsMatch(rest, path.slice(1))
  }
  return rest.length === 0 || path.some((_, index) => elementsMatch(rest, path.slice(index)))
}

test('the same paths match as with a matcher that tries everything', () => {
  const part = fc.constantFrom(
    'a',
    'b',
    '/',
    '*',
    '**',
    '?',
    '{a,b}',
    '{a/,b}',
    '{a,b/a}',
    '{,a}',
    '/**/',
    'a/{b,**/a}',
  )
  const path = fc.array(fc.constantFrom('a', 'b', 'ab', 'aa', 'ba'), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), path, (parts, elements) => {
      const pattern = parts.join('')
      // Written out, stars around an empty alternative would join; here they stay two.
      fc.pre(!/\*(\{,a\})+\*/.test(pattern))
      const expected = written(pattern).some((plain) => elementsMatch(plain.split('/'), elements))
      expect([pattern, matches(pattern, elements.join('/'))]).toEqual([pattern, expected])
    }),
    { numRuns: 3000 },
  )
})

test('no pattern makes the parser throw', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'ab*?[]^-{},\\/'), maxLength: 20 }), (pattern) => {
      const glob = parseGlob(pattern)
      if (glob.ok) matchGlob(glob.value, 'a/b')
      else expect(glob.message).toMatch(/^syntax error in pattern: /)
    }),
  )
})
