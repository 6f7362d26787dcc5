import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../../../lib/limits.ts'
import { parseYaml, type YamlResult } from './parse-yaml.ts'
import { printGoValue, toPlainString } from './plain-string.ts'
import type { Node, ScalarNode } from './tree.ts'

function decoded(text: string): Extract<YamlResult, { ok: true }> {
  const result = parseYaml(text)
  if (!result.ok) throw new Error(`${result.error.line}:${result.error.column}: ${result.error.message}`)
  return result
}

/** Without positions; 64 bit integers as numbers where they fit. */
function plain(node: Node): unknown {
  switch (node.kind) {
    case 'sequence':
      return node.items.map(plain)
    case 'mapping':
      return Object.fromEntries(node.entries.map((entry) => [entry.key, plain(entry.value)]))
    case 'int':
      return Number.isSafeInteger(Number(node.value)) ? Number(node.value) : node.value
    default:
      return node.value
  }
}

const value = (text: string): unknown => plain(decoded(text).root)

function scalar(text: string): ScalarNode {
  const { root } = decoded(`- ${text}\n`)
  if (root.kind !== 'sequence') throw new Error('not a list')
  return root.items[0] as ScalarNode
}

test.each([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map(
    (word) => [word, 'bool', true] as const,
  ),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map(
    (word) => [word, 'bool', false] as const,
  ),
  ...['', '~', 'null', 'Null', 'NULL'].map((word) => [word, 'null', null] as const),
  ['yEs', 'string', 'yEs'],
  ['tRUE', 'string', 'tRUE'],
  ['nULL', 'string', 'nULL'],
  ['oN', 'string', 'oN'],
  ['"yes"', 'string', 'yes'],
  ["'null'", 'string', 'null'],
  ['""', 'string', ''],
  ['0', 'int', 0n],
  ['-0', 'int', 0n],
  ['12', 'int', 12n],
  ['+12', 'int', 12n],
  ['-12', 'int', -12n],
  ['1_000', 'int', 1000n],
  ['1__0_', 'int', 10n],
  ['0100', 'int', 64n], // octal
  ['-0100', 'int', -64n],
  ['0o17', 'int', 15n],
  ['0O17', 'int', 15n],
  ['0x1F', 'int', 31n],
  ['0X1f', 'int', 31n],
  ['-0x10', 'int', -16n],
  ['0b101', 'int', 5n],
  ['-0b101', 'int', -5n],
  ['0x_1F', 'int', 31n],
  ['08', 'float', 8], // not octal: a float
  ['09', 'float', 9],
  ['0189', 'float', 189],
  ['9223372036854775807', 'int', 9223372036854775807n],
  ['9223372036854775808', 'int', 9223372036854775808n],
  ['18446744073709551615', 'int', 18446744073709551615n],
  ['18446744073709551616', 'float', 2 ** 64],
  ['-9223372036854775808', 'int', -9223372036854775808n],
  ['-9223372036854775809', 'float', -(2 ** 63)],
  ['+9223372036854775808', 'float', 2 ** 63],
  ['12345678901234567890123', 'float', 1.2345678901234568e22],
  ['0xFFFFFFFFFFFFFFFFF', 'string', '0xFFFFFFFFFFFFFFFFF'],
  ['0x', 'string', '0x'],
  ['0xg', 'string', '0xg'],
  ['0b2', 'string', '0b2'],
  ['1.5', 'float', 1.5],
  ['-1.5', 'float', -1.5],
  ['+1.5', 'float', 1.5],
  ['1.', 'float', 1],
  ['.5', 'float', 0.5],
  ['1e3', 'float', 1000],
  ['1E3', 'float', 1000],
  ['1e+3', 'float', 1000],
  ['1.5e-3', 'float', 0.0015],
  ['.5e1', 'float', 5],
  ['1_0.5', 'float', 10.5],
  ['1e400', 'string', '1e400'], // beyond a float
  ['.5e400', 'string', '.5e400'],
  ['1e', 'string', '1e'],
  ['e3', 'string', 'e3'],
  ['.', 'string', '.'],
  ['-.5', 'float', -0.5],
  ['._5', 'string', '._5'],
  ['.inf', 'float', Number.POSITIVE_INFINITY],
  ['+.Inf', 'float', Number.POSITIVE_INFINITY],
  ['-.INF', 'float', Number.NEGATIVE_INFINITY],
  ['.nan', 'float', Number.NaN],
  ['inf', 'string', 'inf'],
  ['NaN', 'string', 'NaN'],
  ['1:30', 'string', '1:30'], // no base 60
  ['190:20:30', 'string', '190:20:30'],
  ['2024-01-01', 'string', '2024-01-01'], // timestamps stay strings
  ['2001-12-14t21:59:43.10-05:00', 'string', '2001-12-14t21:59:43.10-05:00'],
  ['1.2.3', 'string', '1.2.3'],
  ['1,5', 'string', '1,5'],
  ['5d', 'string', '5d'],
  ['-', 'sequence', undefined],
  ['+', 'string', '+'],
  ['--', 'string', '--'],
  ['v1', 'string', 'v1'],
  ['!!str 12', 'string', '12'],
  ['!!str', 'string', ''],
  ['! 12', 'string', '12'],
  ['!!int "12"', 'int', 12n],
  ['!!float 3', 'float', 3],
  ['!!bool "yes"', 'bool', true],
  ['!!null ""', 'null', null],
  ['!!binary aGVsbG8=', 'string', 'hello'],
  ['!!timestamp 2024-01-01', 'string', '2024-01-01'],
  ['!custom 12', 'string', '12'],
  ['!<tag:yaml.org,2002:str> 12', 'string', '12'],
  ['"\\/"', 'string', '/'], // JSON's escapes are understood
  ['"\\ud83d\\ude00"', 'string', '😀'],
  ['"\\ud83d"', 'string', '\ufffd'],
  ['"\\x41\\u00e9\\U0001F600\\n\\t\\e\\0"', 'string', 'Aé😀\n\t\x1b\0'],
  ["'it''s'", 'string', "it's"],
  ['a # comment', 'string', 'a'],
  ['a#b', 'string', 'a#b'],
  ['http://x', 'string', 'http://x'],
  ['a\n  b\n\n  c', 'string', 'a b\nc'],
  ['|\n  a\n  b\n', 'string', 'a\nb\n'],
  ['|-\n  a\n  b\n', 'string', 'a\nb'],
  ['>\n  a\n  b\n', 'string', 'a b\n'],
  ['|2\n    a\n', 'string', '  a\n'],
  ['|\n  12\n', 'string', '12\n'],
] as const)('%j is the %s %s', (text, kind, expected) => {
  const node = scalar(text)
  expect(node.kind).toBe(kind)
  if (expected !== undefined) expect(node.value).toBe(expected)
})

const base = 'b: &b {name: base, x: 1}\n'

test.each([
  ['', null],
  ['# only a comment\n', null],
  ['---\n', null],
  ['a: 1\n---\nb: 2\n', { a: 1 }], // the first document only
  ['--- a\n...\n{{{ not yaml', 'a'],
  ['%YAML 1.2\n---\na: yes\n', { a: true }], // whatever version it says
  ['\ufeffa: 1\n', { a: 1 }],
  ['a: 1\r\nb: 2\r\n', { a: 1, b: 2 }],
  ['a:\nb:\n', { a: null, b: null }],
  ['a:\n- x\n- y\n', { a: ['x', true] }],
  ['{a: 1, b}', { a: 1, b: null }],
  ['[a, [b, c], {d: e}]', ['a', ['b', 'c'], { d: 'e' }]],
  ['{"a":1,\n\t"b":[\n\t\ttrue,\n\t\tnull]}', { a: 1, b: [true, null] }], // tabs inside brackets
  ['{tag: [/^v\\d+\\.\\d+$/, latest]}', { tag: ['/^v\\d+\\.\\d+$/', 'latest'] }],
  ['a: 1\na: 2\n', { a: 2 }], // duplicate keys: the last wins
  ['{"a": 1, "a": 2}', { a: 2 }],
  ['1: a\n', { '1': 'a' }],
  ['1: a\n"1": b\n', { '1': 'b' }],
  ['0x10: a\n010: b\n', { '16': 'a', '8': 'b' }],
  ['1.10: a\n', { '1.1': 'a' }],
  ['1e6: a\n', { '1e+06': 'a' }],
  ['.inf: a\n-.inf: b\n.nan: c\n', { '.inf': 'a', '-.inf': 'b', '.nan': 'c' }],
  ['on: a\nno: b\n', { true: 'a', false: 'b' }],
  ['? a\n: b\n', { a: 'b' }],
  ['a: &x 1\nb: *x\n', { a: 1, b: 1 }],
  ['a: &x 1\nb: &x 2\nc: *x\n', { a: 1, b: 2, c: 2 }], // the anchor written last
  ['a: &x k\n*x : v\n', { a: 'k', k: 'v' }],
  ['a: &x [1, 2]\nb: *x\n', { a: [1, 2], b: [1, 2] }],
  ['a: &x\nb: *x\n', { a: null, b: null }],
  [`${base}c: {<<: *b, name: own}`, { b: { name: 'base', x: 1 }, c: { name: 'own', x: 1 } }],
  [`${base}c: {name: own, <<: *b}`, { b: { name: 'base', x: 1 }, c: { name: 'base', x: 1 } }], // by position
  [`${base}c: {<<: {z: 2}, name: own}`, { b: { name: 'base', x: 1 }, c: { z: 2, name: 'own' } }],
  [`${base}c: {<<: [*b, {x: 2, z: 3}]}`, { b: { name: 'base', x: 1 }, c: { x: 1, z: 3, name: 'base' } }],
  [`${base}c: {<<: *b, <<: {x: 5}}`, { b: { name: 'base', x: 1 }, c: { name: 'base', x: 5 } }], // twice: the later
  [`${base}c: {<<: [{x: 7}, *b]}`, { b: { name: 'base', x: 1 }, c: { name: 'base', x: 7 } }],
  [`${base}c: {<<: []}`, { b: { name: 'base', x: 1 }, c: {} }],
  ['a: &a {e: {p: 1, q: 2}}\nb: {<<: *a, e: {r: 3}}', { a: { e: { p: 1, q: 2 } }, b: { e: { r: 3 } } }], // shallow
  ['"<<": {a: 1}\n', { '<<': { a: 1 } }], // quoted: a key
  ['!!merge <<: {a: 1}\n', { a: 1 }],
] as const)('%j decodes to %j', (text, expected) => {
  expect(value(text)).toEqual(expected)
})

test.each([
  ['a: *x\n', '1:4', "unknown anchor 'x' referenced"],
  ['b: *x\na: &x 1\n', '1:4', "unknown anchor 'x' referenced"],
  ['a: &a [1, *a]\n', '1:11', "anchor 'a' value contains itself"],
  ['a: &a\n  b: *a\n', '2:6', "anchor 'a' value contains itself"],
  ['<<: 1\n', '1:5', 'map merge requires map or sequence of maps as the value'],
  ['<<:\n', '1:4', 'map merge requires map or sequence of maps as the value'],
  ['<<: [{a: 1}, 2]\n', '1:5', 'map merge requires map or sequence of maps as the value'],
  ['a: &a [{x: 1}]\nb: {<<: *a}\n', '2:9', 'map merge requires map or sequence of maps as the value'],
  ['~: 1\n', '1:1', 'a key must not be null'],
  ['a:\n  null: 1\n', '2:3', 'a key must not be null'],
  [': 1\n', '1:1', 'a key must not be null'],
  ['? [a]\n: 1\n', '1:3', 'invalid map key: a key must not be a list'],
  ['{a: 1}: 1\n', '1:1', 'invalid map key: a key must not be a map'],
  ['18446744073709551615: 1\n', '1:1', 'integer 18446744073709551615 is too large for a key'],
  ['a: !!int x\n', '1:10', 'cannot decode !!str `x` as a !!int'],
  ['a: !!int 1.5\n', '1:10', 'cannot decode !!float `1.5` as a !!int'],
  ['a: !!bool 1\n', '1:11', 'cannot decode !!int `1` as a !!bool'],
  ['a: !!null x\n', '1:11', 'cannot decode !!str `x` as a !!null'],
  ['a: !!timestamp x\n', '1:16', 'cannot decode !!str `x` as a !!timestamp'],
  ['a: !!binary "%"\n', '1:13', '!!binary value contains invalid base64 data'],
  ['a:\n\t- b\n', '2:1', 'Tabs are not allowed as indentation'],
  ['a: "x\n', '2:1', 'Missing closing "quote'],
  ["a: 'x\n", '2:1', "Missing closing 'quote"],
  ['a: b: c\n', '1:4', 'Nested mappings are not allowed in compact mappings'],
  ['a: @x\n', '1:4', 'Plain value cannot start with reserved character @'],
  ['a: `x`\n', '1:4', 'Plain value cannot start with reserved character `'],
  ['a: "\u0000"\n', '1:5', 'control characters are not allowed'],
  ['a: 1\nb: \u001b[0m\n', '2:4', 'control characters are not allowed'],
  ['a: "\\q"\n', '1:5', 'Invalid escape sequence \\q'],
] as const)('%j is refused at %s: %s', (text, position, message) => {
  const [line, column] = position.split(':').map(Number)
  expect(parseYaml(text)).toEqual({ ok: false, error: { line, column, message } })
})

test.each([
  '[a, b',
  '{a: b',
  'a: [b\nc: d',
  'a: }',
  '- a\nb: c',
  'a\nb: c',
  '%FOO\na: 1',
  'a: &x &y 1',
  'a: !!int !!str 1',
  '"a" b',
])('%j is refused', (text) => {
  expect(parseYaml(text)).toMatchObject({ ok: false, error: { line: expect.any(Number) } })
})

test('every value and key knows where it is written', () => {
  const { root } = decoded('runs:\n  - name: ci\n    tasks: [x, {z: 1}]\n')
  expect(root).toMatchObject({
    kind: 'mapping',
    line: 1,
    column: 1,
    entries: [
      {
        key: 'runs',
        keyPosition: { line: 1, column: 1 },
        value: {
          kind: 'sequence',
          line: 2,
          column: 3,
          items: [
            {
              kind: 'mapping',
              line: 2,
              column: 5,
              entries: [
                { key: 'name', keyPosition: { line: 2, column: 5 }, value: { value: 'ci', line: 2, column: 11 } },
                {
                  key: 'tasks',
                  keyPosition: { line: 3, column: 5 },
                  value: {
                    line: 3,
                    column: 12,
                    items: [
                      { value: 'x', line: 3, column: 13 },
                      { entries: [{ key: 'z', value: { value: 1n, line: 3, column: 20, source: '1' } }] },
                    ],
                  },
                },
              ],
            },
          ],
        },
      },
    ],
  })
})

test('a merged or aliased value is where its anchor is', () => {
  const { root } = decoded('a: &a\n  x: 1\nb:\n  <<: *a\nc: *a\n')
  expect(root).toMatchObject({
    entries: [
      { key: 'a' },
      {
        key: 'b',
        value: { line: 4, entries: [{ key: 'x', keyPosition: { line: 2, column: 3 }, value: { line: 2 } }] },
      },
      { key: 'c', value: { line: 2, column: 3 } },
    ],
  })
})

test('duplicate keys are reported where they are repeated; overwriting a merged key is no duplicate', () => {
  expect(decoded('a: 1\nb: {c: 1, d: 2, c: 3}\na: 2\n').diagnostics).toEqual([
    { kind: 'duplicate_key', key: 'c', line: 2, column: 17, message: 'key "c" is given twice; the last one wins' },
    { kind: 'duplicate_key', key: 'a', line: 3, column: 1, message: 'key "a" is given twice; the last one wins' },
  ])
  expect(decoded('a: &a {x: 1}\nb: {<<: *a, <<: *a, x: 2}\n').diagnostics).toEqual([])
})

test('a key that comes again keeps its first place', () => {
  expect(Object.keys(value('b: 1\na: 2\nb: 3\n') as object)).toEqual(['b', 'a'])
})

test.each([
  ['1.10', '1.1'],
  ['1000000.0', '1e+06'],
  ['12345678901234567890123', '1.2345679e+22'],
  ['2024', '2024'],
  ['0100', '64'],
  ['08', '8'],
  ['18446744073709551615', '18446744073709551615'],
  ['yes', 'true'],
  ['off', 'false'],
  ['16777217.0', '1.6777216e+07'],
  ['0.1', '0.1'],
  ['.nan', 'NaN'],
  ['.inf', '+Inf'],
  ['-.inf', '-Inf'],
  ['"1.10"', '1.10'],
  ['text', 'text'],
  ['~', undefined],
] as const)('in a plain string field %s is %j', (text, expected) => {
  expect(toPlainString(scalar(text))).toBe(expected)
})

test.each([
  ['1', '1'],
  ['12345678', '1.2345678e+07'],
  ['true', 'true'],
  ['on', 'true'],
  ['~', '<nil>'],
  ['[x, z]', '[x z]'],
  ['[]', '[]'],
  ['{}', 'map[]'],
  ['[1, [2.5, null], {b: 1, a: [x]}]', '[1 [2.5 <nil>] map[a:[x] b:1]]'],
  ['1.10', '1.1'],
  ['9007199254740993', '9.007199254740992e+15'],
  ['100000', '100000'],
  ['1000000', '1e+06'],
  ['plain', 'plain'],
] as const)('%s prints in messages as %s', (text, expected) => {
  expect(printGoValue(decoded(text).root)).toBe(expected)
})

test('a printed value is cut', () => {
  const bomb = `a: &a [${'x, '.repeat(100)}]\nb: &b [${'*a, '.repeat(100)}]\n`
  expect(printGoValue(decoded(bomb).root, 50)).toHaveLength(50)
})

test('an alias bomb is refused, and aliases up to the limit are not', () => {
  const uses = limits.yamlAliasExpansions.value
  const list = (count: number) => `a: &a [${'x,'.repeat(99)}]\nb: [${'*a,'.repeat(count)}]\n`
  expect(parseYaml(list(uses / 100))).toMatchObject({ ok: true })
  expect(parseYaml(list(uses / 100 + 1))).toMatchObject({
    ok: false,
    error: { line: 2, message: 'document contains excessive aliasing' },
  })
  const names = [...'abcdefghi']
  const bomb = names.map((name, index) => {
    const before = names[index - 1]
    return `${name}: &${name} [${Array(9).fill(before === undefined ? 'lol' : `*${before}`)}]`
  })
  expect(parseYaml(bomb.join('\n'))).toMatchObject({
    ok: false,
    error: { message: 'document contains excessive aliasing' },
  })
})

test('a document nested too deep is refused, not a crash', () => {
  const levels = limits.yamlNestingLevels.value - 2
  expect(parseYaml('['.repeat(levels) + ']'.repeat(levels))).toMatchObject({ ok: true })
  for (const text of ['['.repeat(5_000), '{a: '.repeat(5_000), '- '.repeat(5_000)])
    expect(parseYaml(text)).toMatchObject({ ok: false, error: { message: 'nested deeper than 200 levels' } })
})

test('every JSON text decodes as JSON says', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), (json) => {
      for (const text of [JSON.stringify(json), JSON.stringify(json, null, '\t')]) {
        // Lone surrogates cannot be told apart after decoding, and -0 is an integer.
        const expected = JSON.parse(JSON.stringify(json).replace(/\\ud[89a-f]../gi, '\ufffd')) as unknown
        expect(numbersOnly(plain(decoded(text).root))).toEqual(numbersOnly(expected))
      }
    }),
  )
})

/** Integers beyond 2^53 as the float that JSON.parse makes of them. */
function numbersOnly(json: unknown): unknown {
  if (typeof json === 'bigint') return Number(json)
  if (Object.is(json, -0)) return 0
  if (Array.isArray(json)) return json.map(numbersOnly)
  if (typeof json === 'object' && json !== null)
    return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, numbersOnly(item)]))
  return json
}

test('no text makes the decoder throw', () => {
  const piece = fc.constantFrom(
    'a',
    ': ',
    '- ',
    '\n',
    '  ',
    '[',
    ']',
    '{',
    '}',
    ', ',
    '&a ',
    '*a',
    '<<',
    '"',
    "'",
    '|',
    '>',
    '!!int ',
    '? ',
    '#',
    '\t',
    '%',
    '---\n',
    '1',
    '~',
    '\\',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 15 }), (pieces) => {
      expect(typeof parseYaml(pieces.join('')).ok).toBe('boolean')
    }),
    { numRuns: 1000 },
  )
})
