import { expect, test } from 'vitest'
import type { RunView } from '../runservice/api.ts'
import type { TaskStatus } from '../runservice/types.ts'
import { FakeProjects, FakeRuns, type RunSpec } from './notification-fixture.ts'
import { type Message, runMessage } from './run-message.ts'

const project = new FakeProjects().projects.get('p1')!

function messageOf(spec: RunSpec, change: (runs: FakeRuns, id: string) => void = () => {}): Message {
  const runs = new FakeRuns()
  const id = runs.add(spec)
  change(runs, id)
  const event = runs.events.at(-1)!
  const view: RunView = runs.view(id)
  const body = runMessage({ event, name: 'run.failed', view, project, url: 'https://ci.example.org' }, undefined)
  expect(Buffer.byteLength(JSON.stringify(body))).toBeLessThanOrEqual(40 * 1024)
  return JSON.parse(body) as Message
}

const many = (count: number, statusOf: (index: number) => TaskStatus, name = 'task') =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`${name}${index}`, statusOf(index)]))

test('of very many tasks those that failed come first, and how many there are is told', () => {
  const { run } = messageOf({ tasks: many(300, (index) => (index >= 290 ? 'failed' : 'success')) })
  expect(run!.taskCount).toBe(300)
  expect(run!.tasks).toHaveLength(100)
  expect(run!.tasks.slice(-10).map(({ status }) => status)).toEqual(Array(10).fill('failed'))
})

test('whatever people write, it fits into a row', () => {
  const { run } = messageOf({
    tasks: many(300, () => 'failed', `"${'\u0001'.repeat(95)}`),
    message: '\u{1f600}'.repeat(5000),
    sender: '"'.repeat(5000),
    setupErrors: Array(50).fill('\\'.repeat(3000)),
  })
  expect(run!.taskCount).toBe(300)
  expect(run!.tasks.length).toBeGreaterThan(0)
})

test('an event tells of its own time, though the run has gone on since', () => {
  const runs = new FakeRuns()
  const id = runs.add()
  runs.start(id)
  runs.end(id, 'success')
  const body = runMessage(
    { event: runs.events[0]!, name: 'run.queued', view: runs.view(id), project, url: 'https://ci.example.org' },
    undefined,
  )
  expect((JSON.parse(body) as Message).run).toMatchObject({
    phase: 'queued',
    result: 'unknown',
    startedAt: null,
    endedAt: null,
  })
})

test('what there is nothing to say of is null', () => {
  expect(messageOf({ refType: 'pull_request', sender: '' }).run).toMatchObject({
    branch: null,
    tag: null,
    pullRequestId: null,
    sender: null,
    restartOf: null,
  })
})
