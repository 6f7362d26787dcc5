// The errors were printed by Go's regexp package.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../../../lib/limits.ts'
import { matchCondition, parseCondition, parseRegexpCondition } from './condition.ts'

function matches(text: string, value: string): boolean {
  const condition = parseCondition(text)
  if (!condition.ok) throw new Error(condition.message)
  return matchCondition(condition.value, value)
}

test.each([
  ['master', 'simple', 'master'],
  ['', 'simple', ''],
  ['/', 'simple', '/'],
  ['#', 'simple', '#'],
  ['//', 'simple', '//'],
  ['##', 'simple', '##'],
  ['/a', 'simple', '/a'],
  ['a/', 'simple', 'a/'],
  ['/a#', 'simple', '/a#'],
  ['#a/', 'simple', '#a/'],
  [' /a/', 'simple', ' /a/'],
  ['/a/ ', 'simple', '/a/ '],
  ['refs/heads/master', 'simple', 'refs/heads/master'],
  ['/refs/heads/master/', 'regexp', 'refs/heads/master'],
  ['/a/', 'regexp', 'a'],
  ['#a#', 'regexp', 'a'],
  ['///', 'regexp', '/'],
  ['/#/', 'regexp', '#'],
  ['#/.*/#', 'regexp', '/.*/'],
  ['/é/', 'regexp', 'é'],
  ['/a/i', 'simple', '/a/i'],
] as const)('%j is a %s condition on %j', (text, type, match) => {
  expect(parseCondition(text)).toEqual({ ok: true, value: { type, match } })
})

test.each([
  ['master', 'master', true],
  ['master', 'Master', false],
  ['master', 'master2', false],
  ['m.ster', 'master', false],
  ['', '', true],
  ['', 'master', false],
  ['//', '//', true],
  ['/^v\\d+\\.\\d+\\.\\d+$/', 'v1.2.0', true],
  ['/^v\\d+\\.\\d+\\.\\d+$/', 'v1.2.0-rc1', false],
  ['#-rc#', 'v1.2.0-rc1', true],
  ['/.*/', 'anything', true],
  ['/.*/', '', true],
  ['/a/', 'bab', true], // a search, not a full match
  ['/a/', 'bAb', false],
  ['/(?i)a/', 'bAb', true],
  ['/^a$/', 'a', true],
  ['/^a$/', 'a\n', false],
  ['/^a$/', 'b\na', false],
  ['/(?m)^a$/', 'b\na', true],
  ['/a.b/', 'a\nb', false],
  ['/(?s)a.b/', 'a\nb', true],
  ['/^.$/', '😀', true], // a character, not a byte or half of a pair
  ['/^.$/', 'é', true],
  ['/\\bfoo\\b/', 'a foo b', true],
  ['/\\bfoo\\b/', 'afoob', false],
  ['/^\\w+$/', 'é', false], // ASCII classes
  ['/^\\d$/', '٣', false],
  ['/^\\s$/', '\u00a0', false],
  ['/^\\pL$/', 'é', true],
  ['/^\\p{Greek}$/', 'λ', true],
  ['/^[[:alpha:]]+$/', 'abc', true],
  ['/^[^a-c]$/', 'd', true],
  ['/^(a|b)*$/', 'abba', true],
  ['/^a{2,3}$/', 'aaaa', false],
  ['/^\\Qa.b\\E$/', 'a.b', true],
  ['/^\\Qa.b\\E$/', 'axb', false],
  ['/^\\x41\\x{1F600}$/', 'A😀', true],
  ['#^refs/heads/#', 'refs/heads/x', true],
  ['/^refs/heads/', 'refs/heads/x', true],
  ['/\\Aa\\z/', 'a', true],
  ['/^release/[0-9]+$/', 'release/12', true],
  ['/^(?P<major>\\d)\\.(?<minor>\\d)$/', '1.2', true],
  ['/(?U)^a+$/', 'aaa', true],
] as const)('%j on %j is %s', (text, value, expected) => {
  expect(matches(text, value)).toBe(expected)
})

test.each([
  '/(?<n>a)/',
  '/(?P<n>a)/',
  '/(?i)a/',
  '/\\z/',
  '/\\A/',
  '/\\pN/',
  '/\\p{Greek}/',
  '/\\x{10FFFF}/',
  '/\\Q.\\E/',
  '/\\Qabc/',
  '/[]a]/',
  '/[[:alpha:]]/',
  '/[a-b-c]/',
  '/a??/',
  '/a*?/',
  '/^*/',
  '/a{1000}/',
  '/a{,5}/',
  '/a{5/',
  '/a{3}?/',
  '/\\0/',
  '/\\07/',
  '/\\a\\f\\v\\n\\r\\t/',
  '/\\-\\_/',
  '/(?i)(?s)(?m)(?U)a/',
  '/(?is:a)/',
  '/(?P<1a>x)/',
  '/[[.a.]]/',
  '/\\p{^Greek}/',
  '/\\P{Greek}/',
  '/[[:alpha:]-z]/',
  '/$*/',
  '/(|a)*/',
  '/\\b+/',
])('%j compiles', (text) => {
  expect(parseCondition(text)).toMatchObject({ ok: true })
})

test.each([
  ['/(/', 'error parsing regexp: missing closing ): `(`'],
  ['/)/', 'error parsing regexp: unexpected ): `)`'],
  ['/a)/', 'error parsing regexp: unexpected ): `a)`'],
  ['/(?=a)/', 'error parsing regexp: invalid or unsupported Perl syntax: `(?=`'],
  ['/(?!a)/', 'error parsing regexp: invalid or unsupported Perl syntax: `(?!`'],
  ['/(?<=a)/', 'error parsing regexp: invalid named capture: `(?<=a)`'],
  ['/(?<!a)/', 'error parsing regexp: invalid named capture: `(?<!a)`'],
  ['/(?P<n/', 'error parsing regexp: invalid named capture: `(?P<n`'],
  ['/(?P<>a)/', 'error parsing regexp: invalid named capture: `(?P<>`'],
  ['/(?P<n-x>a)/', 'error parsing regexp: invalid named capture: `(?P<n-x>`'],
  ['/(?P=n)/', 'error parsing regexp: invalid or unsupported Perl syntax: `(?P`'],
  ['/(?#c)/', 'error parsing regexp: invalid or unsupported Perl syntax: `(?#`'],
  ['/(?z)/', 'error parsing regexp: invalid or unsupported Perl syntax: `(?z`'],
  ['/(?i/', 'error parsing regexp: invalid or unsupported Perl syntax: `(?i`'],
  ['/(?/', 'error parsing regexp: invalid or unsupported Perl syntax: `(?`'],
  ['/(?P/', 'error parsing regexp: invalid or unsupported Perl syntax: `(?P`'],
  ['/(?i-)/', 'error parsing regexp: invalid or unsupported Perl syntax: `(?i-)`'],
  ['/(?-/', 'error parsing regexp: invalid or unsupported Perl syntax: `(?-`'],
  ['/\\1/', 'error parsing regexp: invalid escape sequence: `\\1`'],
  ['/\\k<n>/', 'error parsing regexp: invalid escape sequence: `\\k`'],
  ['/\\/', 'error parsing regexp: trailing backslash at end of expression: ``'],
  ['/a\\/', 'error parsing regexp: trailing backslash at end of expression: ``'],
  ['/\\Z/', 'error parsing regexp: invalid escape sequence: `\\Z`'],
  ['/\\G/', 'error parsing regexp: invalid escape sequence: `\\G`'],
  ['/\\p{Foo}/', 'error parsing regexp: invalid character class range: `\\p{Foo}`'],
  ['/\\pX/', 'error parsing regexp: invalid character class range: `\\pX`'],
  ['/\\p{/', 'error parsing regexp: invalid character class range: `\\p{`'],
  ['/\\p/', 'error parsing regexp: invalid character class range: `\\p`'],
  ['/\\x{110000}/', 'error parsing regexp: invalid escape sequence: `\\x{110000`'],
  ['/\\xg/', 'error parsing regexp: invalid escape sequence: `\\xg`'],
  ['/\\x/', 'error parsing regexp: invalid escape sequence: `\\x`'],
  ['/\\x{/', 'error parsing regexp: invalid escape sequence: `\\x{`'],
  ['/\\u1234/', 'error parsing regexp: invalid escape sequence: `\\u`'],
  ['/\\C/', 'error parsing regexp: invalid escape sequence: `\\C`'],
  ['/\\h/', 'error parsing regexp: invalid escape sequence: `\\h`'],
  ['/\\R/', 'error parsing regexp: invalid escape sequence: `\\R`'],
  ['/\\X/', 'error parsing regexp: invalid escape sequence: `\\X`'],
  ['/[/', 'error parsing regexp: missing closing ]: `[`'],
  ['/[a/', 'error parsing regexp: missing closing ]: `[a`'],
  ['/[]/', 'error parsing regexp: missing closing ]: `[]`'],
  ['/[^]/', 'error parsing regexp: missing closing ]: `[^]`'],
  ['/[z-a]/', 'error parsing regexp: invalid character class range: `z-a`'],
  ['/[a-\\d]/', 'error parsing regexp: invalid escape sequence: `\\d`'],
  ['/[[:foo:]]/', 'error parsing regexp: invalid character class range: `[:foo:]`'],
  ['/[\\/', 'error parsing regexp: trailing backslash at end of expression: ``'],
  ['/a**/', 'error parsing regexp: invalid nested repetition operator: `**`'],
  ['/a*+/', 'error parsing regexp: invalid nested repetition operator: `*+`'],
  ['/a++/', 'error parsing regexp: invalid nested repetition operator: `++`'],
  ['/*/', 'error parsing regexp: missing argument to repetition operator: `*`'],
  ['/+a/', 'error parsing regexp: missing argument to repetition operator: `+`'],
  ['/?/', 'error parsing regexp: missing argument to repetition operator: `?`'],
  ['/a|*/', 'error parsing regexp: missing argument to repetition operator: `*`'],
  ['/(*)/', 'error parsing regexp: missing argument to repetition operator: `*`'],
  ['/a{1001}/', 'error parsing regexp: invalid repeat count: `{1001}`'],
  ['/a{2,1}/', 'error parsing regexp: invalid repeat count: `{2,1}`'],
  ['/a{1}{2}/', 'error parsing regexp: invalid nested repetition operator: `{1}{2}`'],
  ['/a{3}+/', 'error parsing regexp: invalid nested repetition operator: `{3}+`'],
  ['/{1}/', 'error parsing regexp: missing argument to repetition operator: `{1}`'],
  ['/(a{100}){100}/', 'error parsing regexp: invalid repeat count: `{100}`'],
  ['/((a{100}){10}){10}/', 'error parsing regexp: invalid repeat count: `{10}`'],
  ['/(?>a)/', 'error parsing regexp: invalid or unsupported Perl syntax: `(?>`'],
  ['/(?|a)/', 'error parsing regexp: invalid or unsupported Perl syntax: `(?|`'],
  ['/(?(1)a)/', 'error parsing regexp: invalid or unsupported Perl syntax: `(?(`'],
  ['/\\8/', 'error parsing regexp: invalid escape sequence: `\\8`'],
  ['/\\cA/', 'error parsing regexp: invalid escape sequence: `\\c`'],
  ['/\\e/', 'error parsing regexp: invalid escape sequence: `\\e`'],
  ['/\\y/', 'error parsing regexp: invalid escape sequence: `\\y`'],
  ['/(?x)a/', 'error parsing regexp: invalid or unsupported Perl syntax: `(?x`'],
  ['/(?i:a/', 'error parsing regexp: missing closing ): `(?i:a`'],
  ['/a{99999999999}/', 'error parsing regexp: invalid repeat count: `{99999999999}`'],
  ['/(?P<name/', 'error parsing regexp: invalid named capture: `(?P<name`'],
  ['/(?<name/', 'error parsing regexp: invalid named capture: `(?<name`'],
  ['/(?<>x)/', 'error parsing regexp: invalid named capture: `(?<>`'],
  ['/(?P<a>x/', 'error parsing regexp: missing closing ): `(?P<a>x`'],
  ['/\\p{L/', 'error parsing regexp: invalid character class range: `\\p{L`'],
  ['/\\pé/', 'error parsing regexp: invalid character class range: `\\pé`'],
  ['/\\é/', 'error parsing regexp: invalid escape sequence: `\\é`'],
  ['/[a-/', 'error parsing regexp: missing closing ]: `[a-`'],
  ['/x{2,1001}/', 'error parsing regexp: invalid repeat count: `{2,1001}`'],
  ['/x{1001,}/', 'error parsing regexp: invalid repeat count: `{1001,}`'],
  ['/(((((x{9}){9}){9}){9}){9})/', 'error parsing regexp: invalid repeat count: `{9}`'],
  ['/[\\p{Foo}]/', 'error parsing regexp: invalid character class range: `\\p{Foo}`'],
] as const)('%j is refused: %s', (text, message) => {
  expect(parseCondition(text)).toEqual({ ok: false, message: `wrong regular expression: ${message}` })
})

test.each([
  ['/^(?P<n>a)(?<n>b)$/', 'ab', true],
  ['/^(?P<n>a)|(?P<n>b)$/', 'xb', true],
  ['/^(?P<n>a)(?P<n>[(?P<n>]+)$/', 'a<P', true], // not a group inside a class
  ['/^(?P<n>a)(?P<n>\\(?P<n>)$/', 'a(P<n>', true], // nor after a backslash
  ['/^(?P<n>a)(?P<n>\\Q(?P<n>\\E)$/', 'a(?P<n>', true], // nor in a quotation
] as const)('groups may share a name: %j on %j is %s', (text, value, expected) => {
  expect(matches(text, value)).toBe(expected)
})

test('a pattern from elsewhere is checked alike; an empty one matches everything', () => {
  expect(parseRegexpCondition('(')).toMatchObject({ ok: false })
  expect(parseRegexpCondition('')).toEqual({ ok: true, value: { type: 'regexp', match: '' } })
  expect(matchCondition({ type: 'regexp', match: '' }, 'x')).toBe(true)
  expect(matchCondition({ type: 'regexp', match: '(' }, 'x')).toBe(false)
})

test('a pattern that is too long or compiles to too much is refused', () => {
  const long = limits.conditionPatternBytes.value
  expect(parseCondition(`/${'a'.repeat(long)}/`)).toMatchObject({ ok: true })
  expect(parseCondition(`/${'a'.repeat(long + 1)}/`)).toEqual({
    ok: false,
    message: `wrong regular expression: longer than ${long} bytes`,
  })
  expect(parseCondition(`/${'[a-z]{1000}'.repeat(50)}/`)).toEqual({
    ok: false,
    message: 'wrong regular expression: error parsing regexp: expression too large',
  })
})

test('a pattern that makes backtracking engines hang is answered in linear time', () => {
  expect(matches('/^(a+)+$/', `${'a'.repeat(5000)}b`)).toBe(false)
  expect(matches('/^(a|a)*$/', `${'a'.repeat(5000)}b`)).toBe(false)
  expect(matches('/(x+x+)+y/', 'x'.repeat(5000))).toBe(false)
})

test('no text makes the parser throw', () => {
  const piece = fc.constantFrom(
    '(',
    ')',
    '?',
    '*',
    '+',
    '{',
    '}',
    '2',
    '[',
    ']',
    '^',
    '-',
    '\\',
    'p',
    'P',
    '<',
    'a',
    ':',
    '|',
    '=',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const result = parseCondition(`/${pieces.join('')}/`)
      if (result.ok) matchCondition(result.value, 'aap')
      else expect(result.message).toMatch(/^wrong regular expression: error parsing regexp: /)
    }),
  )
})
