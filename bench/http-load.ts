// Asks an HTTP server over connections that stay, one request at a time on each, with as little work of its own as possible.

import { connect, type Socket } from 'node:net'

export type LoadOptions = {
  readonly port: number
  /** Whole requests without body, asked in turn. */
  readonly requests: readonly string[]
  readonly connections: number
  readonly seconds: number
  /** Requests a second; default as many as are answered. A request that has to wait for a free connection is late. */
  readonly perSecond?: number
}

export type LoadResult = {
  readonly perSecond: number
  /** Milliseconds from when each was due until its answer was there. */
  readonly latencies: readonly number[]
  readonly bodyBytes: number
}

/** Fails when anything but 200 is answered. */
export async function load({ port, requests, connections, seconds, perSecond }: LoadOptions): Promise<LoadResult> {
  const begin = performance.now()
  const end = begin + seconds * 1000
  const latencies: number[] = []
  let asked = 0
  let bodyBytes = 0
  const worker = async () => {
    const connection = await Connection.open(port)
    try {
      for (;;) {
        const index = asked++
        const due = perSecond === undefined ? performance.now() : begin + (index * 1000) / perSecond
        if (due >= end) return
        const wait = due - performance.now()
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
        if (performance.now() >= end) return
        bodyBytes = await connection.ask(requests[index % requests.length]!)
        latencies.push(performance.now() - due)
      }
    } finally {
      connection.close()
    }
  }
  await Promise.all(Array.from({ length: connections }, worker))
  return { perSecond: (latencies.length * 1000) / (performance.now() - begin), latencies, bodyBytes }
}

export function getRequest(path: string, headers: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${lines.join('')}\r\n`
}

class Connection {
  readonly #socket: Socket
  #received = ''
  #wanted: { resolve(bodyBytes: number): void; reject(error: Error): void } | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    // One character for each byte.
    socket.setNoDelay().setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.#received += text
      this.#look()
    })
    const fail = (error = new Error('the server closed a connection')) => this.#wanted?.reject(error)
    socket.on('error', fail).on('close', () => fail())
  }

  static async open(port: number): Promise<Connection> {
    const socket = connect(port, '127.0.0.1')
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return new Connection(socket)
  }

  /** Resolves with the length of the body. */
  ask(request: string): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    this.#wanted = { resolve, reject }
    this.#socket.write(request)
    return promise
  }

  close(): void {
    this.#wanted = undefined
    this.#socket.destroy()
  }

  #look(): void {
    const headEnd = this.#received.indexOf('\r\n\r\n')
    if (headEnd === -1) return
    const head = this.#received.slice(0, headEnd)
    const [, length] = /\r\ncontent-length: (\d+)/i.exec(head) ?? []
    const bodyBytes = Number(length)
    if (this.#received.length < headEnd + 4 + bodyBytes) return
    const isFine = head.startsWith('HTTP/1.1 200') && length !== undefined
    const answer = this.#received
    this.#received = ''
    if (isFine) this.#wanted?.resolve(bodyBytes)
    else this.#wanted?.reject(new Error(`the server answered ${answer.slice(0, 500)}`))
  }
}
