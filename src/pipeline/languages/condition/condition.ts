// One condition of a `when`: a plain string that must be equal, or a regular expression between `/` or `#`, searched for
// anywhere. The expressions are RE2's: no look-around, no back references, and matching takes linear time.

import { RE2JS, RE2JSException } from 're2js'
import { limits } from '../../../lib/limits.ts'
import { malformed, type Parsed, parsed } from '../parsed.ts'

export type Condition =
  | { readonly type: 'simple'; readonly match: string }
  /** `match` is the pattern without its delimiters; that it compiles was seen. */
  | { readonly type: 'regexp'; readonly match: string }

/**
 * Parses the text of a condition. A text of three or more bytes that begins and ends with the same delimiter, `/` or `#`,
 * is a regular expression; any other text is plain. Malformed: `wrong regular expression: error parsing regexp: ...`, in
 * Go's words.
 */
export function parseCondition(text: string): Parsed<Condition> {
  const delimiter = text[0]
  const isRegexp = text.length >= 3 && (delimiter === '/' || delimiter === '#') && text.endsWith(delimiter)
  if (!isRegexp) return parsed({ type: 'simple', match: text })
  const match = text.slice(1, -1)
  const compiled = compile(match)
  return compiled.ok ? parsed({ type: 'regexp', match }) : compiled
}

/** True when the condition holds for a branch, tag or ref. An expression that does not compile (none that was parsed) never does. */
export function matchCondition(condition: Condition, value: string): boolean {
  if (condition.type === 'simple') return condition.match === value
  const compiled = compile(condition.match)
  return compiled.ok && compiled.value.matcher(value).find()
}

/** Checks a pattern that did not come from a condition's text, for example from the API. */
export function parseRegexpCondition(pattern: string): Parsed<Condition> {
  const compiled = compile(pattern)
  return compiled.ok ? parsed({ type: 'regexp', match: pattern }) : compiled
}

function compile(pattern: string): Parsed<RE2JS> {
  if (Buffer.byteLength(pattern) > limits.conditionPatternBytes.value)
    return malformed(`wrong regular expression: longer than ${limits.conditionPatternBytes.value} bytes`)
  try {
    const compiled = RE2JS.compile(pattern)
    // Matching takes instructions times characters.
    if (compiled.programSize() > limits.conditionInstructions.value)
      return malformed('wrong regular expression: error parsing regexp: expression too large')
    return parsed(compiled)
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    const unnamed = error.message.includes('duplicate capture group name') ? withoutGroupNames(pattern) : pattern
    return unnamed === pattern ? malformed(`wrong regular expression: ${goMessage(error.message)}`) : compile(unnamed)
  }
}

/** Go lets groups share a name, re2js does not; a condition has no use for the names. */
function withoutGroupNames(pattern: string): string {
  const part = /\\Q.*?(?:\\E|$)|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|\(\?P?<\w+>/gs
  return pattern.replace(part, (text) => (text.startsWith('(') ? '(?:' : text))
}

/** Go quotes the rest of the expression even where there is none. */
function goMessage(message: string): string {
  return message.endsWith('trailing backslash at end of expression') ? `${message}: \`\`` : message
}
