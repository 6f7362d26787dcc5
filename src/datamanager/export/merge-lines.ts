// Two streams of export lines of one type, each in the order of the rows' ids, as one.

import { compareUtf8 } from '../../lib/compare-utf8.ts'

/** Whole lines, none empty. */
export type Lines = Buffer

/** Lines that lie between those of the other stream are passed on without being looked at. */
export async function* mergeLines(left: AsyncIterable<Lines>, right: AsyncIterable<Lines>): AsyncGenerator<Lines> {
  const a = new Cursor(left)
  const b = new Cursor(right)
  while ((await a.fill()) && (await b.fill())) {
    const [first, other] = compareUtf8(a.next, b.next) < 0 ? [a, b] : [b, a]
    yield first.takeBefore(other.next)
  }
  while (await a.fill()) yield a.takeAll()
  while (await b.fill()) yield b.takeAll()
}

class Cursor {
  readonly #chunks: AsyncIterator<Lines>
  #lines: Lines = Buffer.alloc(0)
  #at = 0
  #next = ''

  constructor(chunks: AsyncIterable<Lines>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** Id of the next line, after `fill`. */
  get next(): string {
    return this.#next
  }

  /** False at the end. */
  async fill(): Promise<boolean> {
    while (this.#at >= this.#lines.length) {
      const { value, done } = await this.#chunks.next()
      if (done === true) return false
      this.#lines = value
      this.#at = 0
      if (this.#lines.length > 0) this.#next = idOf(this.#lines, 0)
    }
    return true
  }

  takeAll(): Lines {
    const taken = this.#lines.subarray(this.#at)
    this.#at = this.#lines.length
    return taken
  }

  /** The next line and those after it whose ids are before `id`. */
  takeBefore(id: string): Lines {
    const lastAt = this.#lines.lastIndexOf(0x0a, this.#lines.length - 2) + 1
    if (compareUtf8(idOf(this.#lines, Math.max(lastAt, this.#at)), id) < 0) return this.takeAll()
    const from = this.#at
    do {
      this.#at = this.#lines.indexOf(0x0a, this.#at) + 1
      this.#next = idOf(this.#lines, this.#at)
    } while (compareUtf8(this.#next, id) < 0)
    return this.#lines.subarray(from, this.#at)
  }
}

/** Of the line that begins at `at`; encodeExportRow made it. */
function idOf(lines: Lines, at: number): string {
  const start = lines.indexOf('"id":', at) + 5
  return JSON.parse(lines.toString('utf8', start, lines.indexOf(',"body":', start))) as string
}
