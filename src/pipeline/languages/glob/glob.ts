// Path patterns of archives: `*`, `**`, `?`, `[a-z]`, `{x,y}`, with the meaning they have in doublestar 1.3.4.
//
// A pattern becomes a small program that is run for all ways to match at once (Pike's method), so that time is at most
// the length of the pattern times that of the path. Alternatives are understood as if written out, also across `/`;
// whether `**` is a whole element is therefore known only while matching, and each thread of the program carries where in
// an element it stands.

import { limits } from '../../../lib/limits.ts'
import { type Malformed, malformed, type Parsed, parsed } from '../parsed.ts'

export type Glob = { readonly pattern: string; readonly program: readonly Instruction[] }

type Instruction =
  | { readonly kind: 'character'; readonly codePoint: number }
  | { readonly kind: 'class'; readonly isNegated: boolean; readonly ranges: readonly (readonly [number, number])[] }
  | { readonly kind: 'any' | 'star' | 'doublestar' | 'slash' | 'never' | 'end' }
  | { readonly kind: 'split'; readonly targets: readonly number[] }

/**
 * Parses a pattern. `*` and `?` do not match `/`; `**` as a whole element matches any number of elements, as the last one
 * at least one; `[^a]` negates (`!` does not); `{x,y}` may nest, be empty and contain `/`; a backslash takes the next
 * character literally. Malformed: an unclosed class or brace, a bad class, a trailing backslash, too long a pattern.
 */
export function parseGlob(pattern: string): Parsed<Glob> {
  if (Buffer.byteLength(pattern) > limits.globPatternBytes.value)
    return malformed(`syntax error in pattern: longer than ${limits.globPatternBytes.value} bytes`)
  const parser = new Parser(pattern)
  const error = parser.parse()
  return error ?? parsed({ pattern, program: parser.program })
}

/** True when the whole `path` matches: relative, elements separated by single `/`, none of them empty. */
export function matchGlob(glob: Glob, path: string): boolean {
  const { program } = glob
  let threads = new Threads(program)
  let following = new Threads(program)
  threads.add(0, elementStart)
  for (const character of path) {
    if (threads.matchesRest) return true
    const codePoint = character.codePointAt(0)!
    for (const thread of threads.list) step(program, thread, codePoint, following)
    if (following.list.length === 0 && !following.matchesRest && !following.isAtEnd) return false
    ;[threads, following] = [following, threads]
    following.clear()
  }
  return threads.matchesRest || threads.isAtEnd
}

const slash = 0x2f

// Where in the pattern's element a thread stands.
const elementStart = 0
const inElement = 1
/** After a `**` that took whole elements: only `/` (already taken) or the end may follow. */
const afterElements = 2
/** Inside the elements that a `**` takes. */
const takingElements = 3
const placeCount = 4

type Place = typeof elementStart | typeof inElement | typeof afterElements | typeof takingElements
type Thread = { readonly at: number; readonly place: Place }

class Threads {
  list: Thread[] = []
  isAtEnd = false
  matchesRest = false
  readonly #program: readonly Instruction[]
  readonly #seenIn: Uint32Array
  #round = 1

  constructor(program: readonly Instruction[]) {
    this.#program = program
    this.#seenIn = new Uint32Array(program.length * placeCount)
  }

  clear(): void {
    this.list = []
    this.isAtEnd = false
    this.matchesRest = false
    this.#round++
  }

  /** Adds a thread and all that it reaches without taking a character. */
  add(at: number, place: Place): void {
    const reached: Thread[] = [{ at, place }]
    for (let thread = reached.pop(); thread !== undefined; thread = reached.pop()) {
      const key = thread.at * placeCount + thread.place
      if (this.#seenIn[key] === this.#round) continue
      this.#seenIn[key] = this.#round
      this.#follow(thread, reached)
    }
  }

  #follow({ at, place }: Thread, reached: Thread[]): void {
    const instruction = this.#program[at]!
    if (instruction.kind === 'split') {
      for (const target of instruction.targets) reached.push({ at: target, place })
      return
    }
    if (place === afterElements) {
      if (instruction.kind === 'slash') reached.push({ at: at + 1, place: elementStart })
      if (instruction.kind === 'end') this.matchesRest = true
      return
    }
    if (instruction.kind === 'end') {
      this.isAtEnd = true
      return
    }
    this.list.push({ at, place })
    if (place === takingElements) return
    if (instruction.kind === 'doublestar' && place === elementStart) {
      reached.push({ at: at + 1, place: afterElements }, { at, place: takingElements })
    }
    if (instruction.kind === 'star' || instruction.kind === 'doublestar') reached.push({ at: at + 1, place: inElement })
  }
}

function step(program: readonly Instruction[], { at, place }: Thread, codePoint: number, next: Threads): void {
  const instruction = program[at]!
  if (place === takingElements) {
    next.add(at, takingElements)
    if (codePoint === slash) next.add(at + 1, afterElements)
    return
  }
  if (codePoint === slash) {
    if (instruction.kind === 'slash') next.add(at + 1, elementStart)
    return
  }
  switch (instruction.kind) {
    case 'star':
    case 'doublestar':
      next.add(at, inElement)
      return
    case 'any':
      next.add(at + 1, inElement)
      return
    case 'character':
      if (instruction.codePoint === codePoint) next.add(at + 1, inElement)
      return
    case 'class': {
      const isListed = instruction.ranges.some(([low, high]) => low <= codePoint && codePoint <= high)
      if (isListed !== instruction.isNegated) next.add(at + 1, inElement)
    }
  }
}

/** The braces that are open: where each alternative begins, and the jumps that end all but the last. */
type OpenBrace = { readonly split: number; readonly starts: number[]; readonly jumps: number[]; readonly at: number }

class Parser {
  readonly program: Instruction[] = []
  readonly #characters: readonly string[]
  readonly #open: OpenBrace[] = []
  #at = 0

  constructor(pattern: string) {
    this.#characters = [...pattern]
  }

  parse(): Malformed | undefined {
    while (this.#at < this.#characters.length) {
      const error = this.#token(this.#characters[this.#at++]!)
      if (error !== undefined) return error
    }
    if (this.#open.length > 0) return this.#bad('missing closing }')
    this.program.push({ kind: 'end' })
    return undefined
  }

  #token(character: string): Malformed | undefined {
    switch (character) {
      case '*':
        this.#stars()
        return undefined
      case '?':
        this.program.push({ kind: 'any' })
        return undefined
      case '/':
        this.program.push({ kind: 'slash' })
        return undefined
      case '[':
        return this.#class()
      case '{':
        this.#open.push({ split: this.program.length, starts: [this.program.length + 1], jumps: [], at: this.#at })
        this.program.push({ kind: 'never' })
        return undefined
      case ',':
      case '}':
        this.#alternative(character)
        return undefined
      case '\\': {
        const escaped = this.#characters[this.#at++]
        if (escaped === undefined) return this.#bad('trailing backslash')
        // An escaped slash is part of an element, and no element of a path has one.
        this.program.push(escaped === '/' ? { kind: 'never' } : literal(escaped))
        return undefined
      }
      default:
        this.program.push(literal(character))
        return undefined
    }
  }

  #stars(): void {
    let count = 1
    for (; this.#characters[this.#at] === '*'; this.#at++) count++
    this.program.push({ kind: count === 2 ? 'doublestar' : 'star' })
  }

  #alternative(character: ',' | '}'): void {
    const brace = this.#open.at(-1)
    if (brace === undefined) {
      this.program.push(literal(character))
      return
    }
    if (character === ',') {
      brace.jumps.push(this.program.length)
      this.program.push({ kind: 'never' })
      brace.starts.push(this.program.length)
      return
    }
    this.program[brace.split] = { kind: 'split', targets: brace.starts }
    for (const jump of brace.jumps) this.program[jump] = { kind: 'split', targets: [this.program.length] }
    this.#open.pop()
  }

  #class(): Malformed | undefined {
    const isNegated = this.#characters[this.#at] === '^'
    if (isNegated) this.#at++
    const ranges: [number, number][] = []
    while (this.#characters[this.#at] !== ']' || ranges.length === 0) {
      const low = this.#classCharacter()
      if (low === undefined) return this.#bad('bad character class')
      if (this.#characters[this.#at] !== '-') {
        ranges.push([low, low])
        continue
      }
      this.#at++
      const high = this.#classCharacter()
      if (high === undefined) return this.#bad('bad character class')
      ranges.push([low, high])
    }
    this.#at++
    this.program.push({ kind: 'class', isNegated, ranges })
    return undefined
  }

  /** Undefined where a class cannot go on: at its end, at a `-` or `]` that is not escaped, at a `/`. */
  #classCharacter(): number | undefined {
    const character = this.#characters[this.#at++]
    if (character === undefined || character === '-' || character === ']' || character === '/') return undefined
    const literal = character === '\\' ? this.#characters[this.#at++] : character
    return literal === '/' ? undefined : literal?.codePointAt(0)
  }

  #bad(what: string): Malformed {
    return malformed(`syntax error in pattern: ${what}`)
  }
}

function literal(character: string): Instruction {
  return { kind: 'character', codePoint: character.codePointAt(0)! }
}
