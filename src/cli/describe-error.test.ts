import { expect, test } from 'vitest'
import { SlipwayError } from '../lib/errors.ts'
import { describeError } from './describe-error.ts'

const full = Object.assign(new Error("ENOSPC: no space left on device, write 'x'"), { code: 'ENOSPC' })

test.each<[string, unknown, string]>([
  [
    'a file in the place of a directory',
    Object.assign(new Error("ENOTDIR: not a directory, mkdir '/dev/null/x'"), { code: 'ENOTDIR' }),
    "a file is where a directory is needed (ENOTDIR: not a directory, mkdir '/dev/null/x')",
  ],
  ['an error for the user', new SlipwayError('usage', 'give a number'), 'give a number'],
  ['a full disk', full, "the disk is full (ENOSPC: no space left on device, write 'x')"],
  [
    'a full disk behind an error of ours',
    new SlipwayError('database_failed', 'append', { cause: full }),
    "the disk is full (ENOSPC: no space left on device, write 'x')",
  ],
  ['a full disk as the database says it', new SlipwayError('disk_full', 'commit'), 'the disk is full (commit)'],
  ['what happened before tidying up failed', new SuppressedError(full, new SlipwayError('usage', 'first')), 'first'],
  ['something thrown that is no error', 'text', 'internal error, please report it: text'],
])('%s', (_, error, text) => {
  expect(describeError(error)).toBe(text)
})

test('a bug of ours is told with its stack', () => {
  expect(describeError(new TypeError('x is undefined'))).toMatch(
    /^internal error, please report it: TypeError: x is undefined\n +at .*describe-error\.test\.ts/,
  )
})
