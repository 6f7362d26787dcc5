// What is tried again, how often, and when.

import { expect, test } from 'vitest'
import { type ErrorCode, SlipwayError } from '../../lib/errors.ts'
import { afterFailure } from './after-failure.ts'

const now = 1_000_000
const of = (code: ErrorCode, attempts: number, retryAt?: number) =>
  afterFailure(new SlipwayError(code, 'no', retryAt === undefined ? {} : { retryAt }), attempts, now)

test.each([
  ['git_failed', 1, 1_000],
  ['git_failed', 5, 16_000],
  ['git_failed', 9, 256_000],
  ['provider_unavailable', 9, 256_000],
  ['commit_not_found', 3, 4_000],
  ['remote_repository_not_found', 3, 4_000],
  // Our own: as long as it takes.
  ['service_unavailable', 40, 300_000],
  ['rate_limited', 11, 300_000],
  ['maintenance', 11, 300_000],
] as const)('%s at attempt %i is tried again after %i ms', (code, attempts, waitMs) => {
  expect(of(code, attempts)).toEqual({ kind: 'again', waitMs })
})

test.each([
  ['git_failed', 10],
  ['provider_unavailable', 10],
  ['commit_not_found', 4],
  ['remote_repository_not_found', 4],
  ['provider_refused', 1],
  ['provider_unauthorized', 1],
  ['linked_account_not_found', 1],
  ['run_invalid', 1],
] as const)('%s at attempt %i is the end', (code, attempts) => {
  expect(of(code, attempts)).toEqual({ kind: 'over' })
})

test('a provider that says when to come again is not asked before, within an hour', () => {
  expect(of('provider_unavailable', 1, now + 90_000)).toEqual({ kind: 'again', waitMs: 90_000 })
  expect(of('provider_unavailable', 1, now + 10)).toEqual({ kind: 'again', waitMs: 1_000 })
  expect(of('provider_unavailable', 1, now - 5_000)).toEqual({ kind: 'again', waitMs: 1_000 })
  expect(of('provider_unavailable', 1, now + 86_400_000)).toEqual({ kind: 'again', waitMs: 3_600_000 })
})

test('what is no error of ours by name is tried as often as a repository that does not answer', () => {
  expect(afterFailure(new Error('bug'), 9, now)).toMatchObject({ kind: 'again' })
  expect(afterFailure(new Error('bug'), 10, now)).toEqual({ kind: 'over' })
})
