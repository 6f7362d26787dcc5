import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { SlipwayError } from '../lib/errors.ts'
import { silentLogger } from '../lib/log.ts'
import type { ReportAnswer, TaskReport } from '../runservice/executor-api.ts'
import { manualClock } from '../runservice/logs/logs-fixture.ts'
import type { Journal, JournalEntry } from './journal.ts'
import { Reporter } from './reporter.ts'
import { begin, finishTask, initialState } from './task-state.ts'

const notStarted = initialState({ steps: [] } as never)
const running = begin(notStarted, 1)
const ended = finishTask(running, { phase: 'success' }, 2)

type Answer = (report: TaskReport) => Promise<ReportAnswer>

function aReporter(answer: Answer = async () => 'applied') {
  const sent: TaskReport[] = []
  const journaled: JournalEntry[] = []
  const journal = { save: (entry: JournalEntry) => journaled.push(entry) } as unknown as Journal
  const clock = manualClock()
  const stop = new AbortController()
  let isGone = false
  const reporter = new Reporter(
    { format: 1, executorTaskId: 'a.1', report: { ...notStarted, executorTaskId: 'a.1', number: 0 } },
    () => {
      isGone = true
    },
    {
      api: {
        report: async (report) => {
          sent.push(report)
          return await answer(report)
        },
      },
      journal,
      clock,
      logger: silentLogger,
    },
    stop.signal,
  )
  return { reporter, sent, journaled, clock, stop, isGone: () => isGone }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await setImmediate()
}

test('every state is journaled at once with its own number, and those of a moment are one report', async () => {
  const { reporter, sent, journaled } = aReporter()
  reporter.report(running)
  reporter.remember({ driver: 'host' })
  reporter.report(ended)
  expect(journaled.map(({ report }) => report.number)).toEqual([1, 1, 2])
  await reporter.flush()
  expect(sent.map(({ number, phase }) => [number, phase])).toEqual([[2, 'success']])
})

test('a state that stays is reported after a moment', async () => {
  const { reporter, sent, clock } = aReporter()
  reporter.report(running)
  await turns()
  expect(sent).toEqual([])
  clock.advance(1000)
  await turns()
  expect(sent.map(({ phase }) => phase)).toEqual(['running'])
})

test('the last state is sent until it is acknowledged', async () => {
  let failures = 2
  const { reporter, sent, clock } = aReporter(async () => {
    if (failures-- > 0) throw new SlipwayError('database_overloaded', 'try again')
    return 'applied'
  })
  reporter.report(ended)
  const flushed = reporter.flush()
  for (let turn = 0; turn < 3; turn++) {
    await turns()
    clock.advance(10_000)
  }
  await flushed
  expect(sent.map(({ number }) => number)).toEqual([1, 1, 1])
})

test('flushing ends with the executor, and nobody is asked again', async () => {
  const { reporter, stop, sent } = aReporter(() => Promise.reject(new SlipwayError('database_overloaded', 'later')))
  reporter.report(ended)
  const flushed = reporter.flush()
  await turns()
  stop.abort(new Error('stopped'))
  await expect(flushed).rejects.toThrow('stopped')
  expect(sent).toHaveLength(1)
})

test('a task that nobody knows any more is told', async () => {
  const { reporter, isGone } = aReporter(async () => 'gone')
  reporter.report(ended)
  await reporter.flush()
  expect(isGone()).toBe(true)
})
