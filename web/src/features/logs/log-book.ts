// What a page has of a log: lines by their number, those that were asked for and those that came since. A log may have many more
// lines than are here; what is far from where one looks is let go and can be asked for again.

import { type LogPage, timesOf } from './log-page.ts'
import { plain, plainText, type Span, type Style, spansOf, styleAfter } from './terminal-text.ts'

type Line = {
  /** As it came, without its end. */
  readonly text: string
  /** In which it begins. */
  readonly style: Style
  /** When it began, milliseconds since 1970. */
  readonly at: number
  readonly isCut: boolean
}

/** More lines than these are let go, the farthest first. */
const keptLinesMax = 60_000
const keptCharactersMax = 64 * 1024 * 1024
/** An unfinished line is kept up to here: more is in the download. */
const openCharactersMax = 1024 * 1024

export class LogBook {
  readonly #lines = new Map<number, Line>()
  #lineCount = 0
  #characters = 0
  #isLastOpen = false
  #endStyle: Style = plain
  readonly #keptLinesMax: number

  constructor(most = keptLinesMax) {
    this.#keptLinesMax = most
  }

  /** Lines there are, here or not; the last one may be unfinished. */
  get lineCount(): number {
    return this.#lineCount
  }

  line(number: number): Line | undefined {
    return this.#lines.get(number)
  }

  has(number: number): boolean {
    return this.#lines.has(number)
  }

  spans(number: number): readonly Span[] {
    const line = this.#lines.get(number)
    return line === undefined ? [] : spansOf(line.text, line.style).spans
  }

  /** What is shown of it. */
  text(number: number): string {
    return plainText(this.#lines.get(number)?.text ?? '')
  }

  /** First line that is not here, of those from `first` to `last`. */
  missing(first: number, last: number): number | undefined {
    for (let number = Math.max(0, first); number <= Math.min(last, this.#lineCount - 1); number++)
      if (!this.#lines.has(number)) return number
    return undefined
  }

  /** The end of the log as it is stored; what is added goes on behind it. */
  begin(page: LogPage): void {
    this.#lineCount = page.lineCount
    this.#isLastOpen = page.isLastUnfinished
    this.#endStyle = this.put(page)
  }

  /** Lines that were asked for. Answers the style in which the line behind them begins. */
  put(page: LogPage): Style {
    const cut = new Set(page.cutLines)
    const times = timesOf(page.times)
    let style = page.style === '' ? plain : emptied(styleAfter(page.style, plain))
    for (const [place, text] of page.lines.entries()) {
      const number = page.fromLine + place
      // An unfinished line here may have grown since.
      const isLive = this.#isLastOpen && number === this.#lineCount - 1 && this.#lines.has(number)
      if (!isLive) this.#set(number, { text, style, at: times[place] ?? 0, isCut: cut.has(place) })
      if (text.includes('\x1b')) style = emptied(styleAfter(text, style))
    }
    return style
  }

  /** What was added to the log. */
  append(text: string, at: number): void {
    const parts = text.split('\n')
    const last = parts.pop()!
    for (const part of parts) {
      this.#extend(part, at)
      const line = this.#lines.get(this.#lineCount - 1)
      if (line?.text.includes('\x1b')) this.#endStyle = emptied(styleAfter(line.text, line.style))
      this.#isLastOpen = false
    }
    if (last !== '') this.#extend(last, at)
  }

  /** Lets lines go that are far from `first` to `last`, when there are many. The end stays. */
  letGo(first: number, last: number): void {
    if (this.#lines.size <= this.#keptLinesMax && this.#characters <= keptCharactersMax) return
    const distance = (number: number) => (number < first ? first - number : Math.max(0, number - last))
    const farthest = [...this.#lines.keys()]
      .filter((number) => number < this.#lineCount - 1)
      .sort((a, b) => distance(b) - distance(a))
    for (const number of farthest) {
      if (this.#lines.size <= this.#keptLinesMax / 2 && this.#characters <= keptCharactersMax / 2) return
      if (distance(number) === 0) return
      this.#characters -= this.#lines.get(number)!.text.length
      this.#lines.delete(number)
    }
  }

  #extend(text: string, at: number): void {
    if (this.#isLastOpen) {
      const number = this.#lineCount - 1
      const line = this.#lines.get(number)
      if (line === undefined) return
      const all = line.text + text
      const isCut = line.isCut || all.length > openCharactersMax
      this.#set(number, { ...line, text: isCut ? all.slice(-openCharactersMax) : all, isCut })
      return
    }
    this.#isLastOpen = true
    this.#lineCount++
    this.#set(this.#lineCount - 1, { text, style: this.#endStyle, at, isCut: false })
  }

  #set(number: number, line: Line): void {
    this.#characters += line.text.length - (this.#lines.get(number)?.text.length ?? 0)
    this.#lines.set(number, line)
  }
}

function emptied(style: Style): Style {
  return Object.keys(style).length === 0 ? plain : style
}
