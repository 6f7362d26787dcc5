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
] as const)('%s', (_, marks, expected) => {
  expect(groupsOf(marks, 10).map(({ head, last, kind }) => [head, last, kind])).toEqual(expected)
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
