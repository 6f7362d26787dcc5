import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../../lib/limits.ts'
import { aConfigTask } from '../scheduler/run-fixture.ts'
import { fromConfigTaskRows, toConfigTaskRows } from './config-task-rows.ts'

const withCommand = (command: string) => ({
  ...aConfigTask('build'),
  steps: [{ type: 'run', name: 'script', command, environment: {}, workingDir: '', shell: '', tty: true } as const],
})

test('a task is one row', () => {
  expect(toConfigTaskRows('c', 0, aConfigTask('build'))).toHaveLength(1)
})

test('a task with a large script is several rows, each small enough, and comes back whole', () => {
  const script = fc.string({ unit: 'binary' }).map((text) => text.toWellFormed().repeat(20_000).slice(0, 900_000))
  fc.assert(
    fc.property(script, (command) => {
      const task = withCommand(`${command}\u{1f600}`)
      const rows = toConfigTaskRows('c', 0, task)
      for (const { body } of rows) expect(Buffer.byteLength(JSON.stringify(body))).toBeLessThan(limits.rowBytes.value)
      expect(fromConfigTaskRows(rows.map(({ body }) => body).toReversed())).toEqual([task])
    }),
    { numRuns: 10 },
  )
})

test('tasks come back in the order of the definition', () => {
  const tasks = ['c', 'a', 'b'].map((name) => aConfigTask(name))
  const rows = tasks.flatMap((task, index) => toConfigTaskRows('c', index, task).map(({ body }) => body))
  expect(fromConfigTaskRows(rows.toReversed())).toEqual(tasks)
})
