// Names and ids, told apart by their form: what may be a name is never a UUID, in any spelling of one.

import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'

// Each hyphen is followed by at least one letter or digit, so there is one way to match: linear time.
const namePattern = /^(?:[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*|[0-9])$/
const uuidPattern = /^(?:urn:uuid:)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const bareUuidPattern = /^(?:urn:uuid:)?[0-9a-f]{32}$/i

/** Letters, digits and single hyphens inside; begins with a letter, unless it is one digit; 1 to 40 characters; no UUID. */
export function isName(text: string): boolean {
  return text.length <= limits.configNameCharacters.value && namePattern.test(text) && !isUuid(text)
}

/** Throws `name_invalid`, which says what it would be the name of. */
export function checkName(text: string, what: string): void {
  if (isName(text)) return
  const max = limits.configNameCharacters.value
  const shown = JSON.stringify(text.slice(0, 2 * max))
  throw new SlipwayError(
    'name_invalid',
    `${shown} is no name for ${what}: 1 to ${max} letters, digits and single hyphens, a letter first, and no UUID`,
  )
}

/** True for every spelling of a UUID: with and without hyphens, in braces, as URN. */
export function isUuid(text: string): boolean {
  const inner = /^\{(.*)\}$/.exec(text)?.[1] ?? text
  if (inner !== text && inner.toLowerCase().startsWith('urn:')) return false
  return uuidPattern.test(inner) || bareUuidPattern.test(inner)
}
