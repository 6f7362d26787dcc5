// A proxy that cuts a connection once, in the middle of an answer of a real server.

import { connect, createServer, type Socket } from 'node:net'

export type CuttingProxy = AsyncDisposable & {
  readonly port: number
  /** The next request whose first line matches gets so many bytes of its answer, headers included, and no more. */
  cutOnce(requestLine: RegExp, afterBytes: number): void
  /** How many answers were cut. */
  readonly cuts: number
}

export async function startCuttingProxy(targetPort: number): Promise<CuttingProxy> {
  const sockets = new Set<Socket>()
  let next: { readonly requestLine: RegExp; readonly afterBytes: number } | undefined
  let cuts = 0
  const server = createServer((client) => {
    const upstream = connect(targetPort, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {}) // The other side hears of it by the end of its own.
      socket.on('close', () => sockets.delete(socket))
    }
    let bytesLeft = Number.POSITIVE_INFINITY
    client.on('data', (chunk) => {
      const line = chunk.toString('latin1').split('\r\n', 1)[0]!
      if (next?.requestLine.test(line)) {
        bytesLeft = next.afterBytes
        next = undefined
      }
      upstream.write(chunk)
    })
    upstream.on('data', (chunk) => {
      const passed = chunk.subarray(0, bytesLeft)
      bytesLeft -= chunk.length
      if (bytesLeft > 0) return void client.write(passed)
      cuts++
      client.write(passed, () => client.destroy())
      upstream.destroy()
    })
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroySoon())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as { port: number }).port,
    get cuts() {
      return cuts
    },
    cutOnce: (requestLine, afterBytes) => {
      next = { requestLine, afterBytes }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
