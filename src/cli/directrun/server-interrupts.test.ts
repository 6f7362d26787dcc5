// Ctrl-C while runs of a server are followed.

import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { until } from '../../lib/until-fixture.ts'
import type { Io } from '../io.ts'
import { Questions } from '../run/questions.ts'
import type { RunEvent } from '../run/run-event.ts'
import { ServerInterrupts } from './server-interrupts.ts'

function aTerminal({ isTTY }: { readonly isTTY: boolean }) {
  let interrupt: (name: string) => void = () => {}
  const told: string[] = []
  const exits: number[] = []
  const stdin = Object.assign(new PassThrough(), { isTTY })
  const io = {
    stdin,
    stdout: Object.assign(new PassThrough(), { isTTY }),
    stderr: new PassThrough(),
    onInterrupt: (listener: (name: string) => void) => {
      interrupt = listener
      return { [Symbol.dispose]: () => {} }
    },
    exit: (status: number) => void exits.push(status),
  } as unknown as Io // what is asked of it
  const output = {
    write: (event: RunEvent) => void (event.type === 'notice' && told.push(event.message)),
    ask: async (question: string, read: () => Promise<string | undefined>) => {
      told.push(question)
      return await read()
    },
    finish: () => {},
  }
  const questions = new Questions(io, output)
  const interrupts = new ServerInterrupts({ io, output, questions })
  return { interrupt: (name = 'SIGINT') => interrupt(name), told, exits, stdin, interrupts }
}

test('at a terminal the first one asks, and what was not confirmed goes on', async () => {
  const { interrupt, told, stdin, interrupts, exits } = aTerminal({ isTTY: true })
  interrupts.hasRuns(async () => {})
  for (const [question, answer] of ['n', '', 'y'].entries()) {
    await until(() => !interrupts.isAsking)
    interrupt()
    await until(() => told.filter((line) => line.includes('Stop the runs on the server?')).length === question + 1)
    expect(interrupts.signal.aborted).toBe(false)
    stdin.write(`${answer}\n`)
  }
  await until(() => interrupts.signal.aborted)
  expect(exits).toEqual([])
})

test('a second one while it asks stops the runs and leaves at once', async () => {
  const { interrupt, told, interrupts, exits } = aTerminal({ isTTY: true })
  let stops = 0
  interrupts.hasRuns(async () => void stops++)
  interrupt()
  await until(() => told.length === 1)
  interrupt()
  await until(() => exits.length === 1)
  expect(stops).toBe(1)
  expect(exits).toEqual([3])
})

test.each([
  ['without a terminal', false, 'SIGINT'],
  ['a signal that is no Ctrl-C', true, 'SIGTERM'],
])('%s stops the runs without a question', (_, isTTY, name) => {
  const { interrupt, told, interrupts } = aTerminal({ isTTY })
  interrupts.hasRuns(async () => {})
  interrupt(name)
  expect(interrupts.signal.aborted).toBe(true)
  expect(told).toEqual([expect.stringContaining('Stopping the runs on the server')])
})

test('before there are runs one stops the command, and a second one leaves', () => {
  const { interrupt, interrupts, exits } = aTerminal({ isTTY: true })
  interrupt()
  expect(interrupts.signal.aborted).toBe(true)
  expect(exits).toEqual([])
  interrupt()
  expect(exits).toEqual([3])
})
