// What must hold whenever all runs have ended.

import { expect } from 'vitest'
import type { Database } from '../datamanager/database.ts'
import type { ListRunsOptions, RunserviceHost } from './api.ts'
import type { RunserviceSchema } from './row-types.ts'
import { isFinishedRun, isFinishedStep, isFinishedTask } from './types.ts'

/** No order and no ready task is left, and what has ended has nothing that goes on. */
export function nothingLeft(database: Database<RunserviceSchema>): void {
  database.view((tx) => {
    expect(tx.list('executortask')).toEqual([])
    expect(tx.list('takenslots')).toEqual([])
    expect(tx.list('ready')).toEqual([])
    for (const { body: run } of tx.list('run')) expect(isFinishedRun(run.phase)).toBe(true)
    for (const { body: task } of tx.list('runtask')) {
      if (tx.get('run', task.runId)?.phase !== 'finished') continue
      expect(isFinishedTask(task.status)).toBe(true)
      expect(task.waitingApproval).toBe(false)
      for (const step of [task.setupStep, ...task.steps])
        expect(isFinishedStep(step.phase) || step.phase === 'notstarted').toBe(true)
    }
  })
}

/** Sequences of all pages, one after another. */
export function listRunsOf(runservice: RunserviceHost, options: ListRunsOptions): readonly number[] {
  const all: number[] = []
  for (;;) {
    const after = all.at(-1)
    const page = runservice.listRuns({ ...options, ...(after === undefined ? {} : { after }) })
    if (page.length === 0) return all
    all.push(...page.map(({ sequence }) => sequence))
  }
}
