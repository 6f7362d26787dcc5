import { expect, test } from 'vitest'
import { choosePodToEnd, freePercent, parseDiskUsage } from './disk-watch.ts'

test.each([
  ['blocks are scarcer', { blocks: 1000, available: 40, files: 100, freeFiles: 90 }, 4],
  ['inodes are scarcer', { blocks: 1000, available: 400, files: 100, freeFiles: 1 }, 1],
  ['inodes are not counted', { blocks: 200, available: 100, files: 0, freeFiles: 0 }, 50],
  ['nothing is counted', { blocks: 0, available: 0, files: 0, freeFiles: 0 }, 100],
])('free space where %s', (_, space, percent) => {
  expect(freePercent(space)).toBe(percent)
})

test('the pod that uses most is ended, the newest of equals', () => {
  expect(choosePodToEnd([])).toBeUndefined()
  const usages = [
    { id: 'a', kibibytes: 5 },
    { id: 'b', kibibytes: 9 },
    { id: 'c', kibibytes: 7 },
  ]
  expect(choosePodToEnd(usages)?.id).toBe('b')
  expect(choosePodToEnd(usages.map(({ id }) => ({ id, kibibytes: 0 })))?.id).toBe('c')
})

test('usage is read by path, what is not a pod is left out', () => {
  const pods = new Map([
    ['a', '/d/pods/a'],
    ['b', '/d/pods/with\ttab'],
  ])
  expect(parseDiskUsage('12\t/d/pods/a\n7\t/d/pods/with\ttab\n1\t/elsewhere\n', pods)).toEqual([
    { id: 'a', kibibytes: 12 },
    { id: 'b', kibibytes: 7 },
  ])
})
