// A Pod over the helper in it, whatever the driver: requests, the life of a step's connection, backpressure both ways.
//
// A step lives in the pod, not in its connection. When a connection is cut, the reader connects again and follows from
// the offset it has reached, so each byte arrives once; only when the pod itself is gone, or stays unreachable, has the
// step the exit `lost`.

import type { Clock } from '../../lib/clock.ts'
import { systemClock } from '../../lib/clock.ts'
import { errorMessage, isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { PlainEnvironment } from '../../runservice/executor-api.ts'
import type {
  Pod,
  PodAnswer,
  PodArchiveRequest,
  PodId,
  PodQuery,
  PodUnarchiveRequest,
  StepCommand,
  StepExit,
  StepProcess,
} from '../driver.ts'
import type { HelperConnection, HelperTransport } from './transport.ts'
import type { Frame, HelperRequest } from './wire.ts'
import {
  decodeFrames,
  encodeAcknowledgement,
  encodeData,
  encodeFrame,
  encodeRequest,
  parseAnswer,
  parseExit,
  parseFailure,
  wireVersion,
} from './wire.ts'

export type HelperPodOptions = {
  readonly id: PodId
  readonly transport: HelperTransport
  /** The pod's private directory as the helper sees it; `init --dir-fd` uses its own whatever is said here. */
  readonly dir: string
  /** User of every step: name, uid or `user:group`; empty means the user the helper runs as. */
  readonly user: string
  /** True where the helper is started with the container's environment (an exec), false where it has its own. */
  readonly inheritEnvironment: boolean
  /** Under the environment of each request. */
  readonly baseEnvironment: PlainEnvironment
  readonly enterCommand: string
  /** Removes the pod; idempotent. */
  readonly remove: (signal: AbortSignal) => Promise<void>
  /** Called once, when a request found that the pod is gone. */
  readonly onLost?: (error: SlipwayError) => void
  /** Output of one step that may wait unreleased, in bytes. Default: the limit `spoolBytesPerTask`. */
  readonly spoolBytesMax?: number
  readonly clock?: Clock
}

/** Waits between attempts to reach a pod whose connection was cut, in milliseconds; then its step is lost. */
const reconnectDelaysMs = [0, 50, 200, 500, 1_000, 2_000, 5_000, 5_000, 10_000, 10_000]

/** Headers, padding and long names of an entry in a tar stream, generously, in bytes. */
const entryOverheadBytesMax = 16_384

/** The Pod that `options.transport` reaches. Opens nothing by itself. */
export function createHelperPod(options: HelperPodOptions): Pod {
  return new HelperPod(options)
}

class HelperPod implements Pod {
  readonly id: PodId
  readonly enterCommand: string
  readonly #options: HelperPodOptions
  #isLost = false

  constructor(options: HelperPodOptions) {
    this.id = options.id
    this.enterCommand = options.enterCommand
    this.#options = options
  }

  async start(command: StepCommand, signal: AbortSignal): Promise<StepProcess> {
    const request = (offset: number): HelperRequest => ({
      ...this.#common(command),
      verb: 'run',
      step: command.id,
      argv: command.argv,
      ...(command.script === undefined ? {} : { script: command.script }),
      tty: command.tty,
      createDirs: command.createDirs,
      offset,
      spoolBytesMax: this.#options.spoolBytesMax ?? limits.spoolBytesPerTask.value,
    })
    return this.#step(command.id, 0, request, signal)
  }

  async attach(stepId: string, offset: number, signal: AbortSignal): Promise<StepProcess> {
    const request = (from: number): HelperRequest => ({ ...this.#bare(), verb: 'follow', step: stepId, offset: from })
    return this.#step(stepId, offset, request, signal)
  }

  async *archive(request: PodArchiveRequest, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    using connection = await this.#request(
      { ...this.#common(request), verb: 'archive', contents: request.contents, ...request.limits },
      signal,
    )
    // The helper keeps the limits; a pod that put something else in its place does not fill our disk either.
    let left = request.limits.sizeBytesMax + request.limits.entriesMax * entryOverheadBytesMax
    for await (const frame of connection.frames) {
      if (frame.type === 'O') {
        left -= frame.bytes.length
        if (left < 0) throw new SlipwayError('limit_exceeded', 'the archive of the pod is larger than its limits allow')
        yield frame.bytes
      } else if (frame.type === 'N') request.note(frame.text)
      else if (frame.type === 'X') throw failureOf(frame.text, 'archive files of the pod')
      else return
    }
    throw connection.cut('archive files of the pod')
  }

  async unarchive(request: PodUnarchiveRequest, data: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    using connection = await this.#request(
      {
        ...this.#common(request),
        verb: 'unarchive',
        destDir: request.destDir,
        existing: request.existing,
        ...request.limits,
      },
      signal,
    )
    const answer = lastFrame(connection.frames)
    // Rejects only where it is awaited below; a failed source must not leave it unhandled.
    answer.catch(() => {})
    const answered = answer.then(
      () => true,
      () => true,
    )
    const isAnswered = () => Promise.race([answered, Promise.resolve(false)])
    for await (const chunk of data) {
      if (await isAnswered()) break
      for (const frame of encodeData(chunk))
        await Promise.race([connection.send(frame).catch(() => answered), answered])
    }
    if (!(await isAnswered())) await connection.send(encodeFrame('E', new Uint8Array())).catch(() => {})
    const frame = await answer
    if (frame === undefined) throw connection.cut('unpack files in the pod')
    if (frame.type === 'X') throw failureOf(frame.text, 'unpack files in the pod')
  }

  async query(query: PodQuery, signal: AbortSignal): Promise<PodAnswer> {
    const text = await this.#ask(
      { ...this.#common(query), verb: 'query', digests: query.digests, variables: query.variables },
      'ask the pod for digests and variables',
      signal,
    )
    return parseAnswer(text, { digests: query.digests.length, variables: query.variables.length })
  }

  remove(signal: AbortSignal): Promise<void> {
    return this.#options.remove(signal)
  }

  async #step(
    stepId: string,
    offset: number,
    request: (offset: number) => HelperRequest,
    signal: AbortSignal,
  ): Promise<StepProcess> {
    const clock = this.#options.clock ?? systemClock
    const open = (from: number) => this.#request(request(from), signal)
    const kill = async (name: 'TERM' | 'KILL') => {
      // A signal of its own: what stops a step is often what aborted the signal it was started with.
      await this.#ask(
        { ...this.#bare(), verb: 'kill', step: stepId, signal: name },
        `kill step ${stepId}`,
        clock.timeout(limits.podRemoveMs.value),
      )
    }
    const first = await this.#begin(() => open(offset), `start or find step ${stepId}`, clock, signal)
    return new HelperStep({ open, kill, offset, first, signal, clock })
  }

  /** A connection on which the helper has said that it has the step; tried again when it is cut before. */
  async #begin(
    open: () => Promise<RequestConnection>,
    what: string,
    clock: Clock,
    signal: AbortSignal,
  ): Promise<RequestConnection> {
    for (let failures = 0; ; failures++) {
      const delay = reconnectDelaysMs[failures]
      const mayRetry = () => delay !== undefined && !signal.aborted
      try {
        const connection = await open()
        const first = await firstFrame(connection)
        if (first?.type === 'H') return connection
        connection[Symbol.dispose]()
        if (first?.type === 'X') throw failureOf(first.text, what)
        if (!mayRetry()) throw connection.cut(what)
      } catch (error) {
        const mayHelp = !isSlipwayError(error) || error.kind === 'unavailable'
        if (!mayHelp || !mayRetry()) throw error
      }
      await clock.sleep(delay ?? 0, signal)
    }
  }

  /** The payload of the result of a request that has no output. */
  async #ask(request: HelperRequest, what: string, signal: AbortSignal): Promise<string> {
    using connection = await this.#request(request, signal)
    const frame = await lastFrame(connection.frames)
    if (frame === undefined) throw connection.cut(what)
    if (frame.type === 'X') throw failureOf(frame.text, what)
    return frame.text
  }

  async #request(request: HelperRequest, signal: AbortSignal): Promise<RequestConnection> {
    signal.throwIfAborted()
    const bytes = encodeRequest(request)
    try {
      const connection = new RequestConnection(await this.#options.transport.open(signal), signal)
      // A connection that is cut already shows when its frames are read.
      await connection.send(bytes).catch(() => {})
      return connection
    } catch (error) {
      if (isSlipwayError(error, 'pod_gone') && !this.#isLost) {
        this.#isLost = true
        this.#options.onLost?.(error)
      }
      throw error
    }
  }

  #common(request: { readonly environment: PlainEnvironment; readonly workingDir: string }) {
    return {
      v: wireVersion,
      dir: this.#options.dir,
      user: this.#options.user,
      inherit: this.#options.inheritEnvironment,
      environment: { ...this.#options.baseEnvironment, ...request.environment },
      workingDir: request.workingDir,
    } as const
  }

  #bare() {
    return this.#common({ environment: {}, workingDir: '' })
  }
}

/** A connection that carries one request; closed by disposing it and by `signal`. */
class RequestConnection implements Disposable {
  readonly frames: AsyncGenerator<Frame>
  /** Offset of the last acknowledgement sent here. */
  acknowledged = 0
  readonly #connection: HelperConnection
  readonly #signal: AbortSignal
  readonly #onAbort: () => void

  constructor(connection: HelperConnection, signal: AbortSignal) {
    this.#connection = connection
    this.#signal = signal
    this.#onAbort = () => connection.close()
    this.frames = decodeFrames(connection.output)
    signal.addEventListener('abort', this.#onAbort, { once: true })
    if (signal.aborted) connection.close()
  }

  send(bytes: Uint8Array): Promise<void> {
    return this.#connection.send(bytes)
  }

  /** Why the frames ended without a result: aborted, or cut. */
  cut(what: string): unknown {
    return this.#signal.aborted
      ? this.#signal.reason
      : new SlipwayError('pod_gone', `${what}: the connection was cut before the answer; the pod may be gone`)
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.#connection.close()
  }
}

type HelperStepOptions = {
  readonly open: (offset: number) => Promise<RequestConnection>
  readonly kill: (signal: 'TERM' | 'KILL') => Promise<void>
  readonly offset: number
  readonly first: RequestConnection
  readonly signal: AbortSignal
  readonly clock: Clock
}

class HelperStep implements StepProcess {
  readonly exit: Promise<StepExit>
  readonly #options: HelperStepOptions
  readonly #ended = Promise.withResolvers<StepExit>()
  #first: RequestConnection | undefined
  #current: RequestConnection | undefined
  #released = 0
  #isAcknowledging = false
  #isDisposed = false

  constructor(options: HelperStepOptions) {
    this.#options = options
    this.#first = options.first
    this.exit = this.#ended.promise
    // Rejects when the step is let go of; who does not wait for the exit need not know.
    this.exit.catch(() => {})
  }

  async *output(): AsyncGenerator<Uint8Array> {
    let offset = this.#options.offset
    let failures = 0
    for (;;) {
      let connection: RequestConnection
      try {
        connection = await this.#connect(offset)
      } catch (error) {
        this.#throwIfOver()
        if (isSlipwayError(error, 'pod_gone')) return this.#lose(error)
        failures = await this.#pause(failures, error)
        if (failures === lost) return
        continue
      }
      try {
        for await (const frame of connection.frames) {
          if (frame.type === 'O') {
            failures = 0
            offset += frame.bytes.length
            yield frame.bytes
          } else if (frame.type === 'S') {
            this.#ended.resolve(parseExit(frame.text))
            return
          } else if (frame.type === 'X') {
            throw failureOf(frame.text, 'follow the step')
          }
        }
      } catch (error) {
        this.#ended.reject(error)
        throw error
      } finally {
        if (this.#current === connection) this.#current = undefined
        connection[Symbol.dispose]()
      }
      this.#throwIfOver()
      failures = await this.#pause(failures, new SlipwayError('pod_gone', 'the connection to the pod was cut'))
      if (failures === lost) return
    }
  }

  release(offset: number): void {
    this.#released = Math.max(this.#released, offset)
    void this.#acknowledge()
  }

  interrupt(): Promise<void> {
    return this.#kill('TERM')
  }

  kill(): Promise<void> {
    return this.#kill('KILL')
  }

  async #kill(signal: 'TERM' | 'KILL'): Promise<void> {
    try {
      await this.#options.kill(signal)
    } catch (error) {
      // No pod, or no such step: nothing of it runs any more.
      if (!isSlipwayError(error, 'pod_gone')) throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDisposed) return
    this.#isDisposed = true
    this.#first?.[Symbol.dispose]()
    this.#current?.[Symbol.dispose]()
    this.#ended.reject(new SlipwayError('cancelled', 'the step was let go of before its end'))
  }

  async #connect(offset: number): Promise<RequestConnection> {
    this.#throwIfOver()
    const connection = this.#first ?? (await this.#options.open(offset))
    this.#first = undefined
    this.#current = connection
    void this.#acknowledge()
    return connection
  }

  /** Sends the newest released offset; offsets released meanwhile follow together in the next frame. */
  async #acknowledge(): Promise<void> {
    if (this.#isAcknowledging) return
    this.#isAcknowledging = true
    for (let connection = this.#current; connection !== undefined; connection = this.#current) {
      if (connection.acknowledged >= this.#released) break
      connection.acknowledged = this.#released
      // Cut: the next connection begins with the newest offset.
      await connection.send(encodeAcknowledgement(this.#released)).catch(() => {})
    }
    this.#isAcknowledging = false
  }

  async #pause(failures: number, error: unknown): Promise<number> {
    const delay = reconnectDelaysMs[failures]
    if (delay === undefined) {
      this.#lose(error)
      return lost
    }
    await this.#options.clock.sleep(delay, this.#options.signal).catch(() => this.#throwIfOver())
    return failures + 1
  }

  /** The pod is gone, or stayed unreachable. */
  #lose(error: unknown): void {
    this.#ended.resolve({ kind: 'lost', message: errorMessage(error) })
  }

  #throwIfOver(): void {
    if (this.#options.signal.aborted) {
      this.#ended.reject(this.#options.signal.reason)
      throw this.#options.signal.reason
    }
    if (this.#isDisposed) throw new SlipwayError('cancelled', 'the step was let go of')
  }
}

/** In place of the number of failures: no further attempt. */
const lost = -1

/** Undefined when the connection was cut before. Closes it when what came is no frame. */
async function firstFrame(connection: RequestConnection): Promise<Frame | undefined> {
  try {
    const first = await connection.frames.next()
    return first.done ? undefined : first.value
  } catch (error) {
    connection[Symbol.dispose]()
    throw error
  }
}

/** The result or failure; undefined when the connection was cut before. */
async function lastFrame(frames: AsyncIterable<Frame>): Promise<(Frame & { readonly type: 'S' | 'X' }) | undefined> {
  for await (const frame of frames) {
    if (frame.type === 'S' || frame.type === 'X') return { type: frame.type, text: frame.text }
  }
  return undefined
}

function failureOf(text: string, what: string): SlipwayError {
  const { code, message } = parseFailure(text)
  if (code === 'no_step') return new SlipwayError('pod_gone', message)
  if (code === 'limit') return new SlipwayError('limit_exceeded', message)
  if (code === 'version' || code === 'protocol') return new SlipwayError('helper_protocol', `${what}: ${message}`)
  return new SlipwayError('helper_failed', message)
}
