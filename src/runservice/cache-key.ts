// Full cache keys: `<cache group>-<rendered key>`, as one path segment of an object key.

import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { escapeSegment } from '../pipeline/group.ts'

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
