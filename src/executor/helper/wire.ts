// The frames and messages between executor and helper, as docs/helper-protocol.md states them.

import { SlipwayError } from '../../lib/errors.ts'
import type { PodAnswer, StepExit } from '../driver.ts'

/** Version of the wire that every request names. */
export const wireVersion = 1

/** Largest payload of a frame, in bytes. */
export const framePayloadBytesMax = 1_048_576

const frameHeaderBytes = 5

export type FrameType = 'R' | 'D' | 'E' | 'A' | 'H' | 'O' | 'N' | 'S' | 'X'

export type HelperRequest = CommonRequest &
  (
    | RunRequest
    | { readonly verb: 'follow'; readonly step: string; readonly offset: number }
    | { readonly verb: 'kill'; readonly step: string; readonly signal?: string }
    | {
        readonly verb: 'archive'
        readonly contents: readonly {
          readonly sourceDir: string
          readonly destDir: string
          readonly paths: readonly string[]
        }[]
        readonly sizeBytesMax: number
        readonly entriesMax: number
      }
    | {
        readonly verb: 'unarchive'
        readonly destDir: string
        readonly existing: 'refuse' | 'overwrite' | 'empty'
        readonly sizeBytesMax: number
        readonly entriesMax: number
      }
    | {
        readonly verb: 'query'
        readonly digests: readonly { readonly algorithm: 'md5' | 'sha256'; readonly file: string }[]
        readonly variables: readonly string[]
      }
    | { readonly verb: 'version' }
  )

export type RunRequest = {
  readonly verb: 'run'
  readonly step: string
  readonly argv: readonly string[]
  readonly script?: string
  readonly tty: boolean
  readonly createDirs: readonly string[]
  readonly offset: number
  readonly spoolBytesMax: number
}

type CommonRequest = {
  readonly v: typeof wireVersion
  /** The pod's private directory as the helper sees it. */
  readonly dir: string
  readonly user: string
  readonly inherit: boolean
  readonly environment: Readonly<Record<string, string>>
  readonly workingDir: string
}

/** Output comes in pieces of a frame as they arrive; the other frames come whole. */
export type Frame =
  | { readonly type: 'O'; readonly bytes: Uint8Array }
  | { readonly type: 'H' | 'N' | 'S' | 'X'; readonly text: string }

/** A frame from the executor. `payload` has at most `framePayloadBytesMax` bytes and is not copied by the caller after. */
export function encodeFrame(type: FrameType, payload: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(frameHeaderBytes + payload.length)
  frame[0] = type.charCodeAt(0)
  frame.writeUInt32BE(payload.length, 1)
  frame.set(payload, frameHeaderBytes)
  return frame
}

/** The request frame; a request larger than a frame fails with `helper_protocol`. */
export function encodeRequest(request: HelperRequest): Uint8Array {
  const payload = Buffer.from(JSON.stringify(request))
  if (payload.length > framePayloadBytesMax)
    throw new SlipwayError(
      'limit_exceeded',
      `the ${request.verb} request has ${payload.length} bytes; environment and script together may have 1 MiB`,
    )
  return encodeFrame('R', payload)
}

/** The frame that acknowledges output before `offset`. */
export function encodeAcknowledgement(offset: number): Uint8Array {
  const payload = Buffer.alloc(8)
  payload.writeBigUInt64BE(BigInt(offset))
  return encodeFrame('A', payload)
}

/** Splits data into frames of type D. */
export function* encodeData(data: Uint8Array): Generator<Uint8Array> {
  for (let offset = 0; offset < data.length; offset += framePayloadBytesMax)
    yield encodeFrame('D', data.subarray(offset, offset + framePayloadBytesMax))
}

/**
 * Reads frames of the helper. Ends where the stream ends, also within a frame (the connection was cut); fails with
 * `helper_protocol` on what is not a frame.
 */
export async function* decodeFrames(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  const header = Buffer.alloc(frameHeaderBytes)
  let headerFilled = 0
  let type = ''
  let left = 0
  let whole: Uint8Array[] = []
  for await (const chunk of stream) {
    let at = 0
    while (at < chunk.length) {
      if (headerFilled < frameHeaderBytes) {
        const taken = Math.min(frameHeaderBytes - headerFilled, chunk.length - at)
        header.set(chunk.subarray(at, at + taken), headerFilled)
        headerFilled += taken
        at += taken
        if (headerFilled < frameHeaderBytes) break
        type = String.fromCharCode(header[0]!)
        left = header.readUInt32BE(1)
        if (!'HONSX'.includes(type) || left > framePayloadBytesMax)
          throw new SlipwayError(
            'helper_protocol',
            `the helper sent ${JSON.stringify(header.toString('latin1'))}, which is no frame`,
          )
      }
      const piece = chunk.subarray(at, at + left)
      at += piece.length
      left -= piece.length
      if (type !== 'O') whole.push(piece)
      else if (piece.length > 0) yield { type: 'O', bytes: piece }
      if (left > 0) continue
      headerFilled = 0
      if (type !== 'O') yield { type: type as 'H' | 'N' | 'S' | 'X', text: Buffer.concat(whole).toString('utf8') }
      whole = []
    }
  }
}

// A step that is root in its pod can put itself in the helper's place: what comes from there is input like any other.

/** The exit in the result of `run` and `follow`; fails with `helper_protocol` when it is none. */
export function parseExit(text: string): StepExit {
  const exit = fieldsOf(fieldsOf(parseJson(text)).exit)
  const { kind, code, signal, message } = exit
  if (kind === 'exited' && typeof code === 'number' && Number.isInteger(code)) return { kind, code }
  if (kind === 'signaled' && typeof signal === 'string') return { kind, signal }
  if ((kind === 'refused' || kind === 'lost') && typeof message === 'string') return { kind, message }
  if (kind === 'out_of_memory') return { kind }
  throw notUnderstood(text)
}

/** The result of `query` for that many digests and variables; fails with `helper_protocol` when it is none. */
export function parseAnswer(text: string, asked: { readonly digests: number; readonly variables: number }): PodAnswer {
  const { digests, variables, arch, unixNanoseconds, year, month, day } = fieldsOf(parseJson(text))
  const string = (value: unknown): string => {
    if (typeof value !== 'string') throw notUnderstood(text)
    return value
  }
  if (!Array.isArray(digests) || digests.length !== asked.digests) throw notUnderstood(text)
  if (!Array.isArray(variables) || variables.length !== asked.variables) throw notUnderstood(text)
  return {
    digests: digests.map((digest) => {
      const { hex, error } = fieldsOf(digest)
      return error === undefined ? { hex: string(hex) } : { error: string(error) }
    }),
    variables: variables.map(string),
    arch: string(arch),
    unixNanoseconds: string(unixNanoseconds),
    year: string(year),
    month: string(month),
    day: string(day),
  }
}

/** Code and message of a failure; fails with `helper_protocol` when it is none. */
export function parseFailure(text: string): { readonly code: string; readonly message: string } {
  const { code, message } = fieldsOf(parseJson(text))
  if (typeof code !== 'string' || typeof message !== 'string') throw notUnderstood(text)
  return { code, message }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw notUnderstood(text, cause)
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function notUnderstood(text: string, cause?: unknown): SlipwayError {
  return new SlipwayError('helper_protocol', `the helper answered ${JSON.stringify(text.slice(0, 200))}`, { cause })
}
