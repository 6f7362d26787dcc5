import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type JournalEntry, openJournal } from './journal.ts'

const anEntry = (number: number, rest: Partial<JournalEntry> = {}): JournalEntry => ({
  format: 1,
  executorTaskId: 'task/a.1',
  report: {
    executorTaskId: 'task/a.1',
    number,
    phase: 'running',
    timedOut: false,
    setupStep: { phase: 'running' },
    steps: [],
  },
  ...rest,
})

function withDirectory(act: (dir: string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-journal-'))
  try {
    act(dir)
  } finally {
    rmSync(dir, { recursive: true })
  }
}

test('the newest entry is found, by this executor and its successor, until it is deleted', () => {
  withDirectory((dir) => {
    const journal = openJournal(dir)
    expect(journal.find('task/a.1')).toBeUndefined()
    for (let number = 1; number <= 3; number++) journal.save(anEntry(number))
    for (const reader of [journal, openJournal(dir)]) {
      expect(reader.find('task/a.1')).toEqual(anEntry(3))
      expect(reader.ids()).toEqual(['task/a.1'])
    }
    const successor = openJournal(dir)
    successor.save(anEntry(4, { driver: 'host' }))
    expect(openJournal(dir).find('task/a.1')).toEqual(anEntry(4, { driver: 'host' }))
    successor.delete('task/a.1')
    successor.delete('task/a.1')
    expect(successor.find('task/a.1')).toBeUndefined()
    expect(readdirSync(dir)).toEqual([])
  })
})

test('an entry that was cut short does not count, and the next one is whole', () => {
  withDirectory((dir) => {
    openJournal(dir).save(anEntry(1))
    appendFileSync(join(dir, readdirSync(dir)[0]!), '{"format":1,"execut')
    const successor = openJournal(dir)
    expect(successor.find('task/a.1')).toEqual(anEntry(1))
    successor.save(anEntry(2))
    expect(successor.find('task/a.1')).toEqual(anEntry(2))
  })
})

test('the file of a task with many steps does not grow without bound', () => {
  withDirectory((dir) => {
    const journal = openJournal(dir)
    const steps = Array.from({ length: 500 }, () => ({ phase: 'notstarted' as const }))
    for (let number = 1; number <= 100; number++)
      journal.save({ ...anEntry(number), report: { ...anEntry(number).report, steps } })
    expect(journal.find('task/a.1')?.report.number).toBe(100)
    expect(statSync(join(dir, readdirSync(dir)[0]!)).size).toBeLessThan(300 * 1024)
  })
})
