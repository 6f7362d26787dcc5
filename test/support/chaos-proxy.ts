// A proxy that is as bad as a network may be, from a seed: connections that break in the middle of a request or of its answer,
// answers that are lost whole, and delays.

import { connect as connectTo, createServer, type Socket } from 'node:net'

export type ChaosProxy = AsyncDisposable & {
  readonly url: string
  /** No more of it: what connects from now on is passed on as it is. */
  calm(): void
  /** Connections that were broken. */
  readonly cuts: number
}

/** Of the connections, so many in a hundred break, after up to `bytesMax` bytes of one direction. */
export async function startChaosProxy(
  targetPort: number,
  { seed, percent = 90, bytesMax = 60_000, delayMsMax = 20 }: ChaosOptions,
): Promise<ChaosProxy> {
  const sockets = new Set<Socket>()
  const random = randomOf(seed)
  let isCalm = false
  let cuts = 0
  const server = createServer((client) => {
    const upstream = connectTo(targetPort, '127.0.0.1')
    const breaks = !isCalm && random() * 100 < percent
    // Small ones are more likely: they hit headers.
    let bytesLeft = breaks ? Math.floor(bytesMax * random() ** 3) : Number.POSITIVE_INFINITY
    const isOfAnswer = random() < 0.6
    const delayMs = isCalm ? 0 : Math.floor(random() * delayMsMax)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {}) // Either end may vanish.
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    const pass = (to: Socket, chunk: Buffer, counts: boolean) => {
      const allowed = counts ? chunk.subarray(0, Math.max(0, bytesLeft)) : chunk
      if (counts) bytesLeft -= chunk.length
      const isEnd = counts && bytesLeft < 0
      if (isEnd) cuts++
      const write = () => {
        if (!to.destroyed) to.write(allowed, () => isEnd && client.destroy())
      }
      if (delayMs === 0) write()
      else setTimeout(write, delayMs)
    }
    client.on('data', (chunk) => pass(upstream, chunk, !isOfAnswer))
    upstream.on('data', (chunk) => pass(client, chunk, isOfAnswer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address() as { readonly port: number }
  return {
    url: `http://127.0.0.1:${address.port}`,
    calm: () => {
      isCalm = true
    },
    get cuts() {
      return cuts
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((closed) => server.close(closed))
    },
  }
}

export type ChaosOptions = {
  readonly seed: number
  readonly percent?: number
  readonly bytesMax?: number
  readonly delayMsMax?: number
}

/** Mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
