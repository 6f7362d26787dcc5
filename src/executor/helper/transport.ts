// How the executor reaches the helper in a pod. A driver gives a HelperTransport; createHelperPod (client.ts) makes the
// Pod of it. One connection carries one request (docs/helper-protocol.md).

import { spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import { createConnection, type Socket } from 'node:net'
import { basename, dirname } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { SlipwayError } from '../../lib/errors.ts'

/** The two byte streams of one connection. */
export interface HelperConnection {
  /** Resolves when more may be sent; rejects when the connection was cut. One call at a time. */
  send(bytes: Uint8Array): Promise<void>
  /** What the helper sends. Ends when the connection ends, cut or closed: how it ended is told by the frames. */
  readonly output: AsyncIterable<Uint8Array>
  /** Lets go of the connection. Idempotent; the step behind it goes on. */
  close(): void
}

export interface HelperTransport {
  /**
   * A connection to `slipway-pod request`, or to the socket of `slipway-pod init`. Fails with `pod_gone` when the pod is
   * no longer there (nobody tries again) and with anything else when trying again may help.
   */
  open(signal: AbortSignal): Promise<HelperConnection>
}

/** A connection of two streams of Node: an exec's stdin and stdout, or twice the same socket. */
export function connectionOfStreams(input: Readable, output: Writable, close: () => void): HelperConnection {
  // A cut shows as the end of `output` and as a rejected send; the event itself must only not be unhandled.
  input.on('error', () => {})
  output.on('error', () => {})
  return {
    send: (bytes) =>
      new Promise((resolve, reject) => {
        const cut = (cause?: unknown) =>
          reject(new SlipwayError('pod_gone', 'the connection to the pod was cut', { cause }))
        if (output.destroyed || !output.writable) return cut()
        const forget = () => {
          output.off('drain', onDrain)
          output.off('close', onClose)
        }
        const onDrain = () => {
          forget()
          resolve()
        }
        const onClose = () => {
          forget()
          cut()
        }
        // Registered first: a stream may fail within write().
        output.on('close', onClose)
        if (output.write(bytes)) onDrain()
        else output.on('drain', onDrain)
      }),
    output: untilCut(input),
    close,
  }
}

/**
 * Reaches the socket of `slipway-pod init` at `socketPath`, of any length. `takeAhead` gives a connection to it that was made
 * before, when there is one that nobody has taken.
 */
export function socketTransport(
  socketPath: string,
  takeAhead: () => Socket | undefined = () => undefined,
): HelperTransport {
  return {
    async open(signal) {
      signal.throwIfAborted()
      const ahead = takeAhead()
      const socket = ahead === undefined || ahead.destroyed ? await connect(socketPath, signal) : ahead.ref()
      return connectionOfStreams(socket, socket, () => socket.destroy())
    },
  }
}

/**
 * A connection for `takeAhead`, which does not keep this process from ending: a request on it is on its way at once, while
 * connecting takes a turn of this thread, which may be long. One that is cut meanwhile shows when it is used.
 */
export async function connectAhead(socketPath: string, signal: AbortSignal): Promise<Socket> {
  const socket = await connect(socketPath, signal)
  socket.on('error', () => {})
  return socket.unref()
}

/** Runs `command` for each connection and talks to its stdin and stdout. */
export function commandTransport(command: readonly [string, ...string[]]): HelperTransport {
  return {
    async open(signal) {
      signal.throwIfAborted()
      const child = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] })
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve)
        child.once('error', (cause) =>
          reject(new SlipwayError('driver_unavailable', `start ${command[0]}: ${cause.message}`, { cause })),
        )
      })
      return connectionOfStreams(child.stdout, child.stdin, () => {
        child.stdin.destroy()
        child.stdout.destroy()
      })
    },
  }
}

async function* untilCut(input: Readable): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of input) yield chunk as Uint8Array
  } catch {
    // Cut: the reader sees it by the missing last frame.
  }
}

/** Longest path of a socket address on Linux, in bytes (sun_path, unix(7)). */
const socketPathBytesMax = 107

async function connect(socketPath: string, signal: AbortSignal): Promise<Socket> {
  if (Buffer.byteLength(socketPath) <= socketPathBytesMax) return connectTo(socketPath, signal)
  const directory = await open(dirname(socketPath)).catch((cause) => {
    throw gone(cause)
  })
  try {
    return await connectTo(`/proc/self/fd/${directory.fd}/${basename(socketPath)}`, signal)
  } finally {
    await directory.close()
  }
}

function connectTo(path: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path)
    const onAbort = () => {
      socket.destroy()
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    const onError = (cause: NodeJS.ErrnoException) => {
      signal.removeEventListener('abort', onAbort)
      const isGone = cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED'
      reject(
        isGone ? gone(cause) : new SlipwayError('driver_unavailable', `connect to the pod: ${cause.code}`, { cause }),
      )
    }
    socket.once('error', onError)
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort)
      socket.off('error', onError)
      resolve(socket)
    })
  })
}

function gone(cause: unknown): SlipwayError {
  return new SlipwayError('pod_gone', 'the pod does not run any more', { cause })
}
