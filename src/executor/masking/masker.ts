// Masks secrets in a stream of bytes.
//
// What is masked: every byte that belongs to an occurrence of a form of a secret (secret-forms.ts), overlapping ones
// included, and base64 that is broken into lines (wrapped-base64.ts). A stretch of overlapping occurrences becomes one `***`; occurrences that only touch become one each. This does
// not depend on how the bytes are cut into chunks. What could begin an occurrence is held back until more bytes or the end
// decide it, never by time.
//
// `rawBytes` of an answer is a place where a fresh masker goes on with the same result: no occurrence reaches over it. Because
// of that, and to bound what is held back, a stretch is cut when it passes 64 KiB: there occurrences that began before are
// forgotten, as a fresh masker would not know of them. Only output that repeats overlapping secrets for 64 KiB gets there.

import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import {
  compilePatterns,
  findCandidate,
  follow,
  type Pattern,
  type PatternMatcher,
  patternBytesTotalMax,
} from './pattern-matcher.ts'
import { base64FormsOfSecret, formsOfSecret } from './secret-forms.ts'
import { compileWrappedForms, type WrappedForms, type WrappedMatch, WrappedScanner } from './wrapped-base64.ts'

/** Secrets, compiled once; for all steps of a task, its setup log and its reasons. */
export type Masking = {
  /** Indexes of secrets that are too short (`limits.secretBytesMin`) and stay visible. */
  readonly tooShort: readonly number[]
  /** A fresh masker of one stream. */
  createMasker(): Masker
  /** Text with its secrets masked. */
  maskText(text: string): string
}

export interface Masker {
  /** Takes raw bytes; answers what is decided by now. The bytes may be reused by the caller. */
  push(raw: Uint8Array): MaskedBytes
  /** The rest: no more bytes are coming. Once. */
  end(): MaskedBytes
  readonly counters: MaskerCounters
}

export type MaskedBytes = {
  /** Not changed before the next call. */
  readonly bytes: Uint8Array
  /** Raw bytes, of all there were, that are decided. Grows only together with `bytes`. */
  readonly rawBytes: number
  /** Secrets found, each noted the first time, with the offset of its mask in `bytes`. */
  readonly printed: readonly PrintedSecret[]
}

export type PrintedSecret = { readonly secret: number; readonly offset: number }

export type MaskerCounters = {
  readonly rawBytes: number
  /** Bytes that wait for a decision. */
  readonly heldBytes: number
  /** Stretches replaced. */
  readonly masks: number
  /** Forms looked for. */
  readonly patterns: number
}

/**
 * Compiles the secrets. More than `limits.secretsPerTask`, or with all their forms more than 4 MiB, are `limit_exceeded`: they
 * could not all be masked.
 */
export function createMasking(secrets: readonly string[], options: MaskingOptions = {}): Masking {
  if (secrets.length > limits.secretsPerTask.value)
    throw new SlipwayError(
      'limit_exceeded',
      `${secrets.length} secrets, at most ${limits.secretsPerTask.value} can be masked`,
    )
  const patterns = new Map<string, Pattern>()
  const wrappable: Pattern[] = []
  const tooShort: number[] = []
  let bytesTotal = 0
  for (const [id, secret] of secrets.entries()) {
    bytesTotal += Buffer.byteLength(secret)
    checkSize(bytesTotal) // Before its forms are made.
    const forms = formsOfSecret(secret)
    if (forms.length === 0) tooShort.push(id)
    for (const bytes of forms) {
      const name = bytes.toString('latin1')
      if (patterns.has(name)) continue
      patterns.set(name, { bytes, id })
      bytesTotal += bytes.length
    }
    for (const bytes of base64FormsOfSecret(secret)) wrappable.push({ bytes, id })
    checkSize(bytesTotal)
  }
  const matcher = compilePatterns([...patterns.values()])
  const wrapped = compileWrappedForms(wrappable)
  const stretchBytes = options.stretchBytes ?? 64 * 1024
  const createMasker = () => new StreamMasker({ matcher, wrapped }, { patterns: patterns.size, stretchBytes })
  return {
    tooShort,
    createMasker,
    maskText: (text) => {
      const masker = createMasker()
      const begin = Buffer.from(masker.push(Buffer.from(text)).bytes)
      return Buffer.concat([begin, masker.end().bytes]).toString()
    },
  }
}

function checkSize(bytesTotal: number): void {
  if (bytesTotal > patternBytesTotalMax)
    throw new SlipwayError('limit_exceeded', 'the secrets of the task are too large to be masked')
}

/** For tests. */
export type MaskingOptions = { readonly stretchBytes?: number }

/** A masker of one stream; as `createMasking`, for secrets that are used once. */
export function createMasker(secrets: readonly string[]): Masker {
  return createMasking(secrets).createMasker()
}

const mask = Buffer.from('***')
/** Below so many matching bytes the filter takes over. */
const automatonDepthMin = 3

/** A stretch of overlapping occurrences, by raw offsets. */
type Stretch = {
  start: number
  end: number
  /** Found here for the first time. */
  secrets: number[]
  /** Nothing that begins inside may extend it. */
  isCut: boolean
}

class StreamMasker implements Masker {
  readonly #matcher: PatternMatcher
  readonly #settings: { readonly patterns: number; readonly stretchBytes: number }
  readonly #seen = new Set<number>()
  /** Bytes that are not yet answered are #buffer[#start, #end); #origin is the raw offset of #buffer[0]. */
  #buffer: Uint8Array = new Uint8Array(0)
  #start = 0
  #end = 0
  #origin = 0
  #state = 0
  /** Where the automaton began, as raw offset: what began before is decided. */
  #entry = 0
  /** Ascending, apart. */
  #stretches: Stretch[] = []
  #output: Uint8Array = new Uint8Array(0)
  #masks = 0
  readonly #wrapped: WrappedScanner

  constructor(
    { matcher, wrapped }: { readonly matcher: PatternMatcher; readonly wrapped: WrappedForms },
    settings: { readonly patterns: number; readonly stretchBytes: number },
  ) {
    this.#matcher = matcher
    this.#wrapped = new WrappedScanner(wrapped)
    this.#settings = settings
  }

  get counters(): MaskerCounters {
    return {
      rawBytes: this.#origin + this.#end,
      heldBytes: this.#end - this.#start,
      masks: this.#masks,
      patterns: this.#settings.patterns,
    }
  }

  push(raw: Uint8Array): MaskedBytes {
    const from = this.#keep(raw)
    const inLines = this.#scan(from)
    const overLines = this.#wrapped.scan(this.#buffer, { first: this.#start, from, end: this.#end })
    this.#note(inLines, overLines)
    const held = Math.max(this.#matcher.openDepth[this.#state]!, this.#wrapped.heldBytes)
    return this.#answer(this.#origin + this.#end - held)
  }

  end(): MaskedBytes {
    return this.#answer(this.#origin + this.#end)
  }

  /** Copies the bytes behind those that wait; answers where they begin in the buffer. */
  #keep(raw: Uint8Array): number {
    if (this.#end + raw.length > this.#buffer.length) {
      const waiting = this.#buffer.subarray(this.#start, this.#end)
      const needed = waiting.length + raw.length
      // Moved within the buffer only when half of it is free, so that each byte is moved a bounded number of times.
      if (needed * 2 <= this.#buffer.length) this.#buffer.copyWithin(0, this.#start, this.#end)
      else {
        const larger = Buffer.allocUnsafeSlow(Math.max(4096, needed * 2))
        larger.set(waiting)
        this.#buffer = larger
      }
      this.#origin += this.#start
      this.#end -= this.#start
      this.#start = 0
    }
    const from = this.#end
    this.#buffer.set(raw, from)
    this.#end += raw.length
    return from
  }

  /**
   * Runs over the new bytes; ends with the automaton in the state after the last one. Answers where occurrences end: in
   * turn a state, and the index behind its byte.
   */
  #scan(from: number): readonly number[] {
    const ends: number[] = []
    const matcher = this.#matcher
    const { depth, matchBytes } = matcher
    const bytes = this.#buffer
    const end = this.#end
    let state = this.#state
    let entry = this.#entry - this.#origin
    let at = from
    while (at < end) {
      state = follow(matcher, state, bytes[at]!)
      at++
      if (matchBytes[state]! > 0) ends.push(state, at)
      const begin = at - depth[state]!
      // Only forward: the filter stopped at `entry`, and would again.
      if (depth[state]! >= automatonDepthMin || begin <= entry) continue
      entry = findCandidate(matcher, bytes, begin, end)
      at = entry
      state = 0
    }
    this.#state = state
    this.#entry = this.#origin + entry
    return ends
  }

  /** Notes occurrences in the order of their ends. */
  #note(inLines: readonly number[], overLines: readonly WrappedMatch[]): void {
    let next = 0
    for (let at = 0; at < inLines.length; at += 2) {
      const end = inLines[at + 1]!
      for (; next < overLines.length && overLines[next]!.end <= end; next++) this.#foundWrapped(overLines[next]!)
      this.#found(inLines[at]!, this.#origin + end)
    }
    for (; next < overLines.length; next++) this.#foundWrapped(overLines[next]!)
  }

  #foundWrapped({ end, found }: WrappedMatch): void {
    for (const { start, id } of found) if (this.#cover(this.#origin + start, this.#origin + end, id)) return
  }

  /** Notes the longest occurrence that ends at raw offset `end` and may count. */
  #found(endState: number, end: number): void {
    const { matchBytes, matchId, shorterMatch } = this.#matcher
    for (let state = endState; state !== 0; state = shorterMatch[state]!) {
      const start = end - matchBytes[state]!
      if (this.#cover(start, end, matchId[state]!)) return
    }
  }

  #cover(start: number, end: number, secret: number): boolean {
    const stretches = this.#stretches
    let first = stretches.length
    while (first > 0 && stretches[first - 1]!.end > start) first--
    const touched = stretches[first]
    if (touched !== undefined && touched.start < start) {
      if (touched.isCut) return false
      if (first === stretches.length - 1 && end - touched.start > this.#settings.stretchBytes) {
        touched.isCut = true
        return false
      }
    }
    const merged: Stretch = {
      start: Math.min(start, touched?.start ?? start),
      end,
      secrets: stretches.splice(first).flatMap(({ secrets }) => secrets),
      isCut: false,
    }
    if (!this.#seen.has(secret)) {
      this.#seen.add(secret)
      merged.secrets.push(secret)
    }
    stretches.push(merged)
    return true
  }

  /** Answers what is decided when no occurrence still to be found begins before the raw offset `open`. */
  #answer(open: number): MaskedBytes {
    const waiting = this.#stretches.findIndex(({ end }) => end > open)
    const decided = this.#stretches.splice(0, waiting === -1 ? this.#stretches.length : waiting)
    const limit = Math.min(open, this.#stretches[0]?.start ?? open)
    const from = this.#start
    this.#start = limit - this.#origin
    const bytes = this.#buffer.subarray(from, this.#start)
    if (decided.length === 0) return { bytes, rawBytes: limit, printed: [] }
    return { ...this.#replace(bytes, this.#origin + from, decided), rawBytes: limit }
  }

  #replace(bytes: Uint8Array, firstByte: number, stretches: readonly Stretch[]): Omit<MaskedBytes, 'rawBytes'> {
    // A mask is never longer than what it stands for.
    if (this.#output.length < bytes.length) this.#output = Buffer.allocUnsafeSlow(bytes.length)
    const printed: PrintedSecret[] = []
    let size = 0
    let at = 0
    for (const { start, end, secrets } of stretches) {
      const before = bytes.subarray(at, start - firstByte)
      this.#output.set(before, size)
      size += before.length
      for (const secret of secrets) printed.push({ secret, offset: size })
      this.#output.set(mask, size)
      size += mask.length
      at = end - firstByte
    }
    this.#output.set(bytes.subarray(at), size)
    size += bytes.length - at
    this.#masks += stretches.length
    return { bytes: this.#output.subarray(0, size), printed }
  }
}
