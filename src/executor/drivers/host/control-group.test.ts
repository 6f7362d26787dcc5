import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  controlGroupTasks,
  countMemoryKills,
  createControlGroup,
  findControlGroups,
  moveToControlGroup,
  parseMemoryKills,
} from './control-group.ts'

/** A directory with the files a kernel shows, which does nothing by itself. */
function aHierarchy(...files: readonly string[]): string {
  const root = mkdtempSync(join(tmpdir(), 'slipway-cgroup-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  for (const file of files) {
    mkdirSync(join(root, file, '..'), { recursive: true })
    writeFileSync(join(root, file), '')
  }
  return root
}

const limits = { memoryBytesMax: 1_000_000, processesMax: 50 }

test('version 2 has one group per task, with swap forbidden, into which the first process is moved', async () => {
  const root = aHierarchy('cgroup.controllers', 'slipway/task/memory.swap.max')
  const groups = findControlGroups(root)
  expect(groups).toEqual({ version: 2, root })
  expect(readFileSync(join(root, 'slipway/cgroup.subtree_control'), 'utf8')).toBe('+memory +pids')
  createControlGroup(groups!, 'task', limits)
  expect(controlGroupTasks(groups!, 'task')).toEqual([])
  await moveToControlGroup(groups!, 'task', 42)
  const read = (name: string) => readFileSync(join(root, 'slipway/task', name), 'utf8')
  expect(['memory.max', 'memory.swap.max', 'pids.max', 'cgroup.procs'].map(read)).toEqual(['1000000', '0', '50', '42'])
  writeFileSync(join(root, 'slipway/task/memory.events'), 'oom 1\noom_kill 4\n')
  expect(countMemoryKills(groups!, 'task')).toBe(4)
})

test('version 1 has one group per controller, in which a starting thread puts itself', () => {
  const root = aHierarchy('memory/slipway/cgroup.procs', 'pids/cgroup.procs')
  const groups = findControlGroups(root)
  expect(groups).toEqual({ version: 1, root })
  createControlGroup(groups!, 'task', limits)
  expect(readFileSync(join(root, 'memory/slipway/task/memory.limit_in_bytes'), 'utf8')).toBe('1000000')
  expect(readFileSync(join(root, 'pids/slipway/task/pids.max'), 'utf8')).toBe('50')
  expect(controlGroupTasks(groups!, 'task')).toEqual(
    ['memory', 'pids'].map((controller) => join(root, controller, 'slipway/task/tasks')),
  )
})

test('a machine without the controllers has none', () => {
  const root = aHierarchy('memory/cgroup.procs')
  expect(findControlGroups(root)).toBeUndefined()
  expect(existsSync(join(root, 'slipway'))).toBe(false)
})

test.each([
  ['version 1', 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n', 3],
  ['version 2', 'low 0\nhigh 0\nmax 12\noom 4\noom_kill 2\noom_group_kill 7\n', 2],
  ['a kernel that does not count', 'oom_kill_disable 0\n', 0],
])('kills for want of memory are read from %s', (_, text, kills) => {
  expect(parseMemoryKills(text)).toBe(kills)
})
