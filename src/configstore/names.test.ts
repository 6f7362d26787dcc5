// What may be a name. The reference's tables, and that no text takes long.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkName, isName, isUuid } from './names.ts'

const uuid = '6e0f4c1a-7d3b-4b52-9a3e-0d2f7a1c9e11'
const bare = uuid.replaceAll('-', '')

test.each([
  ['a digit', '0'],
  ['a letter', 'a'],
  ['a capital letter', 'Z'],
  ['letters', 'bar'],
  ['hyphens inside', 'foo-bar-baz'],
  ['a digit at the end', 'foo1'],
  ['a digit between hyphens', 'foo-1-bar'],
  ['digits anywhere', 'f12oo-bar33'],
  ['a UUID without one digit', `a${uuid.slice(2)}`],
  ['a UUID without one hyphen', `a${uuid.slice(1).replace('-', '')}`],
  ['31 hex digits', `a${bare.slice(2)}`],
  ['33 hex digits', `a${bare}`],
  ['40 characters', 'a'.repeat(40)],
])('a name: %s', (_, text) => {
  expect(isName(text)).toBe(true)
})

test.each([
  ['nothing', ''],
  ['a hyphen', '-'],
  ['a letter beyond ASCII', 'é'],
  ['letters beyond ASCII', 'café'],
  ['a space', 'a b'],
  ['a space after', 'a '],
  ['a newline after', 'a\n'],
  ['a hyphen first', '-bar'],
  ['a hyphen last', 'bar-'],
  ['two hyphens', 'foo--bar'],
  ['a dot', 'foo.bar'],
  ['an underscore', 'foo_bar'],
  ['a hash', 'foo#bar'],
  ['a slash', 'foo/bar'],
  ['a digit first', '1foobar'],
  ['a UUID', uuid],
  ['a UUID in capitals', uuid.toUpperCase()],
  ['a UUID without hyphens', bare],
  ['a UUID in braces', `{${uuid}}`],
  ['a UUID as URN', `urn:uuid:${uuid}`],
  ['41 characters', 'a'.repeat(41)],
])('no name: %s', (_, text) => {
  expect(isName(text)).toBe(false)
  expect(() => checkName(text, 'a user')).toThrow(expect.objectContaining({ code: 'name_invalid' }))
})

test('a UUID is one in every spelling, so that ids and names cannot be mistaken for each other', () => {
  for (const text of [uuid, uuid.toUpperCase(), bare, `{${uuid}}`, `{${bare}}`, `urn:uuid:${uuid}`, `urn:uuid:${bare}`])
    expect(isUuid(text)).toBe(true)
  expect(isUuid(`{urn:uuid:${uuid}}`)).toBe(false)
  fc.assert(fc.property(fc.string(), (text) => !(isName(text) && isUuid(text))))
  fc.assert(fc.property(fc.uuid(), (text) => isUuid(text) && !isName(text)))
})

test('a name of more than 40 characters is refused without being looked at: a long text does not take minutes', () => {
  const started = performance.now()
  for (const text of [`${'a'.repeat(100_000)}!`, `${'a-'.repeat(100_000)}-`, 'a'.repeat(39).concat('-')])
    expect(isName(text)).toBe(false)
  expect(performance.now() - started).toBeLessThan(20_000)
})
