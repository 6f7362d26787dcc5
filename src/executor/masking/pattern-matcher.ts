// Finds many patterns in bytes, in time linear in the bytes whatever they are.
//
// Two parts. An Aho-Corasick automaton, as a hash table of edges: exact, about ten nanoseconds a byte. Before it a filter
// that steps over bytes where no pattern can begin (the shift table of Wu and Manber, on the first 6 to 16 bytes of each
// pattern): about one look per 4 to 14 bytes. The automaton runs only from where the filter stops, and gives back to the filter
// as soon as less than three bytes match. A dense automaton would need a kilobyte per pattern byte.

import { invariant } from '../../lib/errors.ts'

/** Patterns are at least this long: what the filter looks at, at least. */
export const patternBytesMin = 6

/** A longer window makes larger steps, but puts more blocks into the tables. */
const windowBytesMax = 16
const blockBytes = 3
/** Slots of the tables per block. */
const slotsPerBlock = 16
/**
 * The filter's tables are as small as sixteen slots per block allow: each step waits for one look into them, and a table in
 * the processor's nearest cache answers several times faster.
 */
const filterBitsMin = 12
const filterBitsMax = 17
/** The keys of edges are state * 256 + byte, in 31 bits. */
export const patternBytesTotalMax = 2 ** 22

export type Pattern = { readonly bytes: Uint8Array; readonly id: number }

/** The compiled patterns; of typed arrays, never changed. State 0 is the root. */
export type PatternMatcher = {
  readonly states: number
  /** Bytes of the longest pattern prefix that ends here. */
  readonly depth: Int32Array
  /** As `depth`, of prefixes that are not yet whole patterns: what more bytes could complete. */
  readonly openDepth: Int32Array
  /** The state of the longest proper suffix. */
  readonly fail: Int32Array
  /** Length of the longest pattern that ends here, or 0; its id; the state with the next shorter one, or 0. */
  readonly matchBytes: Int32Array
  readonly matchId: Int32Array
  readonly shorterMatch: Int32Array
  /** Open addressing: state * 256 + byte + 1, and the state it leads to. */
  readonly edgeKeys: Int32Array
  readonly edgeTargets: Int32Array
  readonly edgeShift: number
  /** How far to move a window by the hash of its last three bytes, and whether a pattern begins with such three. */
  readonly shifts: Uint8Array
  readonly begins: Uint8Array
  readonly filterShift: number
  /** What the filter looks at. */
  readonly windowBytes: number
}

/** Compiles patterns of at least `patternBytesMin` bytes each, at most `patternBytesTotalMax` together. */
export function compilePatterns(patterns: readonly Pattern[]): PatternMatcher {
  const total = patterns.reduce((sum, { bytes }) => sum + bytes.length, 0)
  invariant(total <= patternBytesTotalMax, 'too many bytes of patterns')
  const edgeBits = Math.max(4, Math.ceil(Math.log2(total + 1)) + 1)
  const edgeShift = 32 - edgeBits
  const edgeKeys = new Int32Array(2 ** edgeBits)
  const edgeTargets = new Int32Array(2 ** edgeBits)
  const depth = new Int32Array(total + 1)
  const matchBytes = new Int32Array(total + 1)
  const matchId = new Int32Array(total + 1)
  const parent = new Int32Array(total + 1)
  const lastByte = new Uint8Array(total + 1)
  const hasEdges = new Uint8Array(total + 1)
  let states = 1
  for (const { bytes, id } of patterns) {
    invariant(bytes.length >= patternBytesMin, 'a pattern is too short')
    let state = 0
    for (const byte of bytes) {
      const key = state * 256 + byte + 1
      let slot = Math.imul(key, 0x9e3779b1) >>> edgeShift
      while (edgeKeys[slot] !== 0 && edgeKeys[slot] !== key) slot = (slot + 1) & (edgeKeys.length - 1)
      if (edgeKeys[slot] === 0) {
        edgeKeys[slot] = key
        edgeTargets[slot] = states
        parent[states] = state
        lastByte[states] = byte
        depth[states] = depth[state]! + 1
        hasEdges[state] = 1
        states++
      }
      state = edgeTargets[slot]!
    }
    if (matchBytes[state] === 0) {
      matchBytes[state] = bytes.length
      matchId[state] = id
    }
  }
  const size = { states, depth, matchBytes, matchId, edgeKeys, edgeTargets, edgeShift }
  const fail = new Int32Array(states)
  const shorterMatch = new Int32Array(states)
  const openDepth = new Int32Array(states)
  for (const state of byDepth(depth, states)) {
    if (state === 0) continue
    const above = parent[state]!
    const suffix = above === 0 ? 0 : follow({ ...size, fail }, fail[above]!, lastByte[state]!)
    fail[state] = suffix
    openDepth[state] = hasEdges[state] === 1 ? depth[state]! : openDepth[suffix]!
    // The longest match that ends at the suffix is the next shorter one here, or the longest when none ends here itself.
    if (matchBytes[state] === depth[state]) {
      shorterMatch[state] = matchBytes[suffix] === 0 ? 0 : suffix
    } else {
      matchBytes[state] = matchBytes[suffix]!
      matchId[state] = matchId[suffix]!
      shorterMatch[state] = shorterMatch[suffix]!
    }
  }
  return { ...size, fail, shorterMatch, openDepth, ...compileFilter(patterns) }
}

/** The state after `byte`. */
export function follow(
  matcher: Pick<PatternMatcher, 'fail' | 'edgeKeys' | 'edgeTargets' | 'edgeShift'>,
  from: number,
  byte: number,
): number {
  const { edgeKeys, edgeTargets, edgeShift, fail } = matcher
  const mask = edgeKeys.length - 1
  for (let state = from; ; state = fail[state]!) {
    const key = state * 256 + byte + 1
    let slot = Math.imul(key, 0x9e3779b1) >>> edgeShift
    for (let found = edgeKeys[slot]!; found !== 0; found = edgeKeys[slot]!) {
      if (found === key) return edgeTargets[slot]!
      slot = (slot + 1) & mask
    }
    if (state === 0) return 0
  }
}

/**
 * The first position from `from` at which a pattern may begin; the first of which less than `windowBytes` bytes are there
 * when there is none.
 */
export function findCandidate(matcher: PatternMatcher, bytes: Uint8Array, from: number, end: number): number {
  const { shifts, begins, filterShift, windowBytes } = matcher
  const last = end - windowBytes
  const block = windowBytes - blockBytes
  let at = from
  while (at <= last) {
    const shift = shifts[hashOf(bytes[at + block]!, bytes[at + block + 1]!, bytes[at + block + 2]!, filterShift)]!
    if (shift > 0) at += shift
    else if (begins[hashOf(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, filterShift)] === 1) return at
    else at++
  }
  return at
}

type Filter = Pick<PatternMatcher, 'shifts' | 'begins' | 'filterShift' | 'windowBytes'>

function compileFilter(patterns: readonly Pattern[]): Filter {
  const shortest = patterns.reduce((least, { bytes }) => Math.min(least, bytes.length), windowBytesMax)
  const affordable = Math.floor(2 ** filterBitsMax / slotsPerBlock / Math.max(1, patterns.length)) + blockBytes - 1
  const windowBytes = Math.min(shortest, Math.max(patternBytesMin, affordable))
  const shiftMax = windowBytes - blockBytes + 1
  const wanted = Math.ceil(Math.log2(Math.max(1, patterns.length * shiftMax * slotsPerBlock)))
  const filterBits = Math.min(filterBitsMax, Math.max(filterBitsMin, wanted))
  const filterShift = 32 - filterBits
  const shifts = new Uint8Array(2 ** filterBits).fill(shiftMax)
  const begins = new Uint8Array(2 ** filterBits)
  for (const { bytes } of patterns) {
    begins[hashOf(bytes[0]!, bytes[1]!, bytes[2]!, filterShift)] = 1
    for (let at = 0; at < shiftMax; at++) {
      const hash = hashOf(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, filterShift)
      shifts[hash] = Math.min(shifts[hash]!, shiftMax - 1 - at)
    }
  }
  return { shifts, begins, filterShift, windowBytes }
}

function hashOf(a: number, b: number, c: number, shift: number): number {
  return Math.imul(a | (b << 8) | (c << 16), 0x9e3779b1) >>> shift
}

function byDepth(depth: Int32Array, states: number): Int32Array {
  return Int32Array.from({ length: states }, (_, state) => state).sort((a, b) => depth[a]! - depth[b]!)
}
