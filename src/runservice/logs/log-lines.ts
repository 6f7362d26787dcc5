// A log by its lines: a range of them with their times, and where a text stands. Frames say which lines they have (frame.ts), so
// what is asked of a large log costs the frames that are looked at, not the log.
//
// A line begins where the one before ended, whatever frames there are between: frames may begin and end inside a line.

import { looksLikeError } from '../../lib/error-line.ts'
import { type FrameIndex, type LineTimes, offsetOfLine } from './frame.ts'

/** A log as it is stored at one moment. */
export type StoredFrames = {
  /** First bytes of the frames, ascending. */
  readonly frames: readonly number[]
  readonly isComplete: boolean
  readIndex(frame: number): Promise<FrameIndex>
  readFrame(frame: number): Promise<{ readonly index: FrameIndex; readonly bytes: Uint8Array }>
}

/** From a line (counted from 0), or the last ones. */
export type LogLinesQuery = ({ readonly fromLine: number } | { readonly tailLines: number }) & {
  /** At most so many; fewer when they are long. Default and maximum 5000. */
  readonly count?: number
}

export type LogExtent = {
  /** Of what is stored. */
  readonly sizeBytes: number
  /** An unfinished last line included. */
  readonly lineCount: number
  /** Nothing will be added. */
  readonly isComplete: boolean
}

export type LogLinesPage = LogExtent & {
  /** Number of the first line of `lines`, from 0. */
  readonly fromLine: number
  /** Where it begins. */
  readonly fromByte: number
  /** Where the next line begins; behind an unfinished one, where it goes on. */
  readonly endByte: number
  /** Without their newlines. The last one of the log may be unfinished. */
  readonly lines: readonly string[]
  /** The last of them has no newline yet. */
  readonly isLastUnfinished: boolean
  /** When they began: so many in a row at that time, milliseconds since 1970. */
  readonly times: readonly LineTimes[]
  /** Colours and weights (SGR) that were set before and not reset, as a terminal would be told of them. */
  readonly style: string
  /** Of `lines`, by place: those of which only a part is here, because they are very long. */
  readonly cutLines: readonly number[]
}

export type LogSearch = {
  /** Found as it stands, colours left out. Without it lines that look like errors are found. */
  readonly text?: string
  readonly isCaseSensitive?: boolean
  /** From that line on; default 0. */
  readonly fromLine?: number
  /** At most so many lines; default and maximum 5000. */
  readonly limit?: number
}

export type LogMatches = {
  /** Numbers of the lines, ascending. */
  readonly lines: readonly number[]
  /** Not all was looked at: ask again from this line. Absent when what is stored was searched to its end. */
  readonly nextLine?: number
}

/** What output says of its own parts: lines that begin and end a group, and commands that a shell tells (`set -x`). */
export type LogGroups = {
  /** `##[group]Title`, `::group::Title`, `section_start:...`; line numbers, ascending. */
  readonly begins: readonly number[]
  readonly ends: readonly number[]
  /** `+ make all`. */
  readonly commands: readonly number[]
  /** As of `LogMatches`. */
  readonly nextLine?: number
}

export const logLinesMax = 5000
export const logMatchesMax = 5000
/** Of the lines of a page, together. */
const pageBytesMax = 1024 * 1024
/** Longer lines are cut: of progress bars, whose end is what one sees, the end stays, of others the beginning. */
const lineBytesMax = 64 * 1024
/** So long a search looks before it answers what it has: others want to be served, too. Milliseconds. */
const searchMs = 250
/** Of a line that goes on in the next frame, so much is searched. */
const openLineCharactersMax = 64 * 1024
/** Frames that are asked for ahead while one is searched. */
const framesAhead = 2

export async function extentOf(stored: StoredFrames): Promise<LogExtent> {
  const last = stored.frames.at(-1)
  if (last === undefined) return { sizeBytes: 0, lineCount: 0, isComplete: stored.isComplete }
  const index = await stored.readIndex(last)
  return {
    sizeBytes: index.firstByte + index.sizeBytes,
    lineCount: index.firstLine + index.newlines + (index.endsLine ? 0 : 1),
    isComplete: stored.isComplete || index.isWholeLog,
  }
}

export async function readLines(stored: StoredFrames, query: LogLinesQuery): Promise<LogLinesPage> {
  const extent = await extentOf(stored)
  const wanted = 'fromLine' in query ? query.fromLine : Math.max(0, extent.lineCount - query.tailLines)
  const count = Math.max(1, Math.min(query.count ?? logLinesMax, logLinesMax))
  const fromLine = Math.min(wanted, extent.lineCount)
  if (wanted >= extent.lineCount) {
    const place = { fromLine, fromByte: extent.sizeBytes, endByte: extent.sizeBytes }
    return { ...extent, ...place, lines: [], isLastUnfinished: false, times: [], style: '', cutLines: [] }
  }
  const page = new PageOfLines(fromLine, count)
  let at = await frameOfLine(stored, fromLine)
  for (; at < stored.frames.length; at++) {
    const frame = await stored.readFrame(stored.frames[at]!)
    if (!page.take(frame.index, frame.bytes)) break
  }
  return { ...extent, fromLine, ...page.end() }
}

/** Place of the frame in which the line begins, or of one before it that has its last newline as last byte. */
async function frameOfLine({ frames, readIndex }: StoredFrames, line: number): Promise<number> {
  let low = 0
  for (let high = frames.length - 1; low < high; ) {
    const middle = (low + high) >> 1
    const index = await readIndex(frames[middle]!)
    if (index.firstLine + index.newlines >= line) high = middle
    else low = middle + 1
  }
  return low
}

/** Lines as they come out of frames, in order. */
class PageOfLines {
  readonly #fromLine: number
  readonly #count: number
  readonly #lines: string[] = []
  readonly #times: { lines: number; at: number }[] = []
  readonly #cutLines: number[] = []
  #fromByte: number | undefined
  #endByte = 0
  #style = ''
  #sizeBytes = 0
  /** Of the line that goes on in the next frame. */
  #open: Buffer[] = []
  #isOpen = false

  constructor(fromLine: number, count: number) {
    this.#fromLine = fromLine
    this.#count = count
  }

  /** False when there is enough. */
  take(index: FrameIndex, bytes: Uint8Array): boolean {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    let offset = 0
    if (this.#fromByte === undefined) {
      offset = index.firstLine === this.#fromLine ? 0 : offsetOfLine(index, bytes, this.#fromLine)
      if (offset === bytes.length) return true // It begins the next frame.
      this.#fromByte = index.firstByte + offset
      this.#style = styleBefore(buffer, offset)
    }
    const timeOf = timesOf(index)
    while (offset < buffer.length) {
      if (!this.#isOpen) {
        if (this.#lines.length >= this.#count || this.#sizeBytes >= pageBytesMax) return false
        pushTime(this.#times, timeOf(this.#fromLine + this.#lines.length))
        this.#isOpen = true
      }
      const end = buffer.indexOf(10, offset)
      const stop = end === -1 ? buffer.length : end
      this.#open.push(buffer.subarray(offset, stop))
      offset = end === -1 ? stop : end + 1
      this.#endByte = index.firstByte + offset
      if (end !== -1) this.#closeLine()
    }
    return true
  }

  end() {
    const isLastUnfinished = this.#isOpen
    if (this.#isOpen) {
      const last = Buffer.concat(this.#open)
      const partial = last.length - wholeCharacters(last)
      // The rest of its last character comes with what is added.
      this.#open = [last.subarray(0, last.length - partial)]
      this.#endByte -= partial
      this.#closeLine()
    }
    return {
      fromByte: this.#fromByte ?? this.#endByte,
      endByte: this.#endByte,
      lines: this.#lines,
      isLastUnfinished,
      times: this.#times,
      style: this.#style,
      cutLines: this.#cutLines,
    }
  }

  #closeLine(): void {
    let line = this.#open.length === 1 ? this.#open[0]! : Buffer.concat(this.#open)
    if (line.length > lineBytesMax) {
      this.#cutLines.push(this.#lines.length)
      const isOverwritten = line.indexOf(13) !== -1 && line.indexOf(13) < line.length - 1
      line = isOverwritten ? line.subarray(line.length - lineBytesMax) : line.subarray(0, lineBytesMax)
    }
    this.#lines.push(line.toString())
    this.#sizeBytes += line.length
    this.#open = []
    this.#isOpen = false
  }
}

/** When lines of the frame began that begin in it; asked in ascending order. */
function timesOf(index: FrameIndex): (line: number) => number {
  let at = 0
  /** The first line behind those of `lineTimes[at]`. */
  let end = index.firstLine + 1 + (index.lineTimes[0]?.lines ?? 0)
  return (line) => {
    if (line <= index.firstLine) return index.firstAt
    while (line >= end && at + 1 < index.lineTimes.length) end += index.lineTimes[++at]!.lines
    return index.lineTimes[at]?.at ?? index.firstAt
  }
}

function pushTime(times: { lines: number; at: number }[], at: number): void {
  const last = times.at(-1)
  if (last?.at === at) last.lines++
  else times.push({ lines: 1, at })
}

const sgr = /\x1b\[[0-9;:]*m/g

/** SGR that is in force at that offset, as far as the frame knows. */
function styleBefore(bytes: Buffer, offset: number): string {
  if (bytes.lastIndexOf(27, offset - 1) === -1 || offset === 0) return ''
  const before = bytes.subarray(0, offset)
  const reset = Math.max(before.lastIndexOf('\x1b[0m'), before.lastIndexOf('\x1b[m'), 0)
  const set = before.subarray(reset).toString('latin1').match(sgr) ?? []
  // More than these would be a log without any reset, of which the newest count.
  return set
    .filter((code) => code !== '\x1b[0m' && code !== '\x1b[m')
    .slice(-16)
    .join('')
}

/** Bytes without the start of a character that is not complete. */
function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!
    if ((byte & 0b1100_0000) === 0b1000_0000) continue
    const needed = byte >= 0b1111_0000 ? 4 : byte >= 0b1110_0000 ? 3 : byte >= 0b1100_0000 ? 2 : 1
    return needed > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}

/** `now`: milliseconds that only go forward; the search ends when it has looked for long enough. */
export async function searchLines(
  stored: StoredFrames,
  query: LogSearch,
  now: () => number,
  signal?: AbortSignal,
): Promise<LogMatches> {
  const { fromLine = 0, text } = query
  const limit = Math.max(1, Math.min(query.limit ?? logMatchesMax, logMatchesMax))
  const finder = text === undefined ? errorFinder : textFinder(text, query.isCaseSensitive === true)
  const found: number[] = []
  const visit = (all: string, firstLine: number) => {
    for (const line of finder(all, firstLine)) {
      found.push(line)
      if (found.length === limit) return line + 1
    }
    return undefined
  }
  // Errors are known by the index: a frame without any is not read, unless a line goes on in it.
  const isSkipped = (index: FrameIndex) => text === undefined && index.errorLines.length === 0 && index.newlines > 0
  const nextLine = text === '' ? undefined : await scan(stored, { fromLine, visit, isSkipped, now, signal })
  return { lines: found, ...(nextLine === undefined ? {} : { nextLine }) }
}

const groupMark = /^(?:(##\[group\]|::group::|section_start:)|(##\[endgroup\]|::endgroup::|section_end:)|\+ \S)/gm

/** As `searchLines`. */
export async function findGroups(
  stored: StoredFrames,
  fromLine: number,
  now: () => number,
  signal?: AbortSignal,
): Promise<LogGroups> {
  const begins: number[] = []
  const ends: number[] = []
  const commands: number[] = []
  const visit = (all: string, firstLine: number) => {
    let line = firstLine
    let counted = 0
    for (const { 1: begin, 2: end, index } of all.matchAll(groupMark)) {
      for (let at = all.indexOf('\n', counted); at !== -1 && at < index; at = all.indexOf('\n', counted)) {
        line++
        counted = at + 1
      }
      const list = begin !== undefined ? begins : end !== undefined ? ends : commands
      list.push(line)
      if (begins.length + ends.length + commands.length === logMatchesMax) return line + 1
    }
    return undefined
  }
  const nextLine = await scan(stored, { fromLine, visit, isSkipped: () => false, now, signal })
  return { begins, ends, commands, ...(nextLine === undefined ? {} : { nextLine }) }
}

type Scan = {
  readonly fromLine: number
  /** Whole lines from that line on; answers where to go on when there is enough. */
  readonly visit: (text: string, firstLine: number) => number | undefined
  readonly isSkipped: (index: FrameIndex) => boolean
  readonly now: () => number
  readonly signal: AbortSignal | undefined
}

/** Shows text from a line on, frame by frame. Answers where to go on when not all was looked at. */
async function scan(
  stored: StoredFrames,
  { fromLine, visit, isSkipped, now, signal }: Scan,
): Promise<number | undefined> {
  const { frames } = stored
  if (frames.length === 0) return undefined
  const until = now() + searchMs
  const first = await frameOfLine(stored, fromLine)
  const read = readingAhead(stored)
  let open = ''
  for (let at = first; at < frames.length; at++) {
    signal?.throwIfAborted()
    const isLast = at + 1 === frames.length
    if (open === '') {
      const index = await stored.readIndex(frames[at]!)
      if (isSkipped(index)) {
        const endLine = index.firstLine + index.newlines
        if (now() >= until && endLine > fromLine && !isLast) return endLine
        continue
      }
    }
    const { index, bytes } = await read(at)
    const isCut = at === first && fromLine > index.firstLine
    const skipped = isCut ? offsetOfLine(index, bytes, fromLine) : 0
    const all = open + shownText(bytes.subarray(skipped))
    const lineEnd = isLast ? all.length : all.lastIndexOf('\n') + 1
    const enough = visit(all.slice(0, lineEnd), isCut ? fromLine : index.firstLine)
    if (enough !== undefined) return enough
    open = all.slice(lineEnd).slice(-openLineCharactersMax)
    const endLine = index.firstLine + index.newlines
    // Not inside of a line: it would be searched from its beginning for ever.
    if (now() >= until && endLine > fromLine && !isLast) return endLine
  }
  return undefined
}

/** Reads frames by their place, some of them before they are asked for. */
function readingAhead({ frames, readFrame }: StoredFrames): (at: number) => ReturnType<StoredFrames['readFrame']> {
  const ahead = new Map<number, ReturnType<StoredFrames['readFrame']>>()
  return (at) => {
    for (let next = at; next <= at + framesAhead && next < frames.length; next++) {
      if (ahead.has(next)) continue
      const reading = readFrame(frames[next]!)
      reading.catch(() => {}) // Heard of when its turn has come.
      ahead.set(next, reading)
    }
    const reading = ahead.get(at)!
    ahead.delete(at)
    return reading
  }
}

const controls = /\x1b\[[0-9;:?<=>]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-Z^-~]/g

/** What is searched: without colours, so that a word is found however it is drawn. */
function shownText(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()
  return text.includes('\x1b') ? text.replace(controls, '') : text
}

type Finder = (text: string, firstLine: number) => Iterable<number>

function textFinder(text: string, isCaseSensitive: boolean): Finder {
  const wanted = isCaseSensitive ? text : text.toLowerCase()
  return function* find(all, firstLine) {
    const searched = isCaseSensitive ? all : all.toLowerCase()
    let line = firstLine
    let counted = 0
    for (let at = searched.indexOf(wanted); at !== -1; ) {
      for (let end = searched.indexOf('\n', counted); end !== -1 && end < at; end = searched.indexOf('\n', counted)) {
        line++
        counted = end + 1
      }
      yield line
      const end = searched.indexOf('\n', at)
      if (end === -1) return
      at = searched.indexOf(wanted, end + 1)
    }
  }
}

function* errorFinder(all: string, firstLine: number): Iterable<number> {
  let line = firstLine
  for (const text of all.split('\n')) {
    if (looksLikeError(text)) yield line
    line++
  }
}
