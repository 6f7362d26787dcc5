// What becomes of a delivery that could not be done: tried again, or over. Pure.

import { type ErrorCode, isSlipwayError } from '../../lib/errors.ts'

export type AfterFailure =
  | { readonly kind: 'again'; readonly waitMs: number }
  /** Trying again would do the same, or was tried often enough. */
  | { readonly kind: 'over' }

const retryMs = { first: 1_000, most: 5 * 60_000 }
/** Within about ten minutes, as long as nobody says when to come again. */
const attemptsMost = 10
/** What a provider tells of is there a moment later, or not at all. */
const attemptsForNews = 4
/** Providers that count requests do so by the hour; a later time than that is not waited for. */
const askedToWaitMsMost = 60 * 60_000

/** Theirs, and perhaps of the moment: how often they are tried. */
const passing: Partial<Record<ErrorCode, number>> = {
  git_failed: attemptsMost,
  provider_unavailable: attemptsMost,
  commit_not_found: attemptsForNews,
  remote_repository_not_found: attemptsForNews,
}

/** `attempts`: how often it was tried, this one included. */
export function afterFailure(error: unknown, attempts: number, now: number): AfterFailure {
  const most = attemptsFor(error)
  if (attempts >= most) return { kind: 'over' }
  const waitMs = Math.min(retryMs.first * 2 ** (attempts - 1), retryMs.most)
  const retryAt = isSlipwayError(error) ? (error.retryAt ?? 0) : 0
  return { kind: 'again', waitMs: Math.max(waitMs, Math.min(retryAt - now, askedToWaitMsMost)) }
}

/** The installation cannot serve now, and will again: that is waited for as long as it takes. */
export function isTroubleOfOurs(error: unknown): boolean {
  if (!isSlipwayError(error) || error.code === 'provider_unavailable') return false
  return error.kind === 'unavailable' || error.kind === 'ratelimited'
}

/** Of trouble of our own strangers hear only that there was some. */
export function forPeople(error: unknown): string {
  return isSlipwayError(error) ? error.message : 'internal error; the log of the server has more'
}

function attemptsFor(error: unknown): number {
  if (isTroubleOfOurs(error)) return Number.POSITIVE_INFINITY
  if (!isSlipwayError(error) || error.kind === 'internal') return attemptsMost
  return passing[error.code] ?? 1
}
