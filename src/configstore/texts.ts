// Free texts among settings: URLs, paths, names given elsewhere.

import { limits } from '../lib/limits.ts'

/** At most 4 KiB, and no half of a character: it could not be stored as it is. */
export function isText(text: string): boolean {
  return text.isWellFormed() && Buffer.byteLength(text) <= limits.configTextBytes.value
}
