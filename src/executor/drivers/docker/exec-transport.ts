// Connections to the helper in a container: one exec each, as root.

import { SlipwayError } from '../../../lib/errors.ts'
import type { HelperConnection, HelperTransport } from '../../helper/transport.ts'
import { helperPath } from './container-config.ts'
import { type Engine, EngineError, isEngineError } from './engine.ts'
import type { HijackedStream } from './hijacked-stream.ts'

/** What an engine writes into the stream of an exec that it could not start; there is no other answer. */
const execFailure = /^(OCI runtime|runc|crun|unable to start|cannot exec|error)[^\n]*/i
const failureBytesMax = 2048

export type ExecTransportOptions = {
  readonly engine: Engine
  readonly containerId: string
  /** Says why the container is not running. */
  readonly explain: () => Promise<string>
}

export function execTransport({ engine, containerId, explain }: ExecTransportOptions): HelperTransport {
  return {
    async open(signal) {
      try {
        const { Id: id } = (await engine.call({
          method: 'POST',
          path: `/containers/${containerId}/exec`,
          // Root, whatever the container's own process runs as: the helper changes to the step's user.
          body: {
            Cmd: [helperPath, 'request'],
            User: '0',
            AttachStdin: true,
            AttachStdout: true,
            AttachStderr: true,
          },
          signal,
        })) as { readonly Id: string }
        const stream = await engine.hijack({
          method: 'POST',
          path: `/exec/${id}/start`,
          body: { Detach: false, Tty: false },
          signal,
        })
        return execConnection(stream)
      } catch (cause) {
        if (isContainerGone(cause)) throw new SlipwayError('pod_gone', await explain(), { cause })
        if (cause instanceof EngineError)
          throw new SlipwayError('driver_unavailable', `exec in the container: ${cause.message}`, { cause })
        throw cause
      }
    },
  }
}

function execConnection(stream: HijackedStream): HelperConnection {
  return {
    send: (bytes) => stream.write(bytes),
    output: checked(stream),
    close: () => stream.close(),
  }
}

/** The helper's bytes; what the engine says instead of starting it becomes an error. */
async function* checked(stream: HijackedStream): AsyncGenerator<Uint8Array, void, undefined> {
  let isFirst = true
  for await (const chunk of stream.stdout()) {
    if (isFirst) {
      isFirst = false
      const text = Buffer.from(chunk.subarray(0, failureBytesMax)).toString('latin1')
      if (execFailure.test(text)) {
        // The container ended between the two calls: the next connection learns how.
        if (/not running|stopped container|no such process|container .* is not/i.test(text)) return
        throw new SlipwayError('helper_failed', `start the helper in the container: ${text.trim()}`)
      }
    }
    yield chunk
  }
  if (isFirst && stream.stderr !== '')
    throw new SlipwayError('helper_failed', `the helper in the container says: ${stream.stderr}`)
}

function isContainerGone(error: unknown): boolean {
  if (isEngineError(error, 404)) return true
  // Docker answers 409 for a paused container too, which can be tried again.
  return (
    isEngineError(error, 409, 500) && /not running|container state improper|running containers/i.test(error.message)
  )
}
