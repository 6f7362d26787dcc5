import { Writable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { paintFor } from '../paint.ts'
import type { RunEvent } from '../run-event.ts'
import { symbolsFor } from '../symbols.ts'
import { TreeOutput } from './tree-output.ts'

class FakeTerminal extends Writable {
  columns = 40
  rows = 10
  written = ''

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.written += chunk.toString()
    done()
  }

  get frames(): number {
    return this.written.split('\u001b[?2026h').length - 1
  }

  get isCursorShown(): boolean {
    return this.written.lastIndexOf('\u001b[?25h') > this.written.lastIndexOf('\u001b[?25l')
  }
}

const run = { id: 'r1', name: 'ci', number: 1 }
const begin: readonly RunEvent[] = [
  { type: 'run', at: 0, run, phase: 'running', result: 'unknown', tasks: [{ name: 'a', level: 0, steps: ['one'] }] },
  { type: 'task', at: 0, run, task: 'a', status: 'running', waitingApproval: false },
  { type: 'step', at: 0, run, task: 'a', step: 0, name: 'one', phase: 'running' },
]
const line = (text: string): RunEvent => ({ type: 'log', run, task: 'a', step: 0, line: text })

function opened(isLive = true) {
  const terminal = new FakeTerminal()
  const output = new TreeOutput({
    out: terminal,
    isLive,
    paint: paintFor(false, {}),
    symbols: symbolsFor({}),
    clock: systemClock,
    repeat: { fromFailed: 'repeat', task: (name) => `repeat ${name}`, log: (name) => `log ${name}` },
  })
  for (const event of begin) output.write(event)
  return { terminal, output }
}

test('however fast lines come, there are at most 15 frames a second', async () => {
  const { terminal, output } = opened()
  const started = Date.now()
  for (let count = 0; Date.now() - started < 300; count++) {
    output.write(line(`line ${count}`))
    if (count % 100 === 0) await setTimeout(1)
  }
  expect(terminal.frames).toBeGreaterThanOrEqual(1)
  expect(terminal.frames).toBeLessThanOrEqual(Math.ceil((Date.now() - started) / 66) + 1)
  output.finish()
})

test('at the end the tree stays, the cursor is shown, and nothing is drawn any more', async () => {
  const { terminal, output } = opened()
  await setTimeout(10)
  expect(terminal.isCursorShown).toBe(false)
  output.finish()
  expect(terminal.isCursorShown).toBe(true)
  expect(terminal.written).toMatch(/\[\?25h● ci #1\n└ ● a\n {4}● one\n$/)
  const { length } = terminal.written
  output.write(line('late'))
  await setTimeout(100)
  expect(terminal.written).toHaveLength(length)
})

test('when the process ends before that, the cursor is shown', async () => {
  const { terminal, output } = opened()
  await setTimeout(10)
  output.abandon()
  expect(terminal.isCursorShown).toBe(true)
})

test('a suspended process lets go of the cursor, and a new tree is drawn when it goes on', async () => {
  const { terminal, output } = opened()
  await setTimeout(10)
  output.suspend()
  expect(terminal.isCursorShown).toBe(true)
  const { length } = terminal.written
  output.resume()
  await setTimeout(100)
  expect(terminal.written.slice(length)).toContain('└ ● a')
  expect(terminal.isCursorShown).toBe(false)
  output.finish()
})

test('notices that come while a question is asked wait for its answer', async () => {
  const { terminal, output } = opened()
  const { promise, resolve } = Promise.withResolvers<string>()
  const answer = output.ask('Really? ', () => promise)
  await setTimeout(100)
  output.write({ type: 'notice', message: 'something else' })
  await setTimeout(100)
  expect(terminal.written).toMatch(/Really\? $/)
  expect(terminal.isCursorShown).toBe(true)
  resolve('y')
  expect(await answer).toBe('y')
  expect(terminal.written).toContain('something else')
  output.finish()
})

test('without a terminal only notices and the end are written', async () => {
  const { terminal, output } = opened(false)
  output.write({ type: 'notice', message: 'notice' })
  await setTimeout(100)
  output.finish()
  expect(terminal.written).toBe('notice\n● ci #1\n└ ● a\n    ● one\n')
})
