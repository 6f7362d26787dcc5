import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  endOf,
  listInvocations,
  lockInvocation,
  markEnd,
  newInvocation,
  openStateDirectory,
} from './state-directory.ts'

test('an invocation is listed by its id, and nobody else gets its lock before it ends', () => {
  const root = mkdtempSync(join(tmpdir(), 'slipway-state-'))
  try {
    const state = openStateDirectory(root)
    const invocation = newInvocation(state, 0, 'a')
    const later = newInvocation(state, 1, 'b')
    expect(listInvocations(state)).toEqual([later.id, invocation.id])
    expect(lockInvocation(state, invocation.id)).toBeUndefined()
    invocation.lock[Symbol.dispose]()
    using taken = lockInvocation(state, invocation.id)?.lock
    expect(taken).toBeDefined()
    expect(endOf(state, invocation.id)).toBeUndefined()
    markEnd(invocation, 'clean')
    expect(endOf(state, invocation.id)).toBe('clean')
    later.lock[Symbol.dispose]()
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})

test('a directory that has no lock yet is no invocation', () => {
  const root = mkdtempSync(join(tmpdir(), 'slipway-state-'))
  try {
    const state = openStateDirectory(root)
    const { id, lock } = newInvocation(state, 0, 'a')
    expect(readdirSync(root).toSorted()).toEqual([id, 'shared'])
    openStateDirectory(join(root, '.2026-not-ready'))
    expect(listInvocations(state)).toEqual([id])
    lock[Symbol.dispose]()
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
