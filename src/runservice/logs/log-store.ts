// The runservice's side of logs: stores frames, reads them, and shows followers the open frame that the executor offers.
//
//   logs/<run task>/<setup or step>.zst                           a log that is complete with its only frame (frame.ts), as
//                                                                 most logs are: nothing else belongs to it
//   logs/<run task>/<setup or step>/<first byte, 16 digits>.zst   else one object per frame,
//   logs/<run task>/<setup or step>/end                           and the trailer, written last
//
// Frames of a log meet without gap and without overlap, but for one moment: merging replaces the first of several frames by
// one with all their bytes and then deletes the others. So a reader that finds a frame inside what it already has read skips
// it, and one that finds a frame gone looks again.

import { createHash } from 'node:crypto'
import { collectBytes } from '../../lib/bytes.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import type { LogName, LogPosition } from '../executor-api.ts'
import {
  decodeFrame,
  decodeFrameIndex,
  encodeFrame,
  type FrameIndex,
  joinIndexes,
  offsetOfLine,
  verifyFrame,
} from './frame.ts'
import {
  extentOf,
  findGroups,
  type LogExtent,
  type LogGroups,
  type LogLinesPage,
  type LogLinesQuery,
  type LogMatches,
  type LogSearch,
  readLines,
  type StoredFrames,
  searchLines,
} from './log-lines.ts'

export type LogKey = { readonly runTaskId: string; readonly log: LogName }

export type LogTrailer = {
  readonly sizeBytes: number
  /** An unfinished last line included. */
  readonly lines: number
  readonly sha256: string
}

/** A part of a log; the next one begins where it ends. */
export type LogChunk = { readonly firstByte: number; readonly bytes: Uint8Array }

/** What an instance hears of a log that is being written. */
export type LogNews =
  | ({ readonly kind: 'live' } & LogChunk)
  | { readonly kind: 'stored'; readonly bytes: number; readonly complete: boolean }

/** Where reading begins: a byte, a line (counted from 0), or so many lines before the end. */
export type LogStart = { readonly fromByte: number } | { readonly fromLine: number } | { readonly tailLines: number }

export interface LogStore {
  /** Where the log ends in storage. A log of which nothing is stored is at 0. */
  position(key: LogKey, signal?: AbortSignal): Promise<LogPosition>
  /**
   * Stores a frame durably and answers the new position. What is stored stays: a frame that begins before the end of the log
   * is acknowledged with the position as it is. One that begins behind it is `log_moved`, a damaged one `log_corrupt`. One
   * that says it is the whole log completes it.
   */
  storeFrame(key: LogKey, frame: Uint8Array, signal?: AbortSignal): Promise<LogPosition>
  /**
   * Bytes of the open frame, for followers; kept in memory until they are stored, within bounds. The bytes are copied.
   */
  offerLive(key: LogKey, firstByte: number, bytes: Uint8Array): void
  /** The log is complete: merges small frames, writes the trailer, ends followers. Idempotent. */
  finish(key: LogKey, signal?: AbortSignal): Promise<LogTrailer>
  /** The trailer; undefined while the log is not finished. */
  trailer(key: LogKey, signal?: AbortSignal): Promise<LogTrailer | undefined>
  /** What is stored, from `start` to the end. */
  read(key: LogKey, start: LogStart, signal?: AbortSignal): AsyncIterable<LogChunk>
  /** How much is stored. */
  extent(key: LogKey, signal?: AbortSignal): Promise<LogExtent>
  /** Stored lines with their times. */
  lines(key: LogKey, query: LogLinesQuery, signal?: AbortSignal): Promise<LogLinesPage>
  /** Stored lines with a text, or that look like errors, as far as it gets in a quarter of a second. */
  search(key: LogKey, query: LogSearch, signal?: AbortSignal): Promise<LogMatches>
  /** Parts that the output says it has; as `search`. */
  groups(key: LogKey, fromLine: number, signal?: AbortSignal): Promise<LogGroups>
  /** The indexes of the stored frames, in order: times, error lines. */
  indexes(key: LogKey, signal?: AbortSignal): AsyncIterable<FrameIndex>
  /** From that byte on, each byte once: what is stored, then what is offered, until the log is finished. */
  follow(key: LogKey, fromByte: number, signal: AbortSignal): AsyncIterable<LogChunk>
  /** Looks in the storage what other instances have stored, and tells followers here. */
  refresh(key: LogKey, signal?: AbortSignal): Promise<void>
  /**
   * What this instance hears of a log from that byte on, without reading the storage: bytes that are offered, and how far it is
   * stored. Until the log is finished.
   */
  watch(key: LogKey, fromByte: number, signal: AbortSignal): AsyncIterable<LogNews>
  /** Removes the log; followers end. Idempotent. */
  delete(key: LogKey, signal?: AbortSignal): Promise<void>
}

/** Of one storage, at most one store should write a given log at a time; several do no harm but refuse each other. */
export function createLogStore(ost: ObjectStorage): LogStore {
  return new ObjectLogStore(ost)
}

const KiB = 1024
/** Holds nearly every index. */
const indexReadBytes = 8 * KiB
/** An offered open frame that nobody follows is kept up to here: enough for slow logs, whose followers would notice. */
const liveBytesIdle = 256 * KiB
/** With followers. Beyond, they wait for the frame to be stored. */
const liveBytesFollowed = 4096 * KiB
/** Logs of which the position is remembered; it can be asked of the storage again. */
const logsRemembered = 4096
const trailerName = 'end'
/** About a MiB each. */
const framesKept = 8
/** Some KiB each. */
const indexesKept = 512
/** Frames are merged once, when a log is finished. */
const mergedMeanwhileMax = 3

type DecodedFrame = Awaited<ReturnType<typeof decodeFrame>>

class ObjectLogStore implements LogStore {
  readonly #ost: ObjectStorage
  readonly #logs = new Map<string, OpenLog>()
  /** Frames that were read lately, by key. */
  readonly #frames = new Map<string, Promise<DecodedFrame | undefined>>()
  readonly #indexes = new Map<string, FrameIndex>()

  constructor(ost: ObjectStorage) {
    this.#ost = ost
  }

  async position(key: LogKey, signal?: AbortSignal): Promise<LogPosition> {
    return await this.#positionOf(this.#logOf(key), signal)
  }

  async storeFrame(key: LogKey, frame: Uint8Array, signal?: AbortSignal): Promise<LogPosition> {
    const { index } = verifyFrame(frame)
    const log = this.#logOf(key)
    return await log.alone(async () => {
      // Of a log nobody has asked about, the first frame is mostly the beginning: creating it will tell.
      log.position ??= index.firstByte === 0 ? positionAfter(undefined) : await this.#loadPosition(log.folder, signal)
      // Another instance may have stored more than we know of.
      if (index.firstByte > log.position.bytes) log.position = await this.#loadPosition(log.folder, signal)
      if (log.position.complete || index.firstByte < log.position.bytes) return log.position
      if (index.firstByte > log.position.bytes)
        throw new SlipwayError(
          'log_moved',
          `a frame of log ${log.folder} begins at byte ${index.firstByte}, but the log ends at ${log.position.bytes}`,
        )
      if (index.sizeBytes === 0) return log.position
      try {
        const object = index.isWholeLog ? wholeLogKey(log.folder) : frameKey(log.folder, index.firstByte)
        await this.#ost.create(object, frame, signalOption(signal))
        log.position = positionAfter(index)
        if (index.isWholeLog) log.trailer = await this.#totals(log.folder, index, signal)
      } catch (error) {
        if (!isSlipwayError(error, 'object_exists')) throw error
        log.position = await this.#loadPosition(log.folder, signal)
      }
      if (log.position.complete) log.complete(log.position)
      else log.changed()
      return log.position
    })
  }

  offerLive(key: LogKey, firstByte: number, bytes: Uint8Array): void {
    this.#logOf(key).offer(firstByte, bytes)
  }

  async finish(key: LogKey, signal?: AbortSignal): Promise<LogTrailer> {
    const log = this.#logOf(key)
    return await log.alone(async () => {
      log.trailer ??= await this.#finish(log, signal)
      return log.trailer
    })
  }

  async trailer(key: LogKey, signal?: AbortSignal): Promise<LogTrailer | undefined> {
    const folder = folderOf(key)
    return await this.#loadTrailer(folder, await this.#list(folder, signal), signal)
  }

  async *read(key: LogKey, start: LogStart, signal?: AbortSignal): AsyncGenerator<LogChunk> {
    const folder = folderOf(key)
    yield* this.#readFrom(folder, await this.#firstByteOf(folder, start, signal), signal)
  }

  async *indexes(key: LogKey, signal?: AbortSignal): AsyncGenerator<FrameIndex> {
    const folder = folderOf(key)
    let endByte = 0
    const { frames, keyOf } = await this.#list(folder, signal)
    for (const firstByte of frames) {
      if (firstByte < endByte) continue
      const index = await this.#readIndex(keyOf(firstByte), signal)
      endByte = firstByte + index.sizeBytes
      yield index
    }
  }

  async extent(key: LogKey, signal?: AbortSignal): Promise<LogExtent> {
    return await this.#withFrames(folderOf(key), extentOf, signal)
  }

  async lines(key: LogKey, query: LogLinesQuery, signal?: AbortSignal): Promise<LogLinesPage> {
    return await this.#withFrames(folderOf(key), (stored) => readLines(stored, query), signal)
  }

  async search(key: LogKey, query: LogSearch, signal?: AbortSignal): Promise<LogMatches> {
    const now = () => performance.now()
    return await this.#withFrames(folderOf(key), (stored) => searchLines(stored, query, now, signal), signal)
  }

  async groups(key: LogKey, fromLine: number, signal?: AbortSignal): Promise<LogGroups> {
    const now = () => performance.now()
    return await this.#withFrames(folderOf(key), (stored) => findGroups(stored, fromLine, now, signal), signal)
  }

  async *follow(key: LogKey, fromByte: number, signal: AbortSignal): AsyncGenerator<LogChunk> {
    const log = this.#logOf(key)
    let offset = fromByte
    log.followers++
    try {
      while (true) {
        const change = log.nextChange() // Asked for before looking, so that nothing that happens meanwhile is missed.
        const position = await this.#positionOf(log, signal)
        if (log.isDeleted) return
        if (offset < position.bytes) {
          try {
            for await (const chunk of this.#readFrom(log.folder, offset, signal)) {
              yield chunk
              offset = chunk.firstByte + chunk.bytes.length
            }
          } catch (error) {
            if (log.isDeleted) return
            throw error
          }
          continue
        }
        const live = log.liveFrom(offset)
        if (live !== undefined) {
          yield live
          offset += live.bytes.length
          continue
        }
        if (position.complete) return
        await orAborted(change, signal)
      }
    } finally {
      log.followers--
    }
  }

  async refresh(key: LogKey, signal?: AbortSignal): Promise<void> {
    const log = this.#logOf(key)
    const stored = await this.#loadPosition(log.folder, signal)
    const known = log.position
    if (known?.complete || (known !== undefined && stored.bytes <= known.bytes && !stored.complete)) return
    log.position = stored
    if (stored.complete) log.complete(stored)
    else log.changed()
  }

  async *watch(key: LogKey, fromByte: number, signal: AbortSignal): AsyncGenerator<LogNews> {
    const log = this.#logOf(key)
    let offset = fromByte
    log.followers++
    try {
      while (!log.isDeleted) {
        const change = log.nextChange()
        const stored = log.position
        if (stored !== undefined && (stored.bytes > offset || stored.complete)) {
          yield { kind: 'stored', bytes: stored.bytes, complete: stored.complete }
          if (stored.complete) return
          offset = Math.max(offset, stored.bytes)
          continue
        }
        const live = log.liveFrom(offset) ?? log.liveBehind(offset)
        if (live !== undefined) {
          yield { kind: 'live', ...live }
          offset = live.firstByte + live.bytes.length
          continue
        }
        await orAborted(change, signal)
      }
    } finally {
      log.followers--
    }
  }

  async delete(key: LogKey, signal?: AbortSignal): Promise<void> {
    const log = this.#logOf(key)
    log.isDeleted = true // Before frames are missing, so that followers know why.
    await log.alone(async () => {
      await this.#ost.delete(wholeLogKey(log.folder), signal)
      for await (const { key: object } of this.#ost.list({ prefix: `${log.folder}/`, ...signalOption(signal) }))
        await this.#ost.delete(object, signal)
    })
    this.#logs.delete(log.folder)
    log.deleted()
  }

  #logOf(key: LogKey): OpenLog {
    const folder = folderOf(key)
    const found = this.#logs.get(folder)
    if (found !== undefined) return found
    if (this.#logs.size >= logsRemembered) this.#forgetIdleLogs()
    const log = new OpenLog(folder)
    this.#logs.set(folder, log)
    return log
  }

  #forgetIdleLogs(): void {
    for (const [folder, log] of this.#logs) {
      if (this.#logs.size < logsRemembered / 2) return
      if (log.isIdle) this.#logs.delete(folder)
    }
  }

  async #positionOf(log: OpenLog, signal: AbortSignal | undefined): Promise<LogPosition> {
    if (log.position !== undefined) return log.position
    const loaded = await this.#loadPosition(log.folder, signal)
    log.position ??= loaded // A frame that was stored meanwhile knows better.
    return log.position
  }

  async #loadPosition(folder: string, signal: AbortSignal | undefined): Promise<LogPosition> {
    const { frames, hasTrailer, keyOf } = await this.#list(folder, signal)
    const last = frames.at(-1)
    return positionAfter(last === undefined ? undefined : await this.#readIndex(keyOf(last), signal), hasTrailer)
  }

  async #finish(log: OpenLog, signal: AbortSignal | undefined): Promise<LogTrailer> {
    const { folder } = log
    let listed = await this.#list(folder, signal)
    const found = await this.#loadTrailer(folder, listed, signal)
    if (found === undefined && listed.frames.length > 1) {
      await this.#mergeSmallFrames(folder, listed.frames, signal)
      listed = await this.#list(folder, signal)
    }
    const last = listed.frames.at(-1)
    const index = last === undefined ? undefined : await this.#readIndex(listed.keyOf(last), signal)
    const trailer = found ?? (await this.#totals(folder, index, signal))
    if (found === undefined) {
      const data = Buffer.from(JSON.stringify({ format: 1, ...trailer }))
      await this.#ost.put(`${folder}/${trailerName}`, data, signalOption(signal))
    }
    log.complete(positionAfter(index, true))
    return trailer
  }

  async #loadTrailer(
    folder: string,
    { frames, hasTrailer, keyOf }: Listed,
    signal: AbortSignal | undefined,
  ): Promise<LogTrailer | undefined> {
    if (!hasTrailer) {
      const index = frames.length === 1 ? await this.#readIndex(keyOf(frames[0]!), signal) : undefined
      return index?.isWholeLog ? await this.#totals(folder, index, signal) : undefined
    }
    const data = await this.#readObject(`${folder}/${trailerName}`, signal)
    if (data === undefined) return undefined
    const { format, ...trailer } = JSON.parse(data.toString()) as LogTrailer & { format: number }
    if (format !== 1)
      throw new SlipwayError('log_corrupt', `the trailer of log ${folder} has the unknown format ${format}`)
    return trailer
  }

  async #list(folder: string, signal: AbortSignal | undefined): Promise<Listed> {
    const whole = wholeLogKey(folder)
    if ((await this.#ost.stat(whole, signal)) !== undefined)
      return { frames: [0], hasTrailer: false, keyOf: () => whole }
    const frames: number[] = []
    let hasTrailer = false
    for await (const { key } of this.#ost.list({ prefix: `${folder}/`, ...signalOption(signal) })) {
      const digits = /\/(\d{16})\.zst$/.exec(key)?.[1]
      if (digits !== undefined) frames.push(Number(digits))
      else if (key === `${folder}/${trailerName}`) hasTrailer = true
    }
    return { frames, hasTrailer, keyOf: (firstByte) => frameKey(folder, firstByte) }
  }

  async *#readFrom(folder: string, fromByte: number, signal: AbortSignal | undefined): AsyncGenerator<LogChunk> {
    let offset = fromByte
    let vanished = 0
    search: while (true) {
      const { frames, keyOf } = await this.#list(folder, signal)
      const first = Math.max(
        0,
        frames.findLastIndex((firstByte) => firstByte <= offset),
      )
      for (const [at, firstByte] of frames.entries()) {
        if (at < first) continue
        if (firstByte > offset) throw missing(folder, offset)
        const frame = await this.#readFrame(keyOf(firstByte), firstByte, { folder, next: frames[at + 1], signal })
        if (frame === undefined) {
          // Merged into the frame before since we looked, or the log is being deleted.
          if (++vanished > frames.length) throw missing(folder, offset)
          continue search
        }
        const { index, bytes } = frame
        const skipped = offset - firstByte
        if (skipped >= bytes.length) continue
        yield { firstByte: offset, bytes: bytes.subarray(skipped) }
        offset = firstByte + index.sizeBytes
      }
      return
    }
  }

  async #firstByteOf(folder: string, start: LogStart, signal: AbortSignal | undefined): Promise<number> {
    if ('fromByte' in start) return start.fromByte
    const { frames, keyOf } = await this.#list(folder, signal)
    const last = frames.at(-1)
    if (last === undefined) return 0
    let line: number
    if ('fromLine' in start) line = start.fromLine
    else {
      const end = await this.#readIndex(keyOf(last), signal)
      line = Math.max(0, end.firstLine + end.newlines + (end.endsLine ? 0 : 1) - start.tailLines)
    }
    if (line === 0) return 0
    // The first frame that has the newline before the line.
    let low = 0
    for (let high = frames.length - 1; low < high; ) {
      const middle = (low + high) >> 1
      const index = await this.#readIndex(keyOf(frames[middle]!), signal)
      if (index.firstLine + index.newlines >= line) high = middle
      else low = middle + 1
    }
    const object = await this.#readObject(keyOf(frames[low]!), signal)
    if (object === undefined) return await this.#firstByteOf(folder, start, signal)
    const { index, bytes } = await decodeFrame(object)
    return index.firstByte + offsetOfLine(index, bytes, line)
  }

  /** `act` with the frames as they are now; again when some were merged meanwhile. */
  async #withFrames<T>(
    folder: string,
    act: (stored: StoredFrames) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const { frames, hasTrailer, keyOf } = await this.#list(folder, signal)
      const next = new Map(frames.map((firstByte, at) => [firstByte, frames[at + 1]]))
      try {
        return await act({
          frames,
          isComplete: hasTrailer,
          readIndex: (firstByte) =>
            this.#readKeptIndex(keyOf(firstByte), firstByte, { next: next.get(firstByte), signal }),
          readFrame: async (firstByte) => {
            const frame = await this.#readKeptFrame(keyOf(firstByte), firstByte, next.get(firstByte))
            if (frame === undefined) throw missing(folder, firstByte)
            return frame
          },
        })
      } catch (error) {
        const isMerged = isSlipwayError(error, 'log_corrupt') || isSlipwayError(error, 'object_not_found')
        if (!isMerged || attempt === mergedMeanwhileMax) throw error
      }
    }
  }

  async #readKeptIndex(
    key: string,
    firstByte: number,
    { next, signal }: { readonly next: number | undefined; readonly signal: AbortSignal | undefined },
  ): Promise<FrameIndex> {
    const kept = this.#indexes.get(key)
    // One frame is replaced by a merged one, which ends elsewhere; of the last one it is not known where it ends.
    if (kept !== undefined && firstByte + kept.sizeBytes === next) return kept
    const index = await this.#readIndex(key, signal)
    keepNewest(this.#indexes, key, index, indexesKept)
    return index
  }

  async #readIndex(key: string, signal: AbortSignal | undefined): Promise<FrameIndex> {
    for (let end = indexReadBytes; ; ) {
      const options = { range: { start: 0, end }, ...signalOption(signal) }
      const index = decodeFrameIndex(await collectBytes(this.#ost.read(key, options)))
      if (!('neededBytes' in index)) return index
      if (index.neededBytes <= end) throw new SlipwayError('log_corrupt', `the log frame ${key} is cut off`)
      end = index.neededBytes
    }
  }

  /** Of a log with several followers a frame is read once for all of them. */
  async #readFrame(
    key: string,
    firstByte: number,
    {
      folder,
      next,
      signal,
    }: { readonly folder: string; readonly next: number | undefined; readonly signal: AbortSignal | undefined },
  ): Promise<DecodedFrame | undefined> {
    const log = this.#logs.get(folder)
    if (log === undefined || log.followers < 2) return await this.#readFrameAlone(key, signal)
    return await this.#readKeptFrame(key, firstByte, next ?? log.position?.bytes)
  }

  /** `end`: where it ends at least; of the last frame of a log that is not known, so it is read anew. */
  async #readKeptFrame(
    key: string,
    firstByte: number,
    end = Number.POSITIVE_INFINITY,
  ): Promise<DecodedFrame | undefined> {
    const keeping = this.#frames.get(key)
    const kept = keeping && (await keeping)
    // One that was merged since has the bytes of those behind it as well: what is kept ends too early then.
    if (kept !== undefined && firstByte + kept.index.sizeBytes >= end) return kept
    // For others, too: nobody's leaving breaks it off.
    const reading = this.#readFrameAlone(key, undefined)
    keepNewest(this.#frames, key, reading, framesKept)
    reading.catch(() => this.#frames.delete(key))
    return await reading
  }

  async #readFrameAlone(key: string, signal: AbortSignal | undefined): Promise<DecodedFrame | undefined> {
    const object = await this.#readObject(key, signal)
    return object === undefined ? undefined : await decodeFrame(object)
  }

  async #readObject(key: string, signal: AbortSignal | undefined): Promise<Buffer | undefined> {
    try {
      return await collectBytes(this.#ost.read(key, signalOption(signal)))
    } catch (error) {
      if (isSlipwayError(error, 'object_not_found')) return undefined
      throw error
    }
  }

  /** Slow logs have a frame every few seconds: neighbours that fit into one become one. Can be broken off anywhere. */
  async #mergeSmallFrames(folder: string, frames: readonly number[], signal: AbortSignal | undefined): Promise<void> {
    const last = frames.at(-1)!
    const ends = [...frames.slice(1), last + (await this.#readIndex(frameKey(folder, last), signal)).sizeBytes]
    for (let from = 0; from < frames.length; ) {
      let to = from + 1
      while (to < frames.length && ends[to]! - frames[from]! <= limits.logFrameBytes.value) to++
      if (to - from > 1) await this.#mergeFrames(folder, frames.slice(from, to), signal)
      from = to
    }
  }

  async #mergeFrames(folder: string, frames: readonly number[], signal: AbortSignal | undefined): Promise<void> {
    const parts: { index: FrameIndex; bytes: Uint8Array }[] = []
    let endByte = frames[0]!
    for (const firstByte of frames) {
      if (firstByte < endByte) continue // In the frame before, since a merge that was broken off.
      const object = await this.#readObject(frameKey(folder, firstByte), signal)
      if (object === undefined || firstByte > endByte) throw missing(folder, endByte)
      const part = await decodeFrame(object)
      parts.push(part)
      endByte += part.index.sizeBytes
    }
    const merged = await encodeFrame(
      joinIndexes(parts.map(({ index }) => index)),
      Buffer.concat(parts.map(({ bytes }) => bytes)),
    )
    if (parts.length > 1) await this.#ost.put(frameKey(folder, frames[0]!), merged, signalOption(signal))
    // Ascending: the last one says where the log ends until it is the only one.
    for (const firstByte of frames.slice(1)) await this.#ost.delete(frameKey(folder, firstByte), signal)
  }

  /** Of the log whose last frame has this index. */
  async #totals(folder: string, index: FrameIndex | undefined, signal: AbortSignal | undefined): Promise<LogTrailer> {
    if (index === undefined) return { sizeBytes: 0, lines: 0, sha256: createHash('sha256').digest('hex') }
    return {
      sizeBytes: index.firstByte + index.sizeBytes,
      lines: index.firstLine + index.newlines + (index.endsLine ? 0 : 1),
      sha256: index.sha256 ?? (await this.#hashAll(folder, signal)),
    }
  }

  /** For a log that more than one executor process wrote. */
  async #hashAll(folder: string, signal: AbortSignal | undefined): Promise<string> {
    const hash = createHash('sha256')
    for await (const { bytes } of this.#readFrom(folder, 0, signal)) hash.update(bytes)
    return hash.digest('hex')
  }
}

type Listed = {
  /** The first bytes of all frames, ascending. */
  readonly frames: readonly number[]
  readonly hasTrailer: boolean
  /** The object that the frame with this first byte is. */
  readonly keyOf: (firstByte: number) => string
}

/** What is remembered of a log that is written or followed. */
class OpenLog {
  readonly folder: string
  position: LogPosition | undefined
  trailer: LogTrailer | undefined
  followers = 0
  isDeleted = false
  #writers = 0
  #queue: Promise<unknown> = Promise.resolve()
  #change = Promise.withResolvers<void>()
  #live: { firstByte: number; endByte: number; chunks: Uint8Array[] } | undefined
  /** What was offered and not kept, because the log is faster than anybody looks. */
  #passedBytes = 0

  constructor(folder: string) {
    this.folder = folder
  }

  get isIdle(): boolean {
    return this.followers === 0 && this.#writers === 0
  }

  /** Writers of a log act one after another. */
  async alone<T>(act: () => Promise<T>): Promise<T> {
    this.#writers++
    const turn = this.#queue.then(act)
    this.#queue = turn.catch(() => {}) // The caller hears of it.
    try {
      return await turn
    } finally {
      this.#writers--
    }
  }

  nextChange(): Promise<void> {
    return this.#change.promise
  }

  /** The position moved: what is stored need not be kept, and followers look again. */
  changed(): void {
    const live = this.#live
    const storedBytes = this.position?.bytes ?? 0
    while (live !== undefined && live.chunks[0] !== undefined && live.firstByte + live.chunks[0].length <= storedBytes)
      live.firstByte += live.chunks.shift()!.length
    if (live?.chunks.length === 0) this.#live = undefined
    this.#wake()
  }

  complete(position: LogPosition): void {
    this.position = position
    this.#live = undefined
    this.#wake()
  }

  deleted(): void {
    this.#live = undefined
    this.#wake()
  }

  offer(firstByte: number, bytes: Uint8Array): void {
    if (this.position?.complete) return
    const endByte = firstByte + bytes.length
    if (this.followers === 0 && this.#passedBytes > (this.position?.bytes ?? 0)) {
      this.#passedBytes = endByte
      return
    }
    const live = this.#live
    if (live === undefined || firstByte < live.firstByte || firstByte > live.endByte) {
      this.#live = { firstByte, endByte, chunks: [Buffer.from(bytes)] }
    } else {
      // After a restart the executor may offer again what it offered before: the same bytes.
      if (endByte <= live.endByte) return
      live.chunks.push(Buffer.from(bytes.subarray(live.endByte - firstByte)))
      live.endByte = endByte
    }
    const { firstByte: from, endByte: to } = this.#live!
    if (to - from > (this.followers > 0 ? liveBytesFollowed : liveBytesIdle)) {
      this.#live = undefined
      this.#passedBytes = to
    }
    this.#wake()
  }

  /** Offered bytes from that one on. */
  liveFrom(offset: number): LogChunk | undefined {
    const live = this.#live
    if (live === undefined || offset < live.firstByte || offset >= live.endByte) return undefined
    let at = live.firstByte
    for (const chunk of live.chunks) {
      if (offset < at + chunk.length) return { firstByte: offset, bytes: chunk.subarray(offset - at) }
      at += chunk.length
    }
    return undefined
  }

  /** Offered bytes behind a gap: what is between was offered to another instance. */
  liveBehind(offset: number): LogChunk | undefined {
    const live = this.#live
    const first = live?.chunks[0]
    if (live === undefined || first === undefined || live.firstByte <= offset) return undefined
    return { firstByte: live.firstByte, bytes: first }
  }

  #wake(): void {
    this.#change.resolve()
    this.#change = Promise.withResolvers()
  }
}

function folderOf(key: LogKey): string {
  return `logs/${key.runTaskId}/${key.log}`
}

function wholeLogKey(folder: string): string {
  return `${folder}.zst`
}

function frameKey(folder: string, firstByte: number): string {
  return `${folder}/${String(firstByte).padStart(16, '0')}.zst`
}

/** Of the log whose last frame has this index. */
function positionAfter(index: FrameIndex | undefined, hasTrailer = false): LogPosition {
  if (index === undefined) return { bytes: 0, lines: 0, rawBytes: 0, complete: hasTrailer }
  return {
    bytes: index.firstByte + index.sizeBytes,
    lines: index.firstLine + index.newlines,
    rawBytes: index.rawBytes,
    complete: hasTrailer || index.isWholeLog,
  }
}

function signalOption(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

function keepNewest<T>(kept: Map<string, T>, key: string, value: T, most: number): void {
  kept.delete(key)
  kept.set(key, value)
  const oldest = kept.keys().next().value
  if (kept.size > most && oldest !== undefined) kept.delete(oldest)
}

function missing(folder: string, offset: number): SlipwayError {
  return new SlipwayError('log_corrupt', `log ${folder} has no frame with byte ${offset}`)
}

async function orAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
