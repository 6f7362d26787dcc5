// Draws lines at the bottom of a terminal, over what it drew before. Only lines that changed are written, in one piece and
// between the marks of a synchronized update, so nothing flickers. The cursor stands below the last line, hidden.

import type { Writable } from 'node:stream'
import { cellWidth } from '../cell-width.ts'

export type Terminal = Writable & { readonly columns?: number; readonly rows?: number }

const esc = '\u001b'
const hideCursor = `${esc}[?25l`
const showCursor = `${esc}[?25h`
// Terminals that do not know the marks ignore them (https://gist.github.com/christianparpart/d8a62cc1ab659194337d73e399004036).
const beginUpdate = `${esc}[?2026h`
const endUpdate = `${esc}[?2026l`
const eraseLineEnd = `${esc}[K`
const eraseBelow = `${esc}[J`

export class Screen {
  readonly #out: Terminal
  #drawn: readonly string[] = []
  #drawnColumns = 0
  #isCursorHidden = false

  constructor(out: Terminal) {
    this.#out = out
  }

  get columns(): number {
    return this.#out.columns || 80
  }

  get rows(): number {
    return this.#out.rows || 24
  }

  /** Replaces what was drawn. Each line must fit `columns`, and all of them must leave a row of the screen free. */
  draw(lines: readonly string[]): void {
    const isSameWidth = this.#drawnColumns === this.columns
    if (isSameWidth && isEqual(lines, this.#drawn)) return
    const updates = lines.map((line, index) =>
      isSameWidth && line === this.#drawn[index] ? '\n' : `${line}${eraseLineEnd}\n`,
    )
    this.#write(`${this.#up()}${updates.join('')}${eraseBelow}`)
    this.#drawn = lines
    this.#drawnColumns = this.columns
  }

  /** Writes lines that stay, above what is drawn. */
  writeAbove(lines: readonly string[]): void {
    const drawn = this.#drawn
    this.#drawn = []
    this.#write(
      `${this.#upOver(drawn)}${[...lines, ...drawn].map((line) => `${line}${eraseLineEnd}\n`).join('')}${eraseBelow}`,
    )
    this.#drawn = drawn
    this.#drawnColumns = this.columns
  }

  /** What was drawn and `rows` rows written below it are drawn over by the next `draw`. */
  coverBelow(rows: number): void {
    this.#drawn = [...this.#drawn, ...Array.from({ length: rows }, () => '')]
  }

  /** Lets go of the terminal: what is drawn stays and the cursor is shown. Drawing again goes on where it was. */
  release(): void {
    if (!this.#isCursorHidden) return
    this.#isCursorHidden = false
    this.#out.write(showCursor)
  }

  /** What was drawn stays; the next drawing begins where the cursor is. */
  forget(): void {
    this.#drawn = []
  }

  #write(text: string): void {
    const hide = this.#isCursorHidden ? '' : hideCursor
    this.#isCursorHidden = true
    this.#out.write(`${beginUpdate}${hide}${text}${endUpdate}`)
  }

  #up(): string {
    return this.#upOver(this.#drawn)
  }

  /** A terminal that became narrower has wrapped what was drawn. */
  #upOver(lines: readonly string[]): string {
    const columns = this.columns
    const height =
      this.#drawnColumns <= columns
        ? lines.length
        : lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(cellWidth(line) / columns)), 0)
    const rows = Math.min(height, this.rows - 1)
    return rows === 0 ? '\r' : `\r${esc}[${rows}A`
  }
}

function isEqual(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((line, index) => line === other[index])
}
