// Where lines are drawn: one row each, but for those of folded groups, which have none. All rows are equally high; those that are
// found to be higher, because their text is wrapped, add what they are higher by.

export const rowPx = 20

/** Hidden lines, from `first` to `last`. */
export type Hidden = { readonly first: number; readonly last: number }

export class RowLayout {
  readonly rowCount: number
  /** Disjoint, ascending, with how many lines those before it hide. */
  readonly #hidden: readonly (Hidden & { readonly before: number })[]

  constructor(lineCount: number, hidden: readonly Hidden[]) {
    const merged: { first: number; last: number; before: number }[] = []
    let before = 0
    for (const { first, last } of [...hidden].sort((a, b) => a.first - b.first)) {
      const end = Math.min(last, lineCount - 1)
      const previous = merged.at(-1)
      const from = Math.max(first, (previous?.last ?? -1) + 1)
      if (from > end) continue
      merged.push({ first: from, last: end, before })
      before += end - from + 1
    }
    this.#hidden = merged
    this.rowCount = lineCount - before
  }

  /** Of a hidden line it is the row before it. */
  rowOf(line: number): number {
    const found = this.#hidden[this.#lastIndex(({ first }) => first <= line)]
    if (found === undefined) return line
    if (line <= found.last) return Math.max(0, found.first - found.before - 1)
    return line - found.before - (found.last - found.first + 1)
  }

  lineOf(row: number): number {
    const found = this.#hidden[this.#lastIndex(({ first, before }) => first - before <= row)]
    return found === undefined ? row : row + found.before + (found.last - found.first + 1)
  }

  #lastIndex(isBefore: (hidden: Hidden & { readonly before: number }) => boolean): number {
    let low = 0
    let high = this.#hidden.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (isBefore(this.#hidden[middle]!)) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

/** Rows that are higher than others. */
export class RowHeights {
  readonly #extra = new Map<number, number>()
  #rows: readonly { readonly row: number; readonly before: number }[] | undefined
  #total = 0

  /** Answers what changed. */
  set(row: number, heightPx: number): number {
    const extra = Math.max(0, heightPx - rowPx)
    const change = extra - (this.#extra.get(row) ?? 0)
    if (change === 0) return 0
    if (extra === 0) this.#extra.delete(row)
    else this.#extra.set(row, extra)
    this.#total += change
    this.#rows = undefined
    return change
  }

  clear(): void {
    this.#extra.clear()
    this.#rows = undefined
    this.#total = 0
  }

  heightOf(row: number): number {
    return rowPx + (this.#extra.get(row) ?? 0)
  }

  totalOf(rowCount: number): number {
    return rowCount * rowPx + this.#total
  }

  topOf(row: number): number {
    return row * rowPx + this.#extraBefore(row)
  }

  /** The row at that height. */
  rowAt(px: number): number {
    let low = 0
    let high = Math.max(0, Math.floor(px / rowPx))
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.topOf(middle) <= px) low = middle
      else high = middle - 1
    }
    return low
  }

  #extraBefore(row: number): number {
    if (this.#extra.size === 0) return 0
    this.#rows ??= this.#summed()
    let low = 0
    let high = this.#rows.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#rows[middle]!.row < row) low = middle + 1
      else high = middle
    }
    const last = this.#rows[low - 1]
    return last === undefined ? 0 : last.before + this.#extra.get(last.row)!
  }

  #summed() {
    let before = 0
    return [...this.#extra.keys()]
      .sort((a, b) => a - b)
      .map((row) => {
        const entry = { row, before }
        before += this.#extra.get(row)!
        return entry
      })
  }
}

/** Browsers draw nothing below 16 to 33 million pixels; a longer log scrolls in fewer. */
export const scrolledPxMax = 8_000_000

/** Between where one is in the log, and where the scroll bar is. Both in pixels from the top. */
export class ScrollScale {
  readonly totalPx: number
  readonly viewPx: number

  constructor(totalPx: number, viewPx: number) {
    this.totalPx = totalPx
    this.viewPx = viewPx
  }

  get scrolledPx(): number {
    return Math.min(this.totalPx, scrolledPxMax)
  }

  get isScaled(): boolean {
    return this.totalPx > scrolledPxMax
  }

  get maxTop(): number {
    return Math.max(0, this.totalPx - this.viewPx)
  }

  toScrolled(top: number): number {
    const most = Math.max(0, this.scrolledPx - this.viewPx)
    return this.isScaled ? (top / this.maxTop) * most : top
  }

  /** Where one is after the scroll bar moved: a wheel or a key moves lines, the bar itself goes to its part of the log. */
  topAfter(move: { readonly from: number; readonly to: number; readonly top: number }): number {
    if (!this.isScaled) return move.to
    const most = Math.max(1, this.scrolledPx - this.viewPx)
    const delta = move.to - move.from
    const isSmall = Math.abs(delta) <= this.viewPx * 1.5
    const isAtEdge = move.to <= 0 || move.to >= most - 1
    if (isSmall && !(isAtEdge && Math.abs(delta) < 1)) return Math.min(this.maxTop, Math.max(0, move.top + delta))
    return (move.to / most) * this.maxTop
  }
}
