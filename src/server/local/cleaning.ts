// What is old in the invocations that stay, and in what they share: logs, archives and caches.

import { existsSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import type { Retention } from '../../runservice/api.ts'
import type { Caches } from '../../runservice/archives/caches.ts'
import { databaseOf, openRunservice } from './open-runservice.ts'
import {
  type Invocation,
  invocationTime,
  listInvocations,
  lockInvocation,
  type StateDirectory,
} from './state-directory.ts'

const hourMs = 60 * 60 * 1000
const dayMs = 24 * hourMs

/** What is old in the database and objects of an invocation. */
export const localRetention: Retention = {
  logsMs: limits.logRetentionMs.value,
  workspacesMs: limits.workspaceRetentionMs.value,
  eventsMs: limits.runEventRetentionMs.value,
}

/** Runs `clean` when nobody did for a day. One that fails, or is broken off, is tried again after an hour. */
export async function cleanDaily(state: StateDirectory, clock: Clock, clean: () => Promise<void>): Promise<void> {
  const marker = join(state.shared, 'cleaned')
  const cleanedAt = statSync(marker, { throwIfNoEntry: false })?.mtimeMs ?? 0
  const now = clock.now()
  if (cleanedAt + dayMs > now) return
  const mark = (at: number) => {
    writeFileSync(marker, '')
    utimesSync(marker, at / 1000, at / 1000)
  }
  mark(now - dayMs + hourMs)
  await clean()
  mark(now)
}

/** Removes caches that nobody used for long, and those used longest ago when there are too many. */
export async function cleanCaches(caches: Caches, signal: AbortSignal): Promise<void> {
  const bounds = { maxAgeMs: limits.cacheRetentionMs.value, maxBytesPerGroup: limits.cacheBytesPerProject.value }
  await caches.clean(bounds, signal)
}

/** Removes what is old in earlier invocations that do not work. One in which nothing can be old yet is not opened. */
export async function cleanEarlierInvocations(
  state: StateDirectory,
  own: Invocation,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  const youngest = clock.now() - Math.min(...Object.values(localRetention))
  for (const id of listInvocations(state)) {
    signal.throwIfAborted()
    if (id === own.id || id >= invocationTime(youngest)) continue
    const invocation = lockInvocation(state, id)
    if (invocation === undefined) continue
    using _lock = invocation.lock
    if (!existsSync(databaseOf(invocation))) continue
    await using opened = await openRunservice(state, invocation, { clock, logger })
    await opened.runservice.clean(localRetention, signal)
  }
}
