import { expect, test } from 'vitest'
import { parseMemoryKills } from './control-group.ts'

test.each([
  ['version 1', 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n', 3],
  ['version 2', 'low 0\nhigh 0\nmax 12\noom 4\noom_kill 2\noom_group_kill 7\n', 2],
  ['a kernel that does not count', 'oom_kill_disable 0\n', 0],
])('kills for want of memory are read from %s', (_, text, kills) => {
  expect(parseMemoryKills(text)).toBe(kills)
})
