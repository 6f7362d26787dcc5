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

/** The answer of `run` and `follow`. */
export type ExitAnswer = { readonly exit: StepExit }
/** The answer of `query`. */
export type QueryAnswer = PodAnswer
/** The answer of `version`. */
export type VersionAnswer = { readonly versions: readonly number[]; readonly arch: string }

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
