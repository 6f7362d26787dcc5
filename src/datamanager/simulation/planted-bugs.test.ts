// Faults built in on purpose: the simulation is worth what it finds.

import { expect, test } from 'vitest'
import { SlipwayError } from '../../lib/errors.ts'
import type { AppendResult, EncodedRecord, RecordHash } from '../change-log.ts'
import type { ReadModel } from '../read-model/read-model.ts'
import { decodeRecord } from '../record.ts'
import type { CommitStrategy } from '../writer.ts'
import { embeddedCoverage, simulateEmbedded } from './embedded.ts'
import { MemoryLogStore } from './memory-log.ts'
import { type Sabotage, sharedCoverage, simulateShared } from './shared.ts'

const seedsMax = 40

type Break = (commit: CommitStrategy, model: ReadModel) => CommitStrategy

/** The strategy with another `commit`. */
const withCommit = (strategy: CommitStrategy, commit: CommitStrategy['commit']): CommitStrategy => ({
  namesTransactions: strategy.namesTransactions,
  prepare: () => strategy.prepare?.(),
  commit,
})

const answersWithoutCommitting: Break = (commit, model) => {
  let batches = 0
  return withCommit(commit, (batch) => {
    if (++batches % 10 !== 0) return commit.commit(batch)
    model.rollback()
    return { kind: 'committed' }
  })
}

const keepsRowsOfThrownClosures: Break = (commit, model) => {
  const evaluate = model.evaluate.bind(model)
  model.evaluate = ((closure, position) => {
    const thrown: unknown[] = []
    const evaluation = evaluate((tx) => {
      try {
        return closure(tx as never)
      } catch (error) {
        thrown.push(error)
        return undefined
      }
    }, position)
    return thrown.length > 0 ? { kind: 'threw', error: thrown[0] } : evaluation
  }) as typeof model.evaluate
  return commit
}

const forgetsTransactionIds: Break = (commit, model) => {
  model.remember = () => undefined
  return commit
}

const commitsRowsBeforeTheRecord: Break = (commit, model) =>
  withCommit(commit, (batch) => {
    const { record } = batch
    if (!record) return commit.commit(batch)
    model.commit(record.position, record.hash)
    model.storageCalls('append', () =>
      model.connection.prepare('INSERT INTO log VALUES (?, ?, ?)').run(record.position, record.hash, record.bytes),
    )
    return { kind: 'committed' }
  })

const losesTheEarlierRecord: Break = (commit, model) =>
  withCommit(commit, (batch) => {
    const outcome = commit.commit(batch)
    model.connection.prepare('DELETE FROM log WHERE position = ? - 3').run(batch.record?.position ?? 0)
    return outcome
  })

const callsAnErrorAFailure: Break = (commit) =>
  withCommit(commit, (batch) => {
    const outcome = commit.commit(batch)
    if (outcome instanceof Promise || outcome.kind !== 'unknown') return outcome
    return { kind: 'failed', error: new SlipwayError('database_failed', 'commit') }
  })

test.each([
  ['answers without committing', answersWithoutCommitting],
  ['keeps the rows of closures that threw', keepsRowsOfThrownClosures],
  ['forgets transaction ids', forgetsTransactionIds],
  ['commits the rows before the record', commitsRowsBeforeTheRecord],
  ['collects a record that is still needed', losesTheEarlierRecord],
  ['says that a commit failed when that is not known', callsAnErrorAFailure],
])('an embedded database that %s is found', async (_name, replaceCommit) => {
  await expectFound((seed) => simulateEmbedded(seed, embeddedCoverage(), { replaceCommit }))
})

const answersBeforeAppending: Break = (commit) =>
  withCommit(commit, (batch) => {
    void Promise.resolve(commit.commit(batch)).catch(() => undefined)
    return { kind: 'committed' }
  })

const doesNotConfirmTheHead: Break = (commit, model) =>
  withCommit(commit, (batch) => {
    if (batch.record) return commit.commit(batch)
    model.rollback()
    return { kind: 'committed' }
  })

const appliesNoDeletes: Break = (commit, model) => {
  const apply = model.apply.bind(model)
  model.apply = (record) =>
    apply({
      ...record,
      transactions: record.transactions.map((transaction) => ({
        ...transaction,
        operations: transaction.operations.filter(({ kind }) => kind !== 'delete'),
      })),
    })
  return commit
}

const keepsWhatItEvaluated: Break = (commit, model) => {
  const rollback = model.rollback.bind(model)
  model.rollback = () => (model.isInTransaction ? model.commit(model.position, model.hash) : rollback())
  return commit
}

/** A log that takes any record for its position, whatever is there and before it. */
class CarelessStore extends MemoryLogStore {
  override append(record: EncodedRecord, _prev: RecordHash): AppendResult {
    this.records.set(record.position, record)
    this.head = Math.max(this.head, record.position)
    this.wakeups.wake()
    return { kind: 'created' }
  }
}

/** A log that looks at positions only, and lets a record replace the newest. */
class ReplacingStore extends MemoryLogStore {
  override append(record: EncodedRecord, prev: RecordHash): AppendResult {
    if (record.position !== this.head || decodeRecord(record).prev !== prev) return super.append(record, prev)
    this.records.set(record.position, record)
    return { kind: 'created' }
  }
}

/** A store that says "created" and forgets every thirtieth record. */
class ForgetfulStore extends MemoryLogStore {
  #appends = 0
  override append(record: EncodedRecord, prev: RecordHash): AppendResult {
    if (++this.#appends % 30 === 0) return { kind: 'created' }
    return super.append(record, prev)
  }
}

const takesUnknownForLost: Break = (commit, model) =>
  withCommit(commit, async (batch) => {
    // Gives up waiting for the log and evaluates again, without asking whose record is at the position.
    const outcome = commit.commit(batch)
    model.rollback()
    const first = await Promise.race([outcome, soon()])
    return first ?? { kind: 'lost' }
  })
/** A few turns of the microtask queue: less than any call of the simulated network takes. */
async function soon(): Promise<undefined> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve()
  return undefined
}

test.each<[string, Sabotage]>([
  ['answers before the record is appended', { replaceCommit: answersBeforeAppending }],
  ['evaluates again while the outcome is unknown', { replaceCommit: takesUnknownForLost }],
  ['reads without confirming the head of the log', { replaceCommit: doesNotConfirmTheHead }],
  ['forgets transaction ids', { replaceCommit: forgetsTransactionIds }],
  ['does not apply deletes', { replaceCommit: appliesNoDeletes }],
  ['keeps what it evaluated', { replaceCommit: keepsWhatItEvaluated }],
  ['has a log that takes any record', { store: () => new CarelessStore() }],
  ['has a log that replaces the newest record', { store: () => new ReplacingStore() }],
  ['has a log that forgets records', { store: () => new ForgetfulStore() }],
])('a database over a shared log that %s is found', async (_name, sabotage) => {
  await expectFound((seed) => simulateShared(seed, sharedCoverage(), sabotage))
})

async function expectFound(simulate: (seed: number) => Promise<void>): Promise<void> {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const found = await simulate(seed).then(
      () => undefined,
      (error: unknown) => error,
    )
    if (found === undefined) continue
    expect(found).toBeInstanceOf(Error)
    return
  }
  expect.fail(`not found with ${seedsMax} seeds`)
}
