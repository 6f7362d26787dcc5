import fc from 'fast-check'
import { expect, test } from 'vitest'
import { groupsOf, levelOf, titleOf } from './log-groups.ts'

test.each([
  ['a group with its end', { begins: [1], ends: [4], commands: [] }, [[1, 4, 'group']]],
  [
    'one without an end lasts to the next',
    { begins: [1, 5], ends: [7], commands: [] },
    [
      [1, 4, 'group'],
      [5, 7, 'group'],
    ],
  ],
  ['or to the end of the log', { begins: [6], ends: [], commands: [] }, [[6, 9, 'group']]],
  ['an end without a beginning is nothing', { begins: [], ends: [3], commands: [] }, []],
  [
    'commands last to the next',
    { begins: [], ends: [], commands: [0, 3, 4] },
    [
      [0, 2, 'command'],
      [4, 9, 'command'],
    ],
  ],
  [
    'commands inside of a group end with it',
    { begins: [0], ends: [5], commands: [1] },
    [
      [0, 5, 'group'],
      [1, 4, 'command'],
    ],
  ],
  [
    'a group in another, and commands in both',
    { begins: [0, 3], ends: [6, 8], commands: [1, 4] },
    [
      [0, 8, 'group'],
      [1, 2, 'command'],
      [3, 6, 'group'],
      [4, 5, 'command'],
    ],
  ],
  [
    'one without an end before others that have theirs',
    { begins: [0, 2, 4], ends: [6, 8], commands: [] },
    [
      [0, 1, 'group'],
      [2, 8, 'group'],
      [4, 6, 'group'],
    ],
  ],
] as const)('%s', (_, marks, expected) => {
  expect(groupsOf(marks, 10).map(({ head, last, kind }) => [head, last, kind])).toEqual(expected)
})

test('each says how deep it is', () => {
  const groups = groupsOf({ begins: [0, 1, 3], ends: [4, 5, 7], commands: [6] }, 10)
  expect(groups.map(({ head, depth }) => [head, depth])).toEqual([
    [0, 0],
    [1, 1],
    [3, 2],
  ])
})

test('groups never overlap but by one being inside of the other', () => {
  const kinds = fc.array(fc.constantFrom('begin', 'end', 'command', 'text'), { maxLength: 60 })
  fc.assert(
    fc.property(kinds, (lines) => {
      const of = (kind: string) => lines.flatMap((one, line) => (one === kind ? [line] : []))
      const groups = groupsOf({ begins: of('begin'), ends: of('end'), commands: of('command') }, lines.length)
      const inside: number[] = []
      for (const { head, last, depth } of groups) {
        expect(last).toBeGreaterThan(head)
        expect(last).toBeLessThan(lines.length)
        while (inside.length > 0 && inside.at(-1)! < head) inside.pop()
        expect(depth).toBe(inside.length)
        if (inside.length > 0) expect(last).toBeLessThanOrEqual(inside.at(-1)!)
        inside.push(last)
      }
    }),
  )
})

test.each([
  ['::group::Install', 'Install'],
  ['\x1b[1m##[group]Run \x1b[32mtests\x1b[0m', 'Run tests'],
  ['section_start:1600000000:build_image[collapsed=true]\r\x1b[0KBuild the image', 'Build the image'],
  ['section_start:1600000000:build_image\r\x1b[0K', 'build_image'],
  ['::group::', 'Group'],
  ['group', undefined],
])('the title of %j is %j', (line, title) => {
  expect(titleOf(line)).toBe(title)
})

test.each([
  ['##[error]It broke', 'error'],
  ['::warning file=a.ts,line=3::Old', 'warning'],
  ['::group::x', undefined],
  ['error', undefined],
])('the level of %j is %j', (line, level) => {
  expect(levelOf(line)).toBe(level)
})
