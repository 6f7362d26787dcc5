// A log as lines, growing: text comes in pieces of any size, lines are cut where they end, and of each it is known in which style it
// begins. What a reader asks for is drawn then, not before.

import { plain, plainText, type Span, type Style, spansOf, styleAfter } from './terminal-text.ts'

/** What a page keeps of one log; more is for the download. */
export const keptCharactersMax = 256 * 1024 * 1024

export class LogLines {
  readonly #lines: string[] = []
  /** By line, where one begins in another style than plain. */
  readonly #styles = new Map<number, Style>()
  #style: Style = plain
  #open = ''
  #characters = 0

  /** Lines, the last of which may not have ended. */
  get count(): number {
    return this.#lines.length + (this.#open === '' ? 0 : 1)
  }

  get isFull(): boolean {
    return this.#characters >= keptCharactersMax
  }

  append(text: string): void {
    if (this.isFull) return
    this.#characters += text.length
    const parts = (this.#open + text).split('\n')
    this.#open = parts.pop()!
    for (const line of parts) {
      if (this.#style !== plain) this.#styles.set(this.#lines.length, this.#style)
      if (line.includes('\x1b')) {
        const next = styleAfter(line, this.#style)
        this.#style = Object.keys(next).length === 0 ? plain : next
      }
      this.#lines.push(line)
    }
  }

  /** As it came, without its end. */
  raw(index: number): string {
    return this.#lines[index] ?? this.#open
  }

  spans(index: number): readonly Span[] {
    const style = index >= this.#lines.length ? this.#style : (this.#styles.get(index) ?? plain)
    return spansOf(this.raw(index), style).spans
  }

  /** What is shown of it. */
  text(index: number): string {
    return plainText(this.raw(index))
  }

  /** Lines from `start` to before `end` that have the text, whatever the case of its letters. */
  find(wanted: string, start: number, end: number): number[] {
    const needle = wanted.toLowerCase()
    const found: number[] = []
    for (let index = start; index < end; index++) if (this.text(index).toLowerCase().includes(needle)) found.push(index)
    return found
  }

  /** The first line that looks like an error. */
  findError(): number | undefined {
    for (let index = 0; index < this.count; index++) if (looksLikeError(this.text(index))) return index
    return undefined
  }
}

const errorWords = /(?:^|[^\w/.-])(?:error|fatal|panic|exception|traceback|failed|failure|not ok)(?:[\s:[(!]|$)/i
/** `0 failed`, `no errors`: good news. */
const goodNews = /\b(?:0|no)\s+(?:errors?|fail(?:ed|ures?)?)\b/i

export function looksLikeError(text: string): boolean {
  return errorWords.test(text) && !goodNews.test(text)
}

export type LineRange = { readonly first: number; readonly last: number }

/** `12` or `12-20`, from 1, as addresses have it. */
export function parseRange(text: string | undefined): LineRange | undefined {
  const found = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(text ?? '')
  if (found === null) return undefined
  const [a, b] = [Number(found[1]), Number(found[2] ?? found[1])]
  return a < 1 || b < 1 ? undefined : { first: Math.min(a, b), last: Math.max(a, b) }
}

export function rangeText({ first, last }: LineRange): string {
  return first === last ? String(first) : `${first}-${last}`
}
