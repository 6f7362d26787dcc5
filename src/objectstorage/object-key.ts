// What is a key. Checked once, at the border of every backend; behind it a key cannot mean another object or leave its
// directory.

import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { ObjectKey } from './object-storage.ts'

/** Throws `object_key_invalid` unless `key` is as `ObjectKey` says (at most `limits.objectKeyBytes` bytes). */
export function checkObjectKey(key: ObjectKey): void {
  const fault = faultOf(key)
  if (fault !== undefined)
    throw new SlipwayError('object_key_invalid', `object key ${JSON.stringify(key.slice(0, 100))} ${fault}`)
}

export function isObjectKey(key: string): key is ObjectKey {
  return faultOf(key) === undefined
}

function faultOf(key: string): string | undefined {
  if (key === '') return 'is empty'
  if (!key.isWellFormed()) return 'is not valid Unicode'
  if (Buffer.byteLength(key) > limits.objectKeyBytes.value) return `is longer than ${limits.objectKeyBytes.value} bytes`
  if (key.includes('\0')) return 'contains a NUL'
  for (const segment of key.split('/')) {
    if (segment === '') return 'has an empty segment'
    if (segment === '.' || segment === '..') return `has the segment ${segment}`
  }
  return undefined
}
