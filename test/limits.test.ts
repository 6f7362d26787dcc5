// Which test shows what happens at each limit. A limit without one is not a promise anybody could rely on.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { limits } from '../src/lib/limits.ts'

/** File below src/ or test/, and what stands in the title of the test. */
type Proof = readonly [file: string, title: string]

const proofs: Partial<Record<keyof typeof limits, Proof>> = {
  definitionBytes: ['pipeline/config/check.test.ts', 'a definition may have 1 MiB, not a byte more'],
  definitionDiagnostics: ['pipeline/config/check.test.ts', 'a flood of errors is cut, and counted'],
  definitionDiagnosticCharacters: ['pipeline/config/check.test.ts', 'does not make a message as long'],
  nameBytes: ['pipeline/config/check.test.ts', 'a name of 100 bytes is not too long'],
  tasksPerRun: ['runservice/scheduler/create-run.test.ts', 'too many tasks'],
  stepsPerTask: ['runservice/scheduler/create-run.test.ts', 'a task with too many steps'],
  yamlAliasExpansions: ['pipeline/languages/yaml11/parse-yaml.test.ts', 'an alias bomb is refused'],
  yamlNestingLevels: ['pipeline/languages/yaml11/parse-yaml.test.ts', 'a document nested too deep is refused'],
  conditionPatternBytes: ['pipeline/languages/condition/condition.test.ts', 'a pattern that is too long'],
  conditionInstructions: ['pipeline/languages/condition/condition.test.ts', 'compiles to too much is refused'],
  globPatternBytes: ['pipeline/languages/glob/glob.test.ts', 'a pattern that is too long is refused'],
  cacheKeyBytes: ['runservice/caches.test.ts', 'has at most 200 bytes, escaped and with its prefix'],
  cacheKeyTemplateOutputBytes: ['pipeline/languages/template/template.test.ts', 'output at the limit is given'],
  templateBytes: ['pipeline/languages/template/template.test.ts', 'a template that is too long is refused'],
  templateSteps: ['pipeline/languages/template/template.test.ts', 'endless work is refused'],
  templateQuestions: ['pipeline/languages/template/template.test.ts', 'too many are refused'],
  templateNestingLevels: ['pipeline/languages/template/template.test.ts', 'a template nested too deep is refused'],
  digestFileBytes: ['executor/helper/wire-contract.test.ts', 'have digests, and the pod tells variables'],
  rowBytes: ['datamanager/open-database.test.ts', 'a row of 64 KiB fits, one byte more is refused'],
  batchTransactions: ['datamanager/open-database.test.ts', 'many large transactions are split into several records'],
  batchBytes: ['datamanager/open-database.test.ts', 'many large transactions are split into several records'],
  recordBytes: ['datamanager/open-database.test.ts', 'writes more than a record may hold is refused'],
  queuedTransactions: ['datamanager/open-database.test.ts', 'when too many wait, further callers are refused'],
  queuedBytes: ['datamanager/open-database.test.ts', 'would write too much, further callers are refused'],
  commitRounds: ['datamanager/open-log-database.test.ts', 'a transaction that loses ten races ends with a conflict'],
  transactionResultBytes: ['datamanager/open-database.test.ts', 'a result that is too large to keep is refused'],
  transactionResultMs: ['datamanager/open-database.test.ts', 'a repeated transaction id acts once, for a day'],
  recordsKept: ['datamanager/open-database.test.ts', 'old records leave the log, the newest never'],
  recordsKeptForConsumers: ['datamanager/open-database.test.ts', 'of the log, %s'],
  inlineRecordBytes: ['datamanager/log/server-log-contract.ts', 'is in the server, a larger one on object storage'],
  replacedGenerationMs: ['datamanager/export/export.test.ts', 'dead generations go when their time is over'],
  instanceRememberedMs: ['datamanager/maintenance.test.ts', 'only when every instance of the last hour reads it'],
  readBarrierMs: ['datamanager/open-database.test.ts', 'not later than two seconds'],
  objectKeyBytes: ['objectstorage/object-storage-contract.ts', 'longer than 900 bytes'],
  objectPrefixBytes: ['objectstorage/s3.test.ts', 'a key and a prefix of their full lengths fit together'],
  createdObjectBytes: ['objectstorage/s3-failures.test.ts', 'of more than one PUT may carry is refused'],
  storageAttempts: ['objectstorage/s3-failures.test.ts', 'gives up after a bounded number of attempts'],
  temporaryFileAgeMs: ['objectstorage/posix.test.ts', 'removes temporary files older than a day'],
  requestBodyBytes: ['http/http-server.test.ts', 'a body that is %s is refused'],
  requestHeaderBytes: ['http/http-server.test.ts', 'headers that are too long are refused'],
  requestHeadersMs: ['http/http-server.test.ts', 'that never sends its headers is closed'],
  rpcBodyBytes: ['http/rpc/rpc.test.ts', 'a call that carries too much is refused'],
  rpcConnectMs: ['http/rpc/rpc.test.ts', 'an instance that does not accept in time is passed over'],
  httpStopMs: ['http/http-server.test.ts', 'a handler that ignores the stop is cut after its time'],
  logBytesPerStep: ['runservice/logs/logs.test.ts', 'a log over its limit keeps head and tail'],
  logFrameBytes: ['runservice/logs/logs.test.ts', 'finishing merges small frames'],
  logFrameMs: ['runservice/logs/logs.test.ts', 'a frame is closed after its time'],
  secretBytesMin: ['executor/masking/masker.test.ts', 'secrets of less than 6 bytes are not masked'],
  secretsPerTask: ['executor/masking/masker.test.ts', 'more secrets than can be masked are refused'],
  secretBytes: ['runservice/service.test.ts', 'are a row each, and one that is too large is refused by its name'],
  printedSecretsPerTask: ['executor/executor.test.ts', 'once per log, and only so many'],
  spoolBytesPerTask: ['executor/helper/wire-contract.test.ts', 'is slowed at the limit of its spool'],
  archiveBytes: ['executor/helper/wire-contract.test.ts', 'larger or more than the limits allow fail, on both ways'],
  archiveEntries: ['executor/helper/wire-contract.test.ts', 'larger or more than the limits allow fail, on both ways'],
  cacheBytesPerProject: ['runservice/caches.test.ts', 'of a group that is too large removes those used longest ago'],
  freeDiskPercent: ['executor/executor.test.ts', 'for a disk that is nearly full has the limit as its reason'],
  hostMemoryPercent: ['executor/drivers/host/host.security.test.ts', 'a task that takes more memory is out of memory'],
  hostProcesses: ['executor/drivers/host/host.security.test.ts', 'a fork bomb is bounded'],
  hostOpenFiles: ['executor/drivers/host/host.security.test.ts', 'a process cannot open more files than its limit'],
  hostFileBytes: ['executor/drivers/host/host.security.test.ts', 'a file cannot be larger than its limit'],
  podStartMs: ['executor/executor.test.ts', 'for a pod that starts too slowly has the limit as its reason'],
  stopGraceMs: ['executor/executor.test.ts', 'of a step that does not listen kills it when its grace is over'],
  podRemoveMs: ['executor/executor.test.ts', 'a pod that cannot be removed is tried again'],
  mirrorBytes: ['executor/git/mirrors.test.ts', 'of a repository whose mirror is too large fails'],
  localRunsKept: ['../test/cli/state.test.ts', 'the newest 20 invocations are kept'],
  setupErrorBytes: [
    'runservice/scheduler/create-run.test.ts',
    'setup errors that would not fit into a row are counted',
  ],
  logRetentionMs: ['runservice/retention.test.ts', 'logs go when the run ended longer ago than asked'],
  cacheRetentionMs: ['runservice/caches.test.ts', 'removes what was not used for long'],
  workspaceRetentionMs: ['runservice/retention.test.ts', 'archives go when nobody used them for long'],
  runEventRetentionMs: ['runservice/run-events.test.ts', 'go when they are old and every consumer has passed them'],
  cleaningMs: ['server/cleaning-rounds.test.ts', 'begins at once, and again so long after each end'],
  cleaningEndMs: ['server/cleaning-rounds.test.ts', 'is broken off when it does not end soon'],
}

/** Still without a test of their own; nothing may be added. */
const unproved: readonly (keyof typeof limits)[] = [
  'shippingMs',
  'shippingRecords',
  'shippingBytes',
  'shippingLagMs',
  'shippedRecordsKeptMs',
  'snapshotFileBytes',
  'snapshotRecords',
  'snapshotLogBytes',
  'snapshotMs',
  'snapshotPauseMs',
  'snapshotsKept',
  'storageGraceMs',
  'changedDuringSnapshot',
  'storageCallMs',
]

test('every limit has a test that shows what happens at it', () => {
  expect(Object.keys(limits).filter((name) => !(name in proofs))).toEqual(unproved)
})

test.each(Object.entries(proofs))('%s is proved', (_, [file, title]) => {
  const text = readFileSync(join(import.meta.dirname, '../src', file), 'utf8').replaceAll(/\s+/g, ' ')
  expect(text).toContain(title)
})
