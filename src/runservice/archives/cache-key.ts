// Full cache keys: `<cache group>-<rendered key>`, as one path segment of an object key; and whose caches a run uses.

import { createHash } from 'node:crypto'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { escapeSegment } from '../../pipeline/group.ts'
import { counterName } from '../scheduler/create-run.ts'
import type { RunConfigRow } from '../types.ts'

export type CacheGroups = {
  /** Written to, and read first. */
  readonly own: string
  /** Read as well, and the prefix of keys. */
  readonly project: string
}

/** Runs of a fork read the caches of the project, but write only for others of the same group (their pull request). */
export function cacheGroupsOf(config: Pick<RunConfigRow, 'group' | 'cacheGroup' | 'trust'>): CacheGroups {
  const project = config.cacheGroup === '' ? counterName(config.group) : config.cacheGroup
  if (config.trust !== 'fork') return { own: project, project }
  return { own: `${project}-fork-${createHash('sha256').update(config.group).digest('hex').slice(0, 16)}`, project }
}

/** The full key; `cache_key_invalid` when it is empty or longer than 200 bytes escaped. */
export function fullCacheKey(group: string, key: string): string {
  const full = `${group}-${key}`
  const { length } = escapeSegment(full)
  if (key === '') throw new SlipwayError('cache_key_invalid', 'the cache key is empty')
  if (length > limits.cacheKeyBytes.value) {
    throw new SlipwayError(
      'cache_key_invalid',
      `cache key "${key}" is too long: ${length} bytes escaped and with its prefix, at most ${limits.cacheKeyBytes.value}`,
    )
  }
  return full
}
