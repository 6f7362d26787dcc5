// What can go wrong with a database, and by what a run of the simulation has been through it. The page docs/simulation.md
// has the same table, and says of a run how often each was reached.

import type { Coverage } from './coverage.ts'
import { embeddedCoverage } from './embedded.ts'
import { coldCoverage, sharedCoverage } from './shared.ts'

/** Each with names that a coverage counts; all of them must be reached. */
export const failures: Readonly<Record<string, readonly string[]>> = {
  'crash before the record is created': ['crash before append', 'crash before create'],
  'crash after the record is there, before it is applied': [
    'crash after append',
    'crash after create',
    'crash before apply',
  ],
  'crash after callers were answered, before the record is applied': [
    'failure: crash before a record is written whose callers were answered',
  ],
  'crash after the record is applied, before the answer': [
    'crash after apply',
    'client: repeated with its transaction id',
  ],
  'the record is there and cannot be applied (disk full)': [
    'disk full while applying',
    'recovery: apply: failed',
    'recovery: deferred: it cannot be written yet',
  ],
  'crash while the files of a snapshot are written': ['failure: crash while the files of a snapshot are written'],
  'crash between the files of a snapshot and its manifest': [
    'failure: crash between the files of a snapshot and its manifest',
  ],
  'crash while collecting': ['failure: crash while old files and records are collected', 'crash after collect'],
  'crash during an import before the old generation is closed': [
    'failure: crash during an import, before the old generation is closed',
  ],
  'crash during an import between the closing record and the root': [
    'failure: crash during an import, between the closing record and the root',
  ],
  'disk lost, damaged or older': [
    'restarted without a read model',
    'restarted with a damaged read model',
    'restarted with an old copy of its read model',
  ],
  'file of another version of the program': ['restarted as another version of the program'],
  'the log is lost': ['ending: the log was lost'],
  'the log is restored from an old backup': ['ending: the log was restored from an old backup'],
  'two writers': ['recovery: append: exists, another record'],
  'a stalled writer wakes up': [
    'stopped for a minute',
    'failure: a stalled writer woke up',
    'recovery: bucket log: the slot was collected while its writer slept',
  ],
  'clocks differ and jump': ['clock jumped'],
  'an old listing': ['stale answer of list'],
  'an object that is not shown yet': ['stale answer of read', 'stale answer of stat', 'stale answer of read records'],
  'a store that ignores conditions': ['ending: the store ignores conditions'],
  'bit rot, a cut or lost object': ['damaged answer', 'ending: a stored object has rotted'],
  'a gap in the log': ['ending: the log has a gap'],
  'a fork of the log': ['ending: the log was forked'],
  "the wrong bucket, or another store's log": ['ending: another bucket, or another log, was configured'],
  'disk full in the storage': ['disk full of put', 'disk full of create'],
  'an error of a sync': ['error at commit, nothing written', 'error at commit, all written'],
  'a slow reader is overtaken by the collection': ['failure: a slow reader was overtaken by the collection'],
  'everything is lost but the bucket': ['everything lost but the bucket'],
}

/** How often a run has been through each failure of which it counts something. */
export function failureTable({ counts }: Coverage): string {
  const lines = Object.entries(failures).flatMap(([what, names]) => {
    const reached = names.flatMap((name) => counts.get(name) ?? [])
    return reached.length === 0 ? [] : [`${String(Math.min(...reached)).padStart(8)}  ${what}`]
  })
  return `what went wrong, at least so often:\n${lines.join('\n')}`
}

/** All names that some kind of simulation must reach. */
export function namesReached(): ReadonlySet<string> {
  return new Set([embeddedCoverage(), sharedCoverage(), coldCoverage()].flatMap(({ counts }) => [...counts.keys()]))
}
