import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { until } from '../../lib/until-fixture.ts'
import { connectAhead, socketTransport } from './transport.ts'

const never = new AbortController().signal

/** Answers each connection with its number, in order. */
async function aListener() {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-transport-'))
  const path = join(dir, 's')
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    const number = sockets.push(socket)
    socket.on('error', () => {})
    socket.once('data', (request) => socket.end(`${number} ${request}`))
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return {
    path,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      rmSync(dir, { recursive: true })
    },
  }
}

async function ask(transport: ReturnType<typeof socketTransport>): Promise<string> {
  const connection = await transport.open(never)
  await connection.send(Buffer.from('hello'))
  const chunks: Uint8Array[] = []
  for await (const chunk of connection.output) chunks.push(chunk)
  connection.close()
  return Buffer.concat(chunks).toString()
}

test('a connection that was made ahead is used first, once', async () => {
  await using listener = await aListener()
  let ahead: Socket | undefined = await connectAhead(listener.path, never)
  const takeAhead = () => {
    const taken = ahead
    ahead = undefined
    return taken
  }
  const transport = socketTransport(listener.path, takeAhead)
  expect(await ask(transport)).toBe('1 hello')
  expect(await ask(transport)).toBe('2 hello')
})

test('one that was closed is not used', async () => {
  await using listener = await aListener()
  const ahead = await connectAhead(listener.path, never)
  await until(() => listener.sockets.length === 1)
  ahead.destroy()
  expect(await ask(socketTransport(listener.path, () => ahead))).toBe('2 hello')
})

test('one that the other side has cut fails as a connection that is cut does', async () => {
  await using listener = await aListener()
  const ahead = await connectAhead(listener.path, never)
  await until(() => listener.sockets.length === 1)
  listener.sockets[0]!.destroy()
  const connection = await socketTransport(listener.path, () => ahead).open(never)
  await connection.send(Buffer.from('hello')).catch(() => {})
  const chunks: Uint8Array[] = []
  for await (const chunk of connection.output) chunks.push(chunk)
  expect(chunks).toEqual([])
})
