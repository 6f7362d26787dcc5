// What the client does when pods vanish, connections are cut and answers make no sense: with a transport in memory.

import { expect, test } from 'vitest'
import type { Clock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import type { Pod, StepCommand } from '../driver.ts'
import { createHelperPod } from './client.ts'
import type { HelperConnection, HelperTransport } from './transport.ts'
import { encodeFrame, type FrameType } from './wire.ts'

const never = new AbortController().signal
const command: StepCommand = {
  id: 'step',
  argv: ['sh'],
  environment: {},
  workingDir: '/',
  createDirs: [],
  tty: false,
}

const frame = (type: FrameType, text = '') => encodeFrame(type, Buffer.from(text))
const exit0 = frame('S', '{"exit":{"kind":"exited","code":0}}')

/** Answers the connections one after another with these frames, then says that the pod is gone. */
function scripted(answers: readonly (readonly Uint8Array[] | Error)[]) {
  const requests: string[] = []
  const transport: HelperTransport = {
    async open(): Promise<HelperConnection> {
      const answer = answers[requests.length]
      if (answer === undefined || answer instanceof Error) {
        requests.push('')
        throw answer ?? new SlipwayError('pod_gone', 'the pod is gone')
      }
      let request = ''
      const index = requests.push(request) - 1
      async function* output() {
        yield* answer as readonly Uint8Array[]
      }
      return {
        send: async (bytes) => {
          request += Buffer.from(bytes).toString('latin1')
          requests[index] = request
        },
        output: output(),
        close: () => {},
      }
    },
  }
  return { transport, requests }
}

const slept: number[] = []
const instantClock: Clock = {
  now: () => 0,
  sleep: async (ms) => {
    slept.push(ms)
  },
  timeout: () => never,
}

function podOver(transport: HelperTransport): Pod {
  return createHelperPod({
    id: 'pod',
    transport,
    dir: '/d',
    user: '',
    inheritEnvironment: true,
    baseEnvironment: {},
    enterCommand: '',
    remove: async () => {},
    clock: instantClock,
  })
}

async function read(source: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const chunk of source) text += Buffer.from(chunk).toString()
  return text
}

test('a cut connection is followed from the offset that was reached', async () => {
  const { transport, requests } = scripted([
    [frame('H'), frame('O', 'abc')],
    [frame('H'), frame('O', 'de').subarray(0, 6)],
    [frame('H'), frame('O', 'ef'), exit0],
  ])
  const step = await podOver(transport).start(command, never)
  expect(await read(step.output())).toBe('abcdef')
  expect(await step.exit).toEqual({ kind: 'exited', code: 0 })
  expect(requests.map((request) => /"offset":(\d+)/.exec(request)?.[1])).toEqual(['0', '3', '4'])
})

test('a step whose pod is gone is lost, and killing it then is no error', async () => {
  const { transport } = scripted([[frame('H'), frame('O', 'abc')]])
  const step = await podOver(transport).start(command, never)
  expect(await read(step.output())).toBe('abc')
  expect(await step.exit).toEqual({ kind: 'lost', message: 'the pod is gone' })
  await step.kill()
})

test('a pod that stays unreachable loses its step after bounded attempts', async () => {
  slept.length = 0
  const { transport, requests } = scripted([[frame('H')], ...Array.from({ length: 50 }, () => new Error('busy'))])
  const step = await podOver(transport).start(command, never)
  expect(await read(step.output())).toBe('')
  expect(await step.exit).toMatchObject({ kind: 'lost' })
  expect(requests.length).toBeLessThan(15)
  expect(slept.reduce((sum, ms) => sum + ms, 0)).toBeLessThan(60_000)
})

test('what is released before a connection is there is acknowledged on the next', async () => {
  const { transport, requests } = scripted([
    [frame('H'), frame('O', 'abc')],
    [frame('H'), exit0],
  ])
  const step = await podOver(transport).start(command, never)
  for await (const _ of step.output()) step.release(3)
  expect(requests[1]).toContain('A\0\0\0\x08\0\0\0\0\0\0\0\x03')
})

test.each([
  ['an exit of unknown kind', '{"exit":{"kind":"fine"}}'],
  ['an exit without code', '{"exit":{"kind":"exited"}}'],
  ['no JSON', 'done'],
  ['null', 'null'],
])('%s as result is an error of the protocol', async (_what, text) => {
  const { transport } = scripted([[frame('H'), frame('S', text)]])
  const step = await podOver(transport).start(command, never)
  await expect(read(step.output())).rejects.toMatchObject({ code: 'helper_protocol' })
  await expect(step.exit).rejects.toMatchObject({ code: 'helper_protocol' })
})

test('an archive that exceeds its limits is cut off even when the helper does not keep them', async () => {
  const { transport } = scripted([[frame('O', 'x'.repeat(20_000)), frame('S', '{}')]])
  const archive = podOver(transport).archive(
    { contents: [], workingDir: '', environment: {}, limits: { sizeBytesMax: 1_000, entriesMax: 1 }, note: () => {} },
    never,
  )
  await expect(read(archive)).rejects.toMatchObject({ code: 'limit_exceeded' })
})

test('an archive or answer that was cut is not taken for a whole one', async () => {
  const limits = { sizeBytesMax: 1_000, entriesMax: 1 }
  const base = { workingDir: '', environment: {} }
  const { transport } = scripted([[frame('O', 'x')], [], []])
  const pod = podOver(transport)
  await expect(read(pod.archive({ ...base, contents: [], limits, note: () => {} }, never))).rejects.toThrow('was cut')
  await expect(pod.query({ ...base, digests: [], variables: [] }, never)).rejects.toThrow('was cut')
  const nothing = (async function* (): AsyncGenerator<Uint8Array> {})()
  await expect(pod.unarchive({ ...base, destDir: '', existing: 'refuse', limits }, nothing, never)).rejects.toThrow(
    'was cut',
  )
})
