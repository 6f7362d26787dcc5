import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { HelperConnection, HelperTransport } from '../../helper/transport.ts'
import { HijackedStream } from './hijacked-stream.ts'
import { FrameEnds, lineTransport } from './line-transport.ts'

const never = new AbortController().signal

const frame = (type: string, payload: string) => {
  const header = Buffer.alloc(5)
  header.write(type)
  header.writeUInt32BE(Buffer.byteLength(payload), 1)
  return Buffer.concat([header, Buffer.from(payload)])
}

/** An attached container of which the test is the helper. */
function aLine() {
  const socket = new PassThrough()
  const sent: string[] = []
  socket.write = ((chunk: Uint8Array) => sent.push(String(chunk)) > 0) as typeof socket.write
  const otherWay: HelperTransport = { open: async () => ({ ...dummy, send: async () => void sent.push('other way') }) }
  const answer = (bytes: Buffer) => {
    const header = Buffer.alloc(8)
    header[0] = 1
    header.writeUInt32BE(bytes.length, 4)
    socket.push(Buffer.concat([header, bytes]))
  }
  return { transport: lineTransport(new HijackedStream(socket), otherWay), answer, sent, cut: () => socket.destroy() }
}

const dummy: HelperConnection = { send: async () => {}, output: (async function* () {})(), close: () => {} }

async function read(connection: HelperConnection): Promise<string> {
  let text = ''
  for await (const chunk of connection.output) text += Buffer.from(chunk)
  return text
}

/** Whether the next request went over the line. */
async function isOnLine({ transport, sent }: ReturnType<typeof aLine>): Promise<boolean> {
  const before = sent.length
  await (await transport.open(never)).send(Buffer.from('request'))
  return sent[before] === 'request'
}

test('one request after another goes over the line, each with its own answer', async () => {
  const line = aLine()
  for (const text of ['first', 'second']) {
    const connection = await line.transport.open(never)
    await connection.send(Buffer.from(text))
    line.answer(Buffer.concat([frame('O', text), frame('S', '{}')]))
    expect(await read(connection)).toContain(text)
    connection.close()
  }
  expect(line.sent).toEqual(['first', 'second'])
})

test('a failed request leaves the line free', async () => {
  const line = aLine()
  const connection = await line.transport.open(never)
  line.answer(frame('X', '{}'))
  await read(connection)
  expect(await isOnLine(line)).toBe(true)
})

test('while a request is on the line, others take the other way', async () => {
  const line = aLine()
  await line.transport.open(never)
  expect(await isOnLine(line)).toBe(false)
})

test('a request that is let go of before its end closes the line', async () => {
  const line = aLine()
  const connection = await line.transport.open(never)
  line.answer(frame('O', 'begun'))
  for await (const _ of connection.output) break
  connection.close()
  expect(await isOnLine(line)).toBe(false)
})

test('a line that was cut ends the answer without its last frame, and is not used again', async () => {
  const line = aLine()
  const connection = await line.transport.open(never)
  line.answer(frame('O', 'begun'))
  setImmediate(line.cut)
  expect(await read(connection)).toBe(String(frame('O', 'begun')))
  expect(await isOnLine(line)).toBe(false)
})

test('what is sent for a request that is over is refused: the next may be on the line', async () => {
  const line = aLine()
  const connection = await line.transport.open(never)
  line.answer(frame('S', '{}'))
  await read(connection)
  await expect(connection.send(Buffer.from('late'))).rejects.toMatchObject({ code: 'pod_gone' })
  expect(line.sent).toEqual([])
})

test('the end of an answer is found wherever it is cut, and never in the payload of another frame', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          type: fc.constantFrom('O', 'N', 'H'),
          payload: fc.string({ unit: fc.constantFrom('S', 'X', '\0') }),
        }),
      ),
      fc.integer({ min: 1, max: 20 }),
      (frames, size) => {
        const bytes = Buffer.concat([...frames.map(({ type, payload }) => frame(type, payload)), frame('S', '{}')])
        const ends = new FrameEnds()
        const found: number[] = []
        for (let at = 0; at < bytes.length; at += size) if (ends.push(bytes.subarray(at, at + size))) found.push(at)
        expect(found).toEqual([Math.floor((bytes.length - 1) / size) * size])
      },
    ),
  )
})
