import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type JournalEntry, openJournal } from './journal.ts'

function entryOf(executorTaskId: string, number: number): JournalEntry {
  const setupStep = { phase: 'running' } as const
  const report = { executorTaskId, number, phase: 'running', timedOut: false, setupStep, steps: [] } as const
  return { format: 1, executorTaskId, report }
}

function withDirectory(act: (dir: string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-journal-'))
  try {
    act(dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

test('a successor finds the newest entry of each task', () => {
  withDirectory((dir) => {
    const journal = openJournal(dir)
    for (const number of [1, 2, 3]) journal.save(entryOf('task/1', number))
    journal.save(entryOf('task/2', 7))
    const successor = openJournal(dir)
    expect(new Set(successor.ids())).toEqual(new Set(['task/1', 'task/2']))
    expect(successor.find('task/1')?.report.number).toBe(3)
    successor.save(entryOf('task/1', 4))
    expect(openJournal(dir).find('task/1')?.report.number).toBe(4)
    successor.delete('task/1')
    expect(successor.find('task/1')).toBeUndefined()
  })
})

test('an entry that was cut short does not count, nor what was being written anew', () => {
  withDirectory((dir) => {
    openJournal(dir).save(entryOf('task', 1))
    appendFileSync(join(dir, 'entries'), '{"format":1,"rep')
    writeFileSync(join(dir, 'entries.new'), '{"format":1')
    const successor = openJournal(dir)
    expect(successor.find('task')?.report.number).toBe(1)
    successor.save(entryOf('task', 2))
    expect(openJournal(dir).find('task')?.report.number).toBe(2)
    expect(readdirSync(dir)).toEqual(['entries'])
  })
})

test('a task that was forgotten stays forgotten, and forgetting it again writes nothing', () => {
  withDirectory((dir) => {
    const journal = openJournal(dir)
    journal.save(entryOf('gone', 1))
    journal.save(entryOf('kept', 1))
    journal.delete('gone')
    const { size } = statSync(join(dir, 'entries'))
    journal.delete('gone')
    expect(statSync(join(dir, 'entries')).size).toBe(size)
    expect(openJournal(dir).ids()).toEqual(['kept'])
  })
})

test('what it keeps of many tasks is bounded by those that are not over', () => {
  withDirectory((dir) => {
    const journal = openJournal(dir)
    journal.save(entryOf('first', 1))
    for (let task = 0; task < 3000; task++) {
      journal.save(entryOf(`task-${task}`, 1))
      journal.delete(`task-${task}`)
    }
    expect(statSync(join(dir, 'entries')).size).toBeLessThanOrEqual(256 * 1024)
    expect(openJournal(dir).ids()).toEqual(['first'])
  })
})

test('entries of tasks that go on are kept however many bytes they have', () => {
  withDirectory((dir) => {
    const journal = openJournal(dir)
    for (const number of [1, 2]) for (let task = 0; task < 3000; task++) journal.save(entryOf(`task-${task}`, number))
    const successor = openJournal(dir)
    expect(successor.ids()).toHaveLength(3000)
    expect(successor.find('task-2999')?.report.number).toBe(2)
  })
})
