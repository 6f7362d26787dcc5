// A TCP proxy that can swallow what the server answers: the request arrives, and nobody learns what became of it.

import { connect as connectTo, createServer, type Socket } from 'node:net'

export type LossyProxy = AsyncDisposable & {
  readonly port: number
  /** From now on answers are swallowed; connections stay open. */
  loseAnswers(): void
  /** Ends all connections; new ones work, and go to another port if that is given. */
  recover(port?: number): void
  /** Bytes of answers that were swallowed since `loseAnswers`. */
  readonly lostBytes: number
  /** Bytes that were passed on, both ways together. */
  readonly passedBytes: number
}

/** Forwards to a port of the loopback interface. */
export async function startLossyProxy(targetPort: number): Promise<LossyProxy> {
  const sockets = new Set<Socket>()
  let target = targetPort
  let isLosing = false
  let lostBytes = 0
  let passedBytes = 0
  const server = createServer((client) => {
    const upstream = connectTo(target, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {}) // either end may vanish
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    const pass = (to: Socket, chunk: Buffer) => {
      passedBytes += chunk.length
      to.write(chunk)
    }
    client.on('data', (chunk) => pass(upstream, chunk))
    upstream.on('data', (chunk) => {
      if (isLosing) lostBytes += chunk.length
      else pass(client, chunk)
    })
  })
  const destroyAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    loseAnswers: () => {
      isLosing = true
      lostBytes = 0
    },
    recover: (port) => {
      isLosing = false
      target = port ?? target
      destroyAll()
    },
    get lostBytes() {
      return lostBytes
    },
    get passedBytes() {
      return passedBytes
    },
    async [Symbol.asyncDispose]() {
      destroyAll()
      await new Promise((closed) => server.close(closed))
    },
  }
}
