// Finds secrets in base64 that is broken into lines, wherever the breaks fall: `base64` and MIME wrap at 76 columns, PEM at
// 64, and where a secret stands in its line depends on what was encoded before it. All those forms would be too many
// patterns, so breaks are passed over instead.
//
// A wrapped occurrence is one of a base64 form with line breaks between its characters, the first of them `\n` or `\r\n` after at
// most 76 characters of the form. Only around line ends anything is done: when the characters before one may be the begin
// of a form, an automaton of the base64 forms alone is run over them, over the break, and on for as long as what it
// follows began in an earlier line. What lies in one line is not its business.

import { compilePatterns, follow, type Pattern, type PatternMatcher } from './pattern-matcher.ts'

/** Characters of a form before its first break, at most. */
export const wrappedColumnsMax = 76

const newline = 10
const carriageReturn = 13
/** Bits of the number of three base64 characters. */
const trigramBits = 18

/** Compiled once for all streams. */
export type WrappedForms = {
  readonly matcher: PatternMatcher
  /** Bit sets: three characters that stand anywhere in a form; behind its first one or two. */
  readonly anywhere: Uint8Array
  readonly behindBegin: Uint8Array
}

/** An occurrence that ends at a raw offset, and shorter ones that end there too: longest first. */
export type WrappedMatch = {
  readonly end: number
  readonly found: readonly { readonly start: number; readonly id: number }[]
}

export function compileWrappedForms(patterns: readonly Pattern[]): WrappedForms {
  const anywhere = new Uint8Array(2 ** (trigramBits - 3))
  const behindBegin = new Uint8Array(2 ** (trigramBits - 3))
  for (const { bytes } of patterns) {
    for (let at = 0; at + 3 <= bytes.length; at++) {
      add(anywhere, trigramAt(bytes, at))
      if (at === 1 || at === 2) add(behindBegin, trigramAt(bytes, at))
    }
  }
  return { matcher: compilePatterns(patterns), anywhere, behindBegin }
}

/** Follows one stream. Offsets are indexes into the bytes given with the same call. */
export class WrappedScanner {
  readonly #forms: WrappedForms
  /** While it runs: the automaton, and how its characters lie in the raw bytes. */
  #isRunning = false
  #state = 0
  /** Characters since it began. */
  #characters = 0
  #sinceBreak = 0
  /** The first break has begun with a carriage return, which only counts before a newline. */
  #awaitsNewline = false
  #hasBreak = false
  /** Where breaks are, by the characters before them, and their bytes. */
  #breaks: { readonly after: number; bytes: number }[] = []

  constructor(forms: WrappedForms) {
    this.#forms = forms
  }

  /** Takes `bytes[from, end)`; what is before, from `first` on, was given earlier. Matches come in the order of their ends. */
  scan(bytes: Uint8Array, { first, from, end }: { first: number; from: number; end: number }): readonly WrappedMatch[] {
    const matches: WrappedMatch[] = []
    const given = bytes.subarray(0, end)
    let at = from
    while (at < end) {
      if (this.#isRunning) {
        at = this.#run(bytes, at, end, matches)
        continue
      }
      const found = given.indexOf(newline, at) // Twice as fast as a loop.
      const isAtEnd = found === -1
      at = isAtEnd ? end : found
      // A carriage return at the end may be the begin of a break.
      if (isAtEnd && bytes[end - 1] !== carriageReturn) break
      const lineEnd = at > first && bytes[at - 1] === carriageReturn ? at - 1 : at
      // Where it runs it takes the break again. Else the break is behind it.
      if (this.#begin(bytes, first, lineEnd, end)) at = Math.max(lineEnd, from)
      else at++
    }
    return matches
  }

  /** How many of the last bytes may still become part of an occurrence over a break. */
  get heldBytes(): number {
    if (!this.#isRunning) return 0
    const open = this.#forms.matcher.openDepth[this.#state]!
    return open <= this.#sinceBreak ? 0 : open + this.#breakBytes(open)
  }

  /** Whether the automaton has something to follow from the characters before the line end. */
  #begin(bytes: Uint8Array, first: number, lineEnd: number, end: number): boolean {
    const { matcher, anywhere, behindBegin } = this.#forms
    let headMax = 2
    for (let at = lineEnd - 3; at >= first && headMax < wrappedColumnsMax && has(anywhere, trigramAt(bytes, at)); at--)
      headMax++
    if (headMax === 2 && isCertainlyOther(behindBegin, bytes, lineEnd, end)) return false
    let state = 0
    for (let at = Math.max(first, lineEnd - headMax); at < lineEnd; at++) state = follow(matcher, state, bytes[at]!)
    if (matcher.depth[state] === 0) return false
    this.#isRunning = true
    this.#state = state
    this.#characters = matcher.depth[state]!
    this.#sinceBreak = 0
    this.#awaitsNewline = false
    this.#hasBreak = false
    this.#breaks = []
    return true
  }

  #run(bytes: Uint8Array, from: number, end: number, matches: WrappedMatch[]): number {
    const { depth, matchBytes } = this.#forms.matcher
    for (let at = from; at < end; at++) {
      const byte = bytes[at]!
      if (byte === newline || byte === carriageReturn) {
        if (this.#awaitsNewline && byte !== newline) return this.#stop(at)
        this.#awaitsNewline = !this.#hasBreak && byte === carriageReturn
        this.#hasBreak ||= byte === newline
        this.#pass()
        continue
      }
      if (this.#awaitsNewline) return this.#stop(at)
      this.#state = follow(this.#forms.matcher, this.#state, byte)
      this.#characters++
      this.#sinceBreak++
      if (depth[this.#state]! <= this.#sinceBreak) return this.#stop(at + 1)
      if (matchBytes[this.#state]! > this.#sinceBreak) matches.push(this.#match(at + 1))
    }
    return end
  }

  #stop(at: number): number {
    this.#isRunning = false
    return at
  }

  /** Passes over one byte of a break. */
  #pass(): void {
    this.#sinceBreak = 0
    const last = this.#breaks.at(-1)
    if (last?.after === this.#characters) {
      last.bytes++
      return
    }
    const oldest = this.#characters - this.#forms.matcher.depth[this.#state]!
    const needed = this.#breaks.findIndex(({ after }) => after > oldest)
    this.#breaks.splice(0, needed === -1 ? this.#breaks.length : needed)
    this.#breaks.push({ after: this.#characters, bytes: 1 })
  }

  #match(end: number): WrappedMatch {
    const { matchBytes, matchId, shorterMatch } = this.#forms.matcher
    const found: { start: number; id: number }[] = []
    for (let state = this.#state; state !== 0 && matchBytes[state]! > this.#sinceBreak; state = shorterMatch[state]!) {
      const characters = matchBytes[state]!
      found.push({ start: end - characters - this.#breakBytes(characters), id: matchId[state]! })
    }
    return { end, found }
  }

  /** Bytes of breaks behind the first of the last so many characters. */
  #breakBytes(characters: number): number {
    let bytes = 0
    for (const { after, bytes: own } of this.#breaks) if (after > this.#characters - characters) bytes += own
    return bytes
  }
}

/** True when the three characters behind the line end are there, in one line, and behind the begin of no form. */
function isCertainlyOther(behindBegin: Uint8Array, bytes: Uint8Array, lineEnd: number, end: number): boolean {
  const next = bytes[lineEnd] === carriageReturn ? lineEnd + 2 : lineEnd + 1
  if (next + 3 > end) return false
  for (let at = next; at < next + 3; at++) if (bytes[at] === newline || bytes[at] === carriageReturn) return false
  return !has(behindBegin, trigramAt(bytes, next))
}

/** Six bits of a character of either base64 alphabet, else 64 and more. */
const digits = new Uint8Array(256).fill(64)
for (const alphabet of ['+/', '-_'])
  for (const [digit, character] of [
    ...`ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789${alphabet}`,
  ].entries())
    digits[character.charCodeAt(0)] = digit

/** The number of three base64 characters; -1 when one of them is none. */
function trigramAt(bytes: Uint8Array, at: number): number {
  const [a, b, c] = [digits[bytes[at]!]!, digits[bytes[at + 1]!]!, digits[bytes[at + 2]!]!]
  return a + b + c >= 64 && (a > 63 || b > 63 || c > 63) ? -1 : (a << 12) | (b << 6) | c
}

function has(set: Uint8Array, trigram: number): boolean {
  return trigram >= 0 && (set[trigram >> 3]! & (1 << (trigram & 7))) !== 0
}

function add(set: Uint8Array, trigram: number): void {
  if (trigram >= 0) set[trigram >> 3]! |= 1 << (trigram & 7)
}
