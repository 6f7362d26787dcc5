import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { limits } from '../../lib/limits.ts'
import { silentLogger } from '../../lib/log.ts'
import type { RunChanges } from '../../runservice/api.ts'
import type { Run } from '../../runservice/types.ts'
import { type RunChange, RunChangesFeed } from './run-changes.ts'

const aRun = (project: string) => ({ id: `run-of-${project}`, group: `/project/${project}/branch/main` }) as Run

/** Tells what `tell` was given, to whoever watches; counts how many do. */
class FakeRunservice {
  watching = 0
  opened = 0
  position = 100
  #listeners = new Set<(changes: RunChanges | Error) => void>()

  tell(project: string): void {
    this.position += 1
    const changes = { position: this.position, runs: [aRun(project)], tasks: [] }
    for (const listener of this.#listeners) listener(changes)
  }

  fail(): void {
    for (const listener of this.#listeners) listener(new Error('the runservice is gone'))
  }

  async *watchChanges(_: number | undefined, signal: AbortSignal): AsyncGenerator<RunChanges> {
    this.opened += 1
    this.watching += 1
    const queue: (RunChanges | Error)[] = [{ position: this.position, runs: [], tasks: [] }]
    let changed = Promise.withResolvers<void>()
    const listener = (changes: RunChanges | Error) => {
      queue.push(changes)
      changed.resolve()
    }
    this.#listeners.add(listener)
    signal.addEventListener('abort', () => changed.resolve())
    try {
      while (!signal.aborted) {
        const next = queue.shift()
        if (next instanceof Error) throw next
        if (next !== undefined) yield next
        else {
          await changed.promise
          changed = Promise.withResolvers()
        }
      }
    } finally {
      this.watching -= 1
      this.#listeners.delete(listener)
    }
  }
}

function aFeed() {
  const runservice = new FakeRunservice()
  const clock = { ...systemClock, sleep: async () => {} }
  return { runservice, feed: new RunChangesFeed({ runservice, clock, logger: silentLogger }) }
}

/** Reads when told to; `words` are what came, short. */
function reader(feed: RunChangesFeed, after?: number, project?: string) {
  const stop = new AbortController()
  const stream = feed.subscribe((owner) => project === undefined || owner.id === project, after, stop.signal)
  const word = (change: RunChange) => (change.kind === 'run' ? change.run.id : `${change.kind} ${change.position}`)
  return {
    next: async () => {
      const { value } = await stream.next()
      return value === undefined ? 'end' : word(value)
    },
    leave: async () => {
      stop.abort()
      await stream.return()
    },
  }
}

test('all subscribers share one reader, which ends with the last of them', async () => {
  const { runservice, feed } = aFeed()
  const readers = Array.from({ length: 50 }, () => reader(feed))
  expect(await Promise.all(readers.map((one) => one.next()))).toEqual(readers.map(() => 'ready 100'))
  runservice.tell('a')
  expect(await Promise.all(readers.map((one) => one.next()))).toEqual(readers.map(() => 'run-of-a'))
  expect(runservice.opened).toBe(1)
  await Promise.all(readers.map((one) => one.leave()))
  await nextTurn()
  expect([runservice.watching, feed.size]).toEqual([0, 0])
})

test('a subscriber hears only what its filter lets through', async () => {
  const { runservice, feed } = aFeed()
  const one = reader(feed, undefined, 'b')
  await one.next()
  for (const project of ['a', 'b', 'c', 'b']) runservice.tell(project)
  expect([await one.next(), await one.next()]).toEqual(['run-of-b', 'run-of-b'])
  await one.leave()
})

test('who comes back goes on after the last change it heard of, or hears that it missed some', async () => {
  const { runservice, feed } = aFeed()
  const other = reader(feed)
  await other.next()
  for (const project of ['a', 'b', 'c']) runservice.tell(project)
  await nextTurn()
  const back = reader(feed, 102)
  expect(await back.next()).toBe('run-of-c')
  const late = reader(feed, 99)
  expect(await late.next()).toBe('reset 103')
  runservice.tell('d')
  expect([await back.next(), await late.next()]).toEqual(['run-of-d', 'run-of-d'])
  await Promise.all([other, back, late].map((one) => one.leave()))
})

test('so many changes are kept for those who come back, not one more', async () => {
  const { runservice, feed } = aFeed()
  const other = reader(feed)
  await other.next()
  for (let n = 0; n < limits.runChangesKept.value; n++) runservice.tell(`p${n}`)
  for (let n = 0; n < limits.runChangesKept.value + 1; n++) await nextTurn()
  const inTime = reader(feed, 100)
  expect(await inTime.next()).toBe('run-of-p0')
  runservice.tell('more')
  await nextTurn()
  const late = reader(feed, 100)
  expect(await late.next()).toMatch(/^reset /)
  await Promise.all([other, inTime, late].map((one) => one.leave()))
})

test('a reader that is too far behind hears that it missed changes, and then those that come', async () => {
  const { runservice, feed } = aFeed()
  const slow = reader(feed)
  expect(await slow.next()).toBe('ready 100')
  for (let n = 0; n <= limits.runChangesBehind.value; n++) runservice.tell('a')
  for (let n = 0; n < limits.runChangesBehind.value + 2; n++) await nextTurn()
  expect(await slow.next()).toBe(`reset ${runservice.position}`)
  runservice.tell('b')
  expect(await slow.next()).toBe('run-of-b')
  await slow.leave()
})

test('when the runservice was away, all hear that they may have missed something', async () => {
  const { runservice, feed } = aFeed()
  const one = reader(feed)
  await one.next()
  runservice.fail()
  expect(await one.next()).toBe('reset 100')
  expect(runservice.opened).toBe(2)
  runservice.tell('a')
  expect(await one.next()).toBe('run-of-a')
  await one.leave()
})
