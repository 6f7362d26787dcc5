// Every limit of Slipway, in one place. docs/limits.md is generated from this file (`npm run docs`), and each limit has a
// test that shows what happens at it.

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB
const seconds = 1000
const minutes = 60 * seconds
const hours = 60 * minutes
const days = 24 * hours

export type Limit = {
  readonly value: number
  readonly unit: 'bytes' | 'milliseconds' | 'count' | 'percent' | 'characters'
  /** What happens at it, for docs/limits.md. */
  readonly effect: string
}

/** Declares a limit; its value is read by `limits.NAME.value`. */
function limit(value: number, unit: Limit['unit'], effect: string): Limit {
  return { value, unit, effect }
}

export const limits = {
  // pipeline
  definitionBytes: limit(1 * MiB, 'bytes', 'A larger definition (after evaluation) is an error.'),
  definitionDiagnostics: limit(100, 'count', 'Further errors of a definition are counted, not listed.'),
  definitionDiagnosticCharacters: limit(300, 'characters', 'A longer message about a definition is cut.'),
  nameBytes: limit(100, 'bytes', 'A longer name of a run or task is an error.'),
  tasksPerRun: limit(10_000, 'count', 'A run with more tasks is an error of the definition.'),
  stepsPerTask: limit(400, 'count', 'A run in which a task has more steps is refused.'),
  yamlAliasExpansions: limit(100_000, 'count', 'A document whose aliases expand to more nodes is an error.'),
  yamlNestingLevels: limit(200, 'count', 'A document nested deeper is an error.'),
  conditionPatternBytes: limit(1024, 'bytes', 'A longer regular expression in a condition is an error.'),
  globPatternBytes: limit(4096, 'bytes', 'A longer path pattern is an error.'),
  conditionInstructions: limit(20_000, 'count', 'A regular expression that compiles to more is an error.'),
  cacheKeyBytes: limit(200, 'bytes', 'A longer cache key (URL path escaped, with its prefix) fails the step.'),
  cacheKeyTemplateOutputBytes: limit(1 * MiB, 'bytes', 'A template that prints more fails the step.'),
  templateBytes: limit(64 * KiB, 'bytes', 'A longer template of a cache key fails the step.'),
  templateSteps: limit(100_000, 'count', 'A template whose evaluation takes more steps fails the step.'),
  templateQuestions: limit(1000, 'count', 'A template that asks for more files and variables fails the step.'),
  templateNestingLevels: limit(100, 'count', 'A template nested deeper fails the step.'),
  digestFileBytes: limit(1 * MiB, 'bytes', 'A larger file has no md5sum and sha256sum: the step fails.'),

  // datamanager
  rowBytes: limit(64 * KiB, 'bytes', 'A larger row is refused; it is an error of ours.'),
  batchTransactions: limit(256, 'count', 'More transactions go into the next record.'),
  batchBytes: limit(1 * MiB, 'bytes', 'More bytes of operations go into the next record.'),
  recordBytes: limit(64 * MiB, 'bytes', 'One transaction that writes more is refused with `record_too_large`.'),
  queuedTransactions: limit(10_000, 'count', 'Further callers get `database_overloaded` at once.'),
  queuedBytes: limit(16 * MiB, 'bytes', 'Further callers get `database_overloaded` at once.'),
  commitRounds: limit(10, 'count', 'A transaction that loses more races fails with `commit_conflict`.'),
  transactionResultBytes: limit(64 * KiB, 'bytes', 'A larger result of a transaction with an id is refused.'),
  transactionResultMs: limit(1 * days, 'milliseconds', 'After that a repeated transaction id acts again.'),
  recordsKept: limit(10_000, 'count', 'Older records leave the embedded log, unless a consumer still needs them.'),
  recordsKeptForConsumers: limit(1_000_000, 'count', 'Older records leave the embedded log, whoever needs them.'),
  inlineRecordBytes: limit(256 * KiB, 'bytes', 'A larger record in etcd or PostgreSQL lies on object storage.'),
  readBarrierMs: limit(2 * seconds, 'milliseconds', 'A read that waits longer fails with `database_behind`.'),
  shippingMs: limit(200, 'milliseconds', 'Records are gathered so long before they are shipped to object storage.'),
  shippingRecords: limit(512, 'count', 'More records go into the next shipped object.'),
  shippingBytes: limit(8 * MiB, 'bytes', 'More bytes of records go into the next shipped object.'),
  shippingLagMs: limit(10 * seconds, 'milliseconds', 'Shipping that is further behind is warned of.'),
  shippedRecordsKeptMs: limit(7 * days, 'milliseconds', 'Older shipped records below the oldest snapshot are removed.'),
  snapshotFileBytes: limit(2 * MiB, 'bytes', 'A data file of a snapshot is split at so many bytes of rows.'),
  snapshotRecords: limit(10_000, 'count', 'After so many records a snapshot is made.'),
  snapshotLogBytes: limit(64 * MiB, 'bytes', 'After so many bytes of records a snapshot is made.'),
  snapshotMs: limit(1 * hours, 'milliseconds', 'After this time a snapshot is made, if anything changed.'),
  snapshotPauseMs: limit(1 * minutes, 'milliseconds', 'Two snapshots have at least this time between them.'),
  snapshotsKept: limit(3, 'count', 'Older snapshots are removed.'),
  storageGraceMs: limit(1 * days, 'milliseconds', 'Younger objects that nothing names are left alone.'),
  replacedGenerationMs: limit(
    7 * days,
    'milliseconds',
    'A database that an import has replaced is kept so long in object storage.',
  ),
  instanceRememberedMs: limit(
    1 * hours,
    'milliseconds',
    'An instance that was seen within this time has to read a new format before it is written.',
  ),
  changedDuringSnapshot: limit(500_000, 'count', 'A snapshot during which more rows change is given up.'),
  familyFileBytes: limit(16 * MiB, 'bytes', 'A data file of cold families is split at so many bytes of rows.'),
  familyBytes: limit(8 * MiB, 'bytes', 'A family with more bytes of rows does not become cold.'),
  coldFamiliesAtOnce: limit(50_000, 'count', 'More families become cold with the next snapshot.'),
  thawedBytes: limit(32 * MiB, 'bytes', 'Of cold families that were read, those used last are kept in memory.'),
  thawedFamilies: limit(256, 'count', 'A transaction that needs more cold families is refused.'),

  // objectstorage
  objectKeyBytes: limit(900, 'bytes', 'A longer key is refused.'),
  objectPrefixBytes: limit(
    100,
    'bytes',
    'A longer prefix of a bucket is refused: S3 has room for 1024 bytes with the key.',
  ),
  createdObjectBytes: limit(4 * GiB, 'bytes', 'A larger object can be put, but not created only if it does not exist.'),
  storageCallMs: limit(30 * seconds, 'milliseconds', 'An S3 server that does not answer in this time is asked again.'),
  storageAttempts: limit(8, 'count', 'A call to S3 that failed as often fails with `object_storage_unavailable`.'),
  signedUrlMs: limit(
    5 * minutes,
    'milliseconds',
    'A URL with which an executor reads or writes in the bucket is refused when it is older; it gets another one.',
  ),
  temporaryFileAgeMs: limit(1 * days, 'milliseconds', 'Older temporary files are removed at start.'),

  // http
  requestBodyBytes: limit(
    1 * MiB,
    'bytes',
    'A larger body is refused with `request_too_large`, where nothing else is said.',
  ),
  requestHeaderBytes: limit(16 * KiB, 'bytes', 'A request with longer headers or a longer address is refused.'),
  requestHeadersMs: limit(
    30 * seconds,
    'milliseconds',
    'A connection that has not sent its headers by then is closed.',
  ),
  rpcBodyBytes: limit(64 * MiB, 'bytes', 'A call between services that carries or answers more fails.'),
  rpcConnectMs: limit(
    3 * seconds,
    'milliseconds',
    'An instance of a service that has not accepted by then is passed over.',
  ),
  httpStopMs: limit(
    10 * seconds,
    'milliseconds',
    'Requests that still run when a server stops are cut after this time.',
  ),

  // logs
  logBytesPerStep: limit(
    20 * GiB,
    'bytes',
    'The middle of a longer log is left out: head and tail are kept, with a line.',
  ),
  logFrameBytes: limit(1 * MiB, 'bytes', 'A frame is closed at this size.'),
  logFrameMs: limit(
    5 * seconds,
    'milliseconds',
    'A frame is closed after this time: what a lost executor disk can cost.',
  ),
  secretBytesMin: limit(6, 'bytes', 'Shorter secrets are not masked; setting one says so.'),
  secretBytes: limit(32 * KiB, 'bytes', 'A run with a larger secret is refused.'),
  printedSecretsPerTask: limit(20, 'count', 'Further secrets that a task prints are masked, but not told one by one.'),
  secretsPerTask: limit(500, 'count', 'A task with more secrets is refused.'),

  // executor
  spoolBytesPerTask: limit(10 * GiB, 'bytes', 'The step is slowed until the log is stored.'),
  archiveBytes: limit(50 * GiB, 'bytes', 'The step that saves or restores it fails.'),
  archiveEntries: limit(5_000_000, 'count', 'The step that saves or restores it fails.'),
  cacheBytesPerProject: limit(50 * GiB, 'bytes', 'The caches used longest ago are removed.'),
  freeDiskPercent: limit(
    5,
    'percent',
    'No task is started, and host tasks are stopped, when less of the disk is free.',
  ),
  hostMemoryPercent: limit(
    80,
    'percent',
    'A host task whose processes together use more of the memory is out of memory (when the executor is root).',
  ),
  hostProcesses: limit(4096, 'count', 'A host task cannot start more processes and threads.'),
  hostOpenFiles: limit(65_536, 'count', 'A process of a host task cannot open more files.'),
  hostFileBytes: limit(100 * GiB, 'bytes', 'A process of a host task that writes a larger file is killed by SIGXFSZ.'),
  podStartMs: limit(10 * minutes, 'milliseconds', 'A pod that needs longer, image pulls included, fails the setup.'),
  stopGraceMs: limit(5 * seconds, 'milliseconds', 'A stopped step that has not ended by then is killed.'),
  podRemoveMs: limit(60 * seconds, 'milliseconds', 'A removal that needs longer is tried again later.'),
  mirrorBytes: limit(20 * GiB, 'bytes', 'A repository whose mirror grows beyond it cannot be cloned.'),
  localRunsKept: limit(20, 'count', 'Older local runs are removed.'),

  // configstore
  configNameCharacters: limit(40, 'characters', 'A longer name of a user, organization, project and so on is refused.'),
  configTextBytes: limit(4 * KiB, 'bytes', 'A longer text among settings (a URL, a path, a host key) is refused.'),
  projectGroupDepth: limit(20, 'count', 'A project group nested deeper, its root group counted, is refused.'),
  pageItems: limit(100, 'count', 'A list gives at most so many items at once.'),
  pageItemsDefault: limit(25, 'count', 'A list that does not say how many gives so many items at once.'),
  passwordCharactersMin: limit(10, 'characters', 'A shorter password is refused.'),
  passwordCharactersMax: limit(200, 'characters', 'A longer password is refused.'),
  passwordsWaiting: limit(100, 'count', 'When more passwords wait to be checked, further ones get `rate_limited`.'),
  tokensPerUser: limit(100, 'count', 'A user with so many tokens gets no further one.'),
  tokenNameCharacters: limit(100, 'characters', 'A longer name of a token is refused.'),
  tokenProjects: limit(100, 'count', 'A token restricted to more projects is refused.'),
  tokenUseMs: limit(1 * hours, 'milliseconds', 'When a token was used last is noted at most so often.'),
  expiredTokenMs: limit(30 * days, 'milliseconds', 'Tokens that expired longer ago are removed.'),
  heldPerParent: limit(500, 'count', 'A project or group with so many secrets (variables) gets no further one.'),
  secretKeys: limit(100, 'count', 'A secret with more values is refused.'),
  secretKeyBytes: limit(256, 'bytes', 'A longer name of a value of a secret is refused.'),
  dataKeys: limit(16, 'count', 'There is no further data key before an older one is retired.'),
  variableBytes: limit(32 * KiB, 'bytes', 'A variable whose values and conditions are larger is refused.'),
  accessProjects: limit(1000, 'count', 'Permissions are looked up for at most so many projects at once.'),
  pollIntervalMs: limit(30 * seconds, 'milliseconds', 'A repository cannot be polled more often.'),
  cascadeRows: limit(500, 'count', 'What hangs below something deleted is removed in transactions of so many rows.'),
  taskLeaseMs: limit(1 * hours, 'milliseconds', 'A task is given to somebody for at most so long.'),
  taskWaitMs: limit(30 * seconds, 'milliseconds', 'Who asks for tasks waits for one at most so long.'),
  taskRetryMs: limit(1 * days, 'milliseconds', 'A task that failed is given out again after at most so long.'),
  remoteCleaningMs: limit(
    7 * days,
    'milliseconds',
    'After that a webhook or deploy key of a deleted project stays at its provider.',
  ),
  tokenRefreshLeaseMs: limit(
    5 * minutes,
    'milliseconds',
    'Who renews the tokens of a linked account keeps others from it for at most so long.',
  ),
  taskErrorCharacters: limit(1000, 'characters', 'A longer error of a task is cut.'),

  // gitsource
  gitRefs: limit(100_000, 'count', 'A repository with more branches and tags cannot be listed.'),
  providerAnswerBytes: limit(32 * MiB, 'bytes', 'A larger answer of a provider of repositories is not read.'),
  providerConnections: limit(64, 'count', 'Further requests to a provider at the same time wait.'),
  providerAttemptMs: limit(20 * seconds, 'milliseconds', 'A provider that has not answered by then is asked again.'),
  providerRequestMs: limit(
    1 * minutes,
    'milliseconds',
    'A request to a provider fails after this time, repetitions and waits included.',
  ),
  providerAttempts: limit(4, 'count', 'A provider that failed to answer as often fails with `provider_unavailable`.'),
  providerWaitMs: limit(
    10 * seconds,
    'milliseconds',
    'A provider that asks to come back within this time is waited for; if later, the request fails.',
  ),
  providerRedirects: limit(5, 'count', 'A provider that sends on more often is not followed.'),
  providerPages: limit(1000, 'count', 'A list of a provider that has more pages cannot be read.'),
  providerMessageCharacters: limit(300, 'characters', 'A longer message of a provider is cut.'),

  // gitserver
  gitRepositoryBytes: limit(10 * GiB, 'bytes', 'A push that would make a repository of direct runs larger is refused.'),
  gitRepositoryRefs: limit(10_000, 'count', 'A push that would give a repository of direct runs more is refused.'),
  gitRefBytes: limit(250, 'bytes', 'A longer name of a ref is refused.'),
  gitPushBytes: limit(4 * GiB, 'bytes', 'A larger push is refused.'),
  gitFetchRequestBytes: limit(32 * MiB, 'bytes', 'A fetch that asks for more at once is refused.'),
  gitRequestsAtOnce: limit(16, 'count', 'Further pushes and fetches of one instance wait.'),
  gitRequestsWaiting: limit(100, 'count', 'When more pushes and fetches wait, further ones are refused.'),
  gitRequestMs: limit(1 * hours, 'milliseconds', 'A push or fetch that takes longer is broken off.'),
  gitPacks: limit(20, 'count', 'A repository of direct runs with more packs gets fewer, larger ones.'),
  gitCacheMs: limit(7 * days, 'milliseconds', 'Copies of repositories that were not used for longer leave the disk.'),

  // runservice
  executorLeaseMs: limit(90 * seconds, 'milliseconds', 'An executor that nobody was connected to for so long is lost.'),
  executorTokens: limit(10_000, 'count', 'Further tokens of executors are refused.'),
  executorLabels: limit(64, 'count', 'An executor with more labels is refused.'),
  executorHelloBytes: limit(4 * MiB, 'bytes', 'An executor that says more about itself is refused.'),
  reportBytes: limit(1 * MiB, 'bytes', 'A larger report of a task is refused.'),
  liveBytes: limit(256 * KiB, 'bytes', 'More bytes of a log that is being written are not sent ahead at once.'),
  uploadPartBytes: limit(8 * MiB, 'bytes', 'An archive is uploaded in parts of this size.'),
  uploadParts: limit(10_000, 'count', 'An archive with more parts is refused.'),
  setupErrorBytes: limit(16 * KiB, 'bytes', 'Further setup errors of a run are counted, not listed.'),
  logRetentionMs: limit(30 * days, 'milliseconds', 'Logs of runs that ended longer ago are removed; 0 keeps them.'),
  cacheRetentionMs: limit(7 * days, 'milliseconds', 'Caches not used for longer are removed; 0 keeps them.'),
  workspaceRetentionMs: limit(
    7 * days,
    'milliseconds',
    'Workspace archives not used for longer are removed; 0 keeps them.',
  ),
  runEventRetentionMs: limit(
    7 * days,
    'milliseconds',
    'Older run events that every registered consumer has passed are removed; 0 keeps them.',
  ),
  cleaningMs: limit(1 * hours, 'milliseconds', 'Between two rounds in which what is old is removed.'),
  cleaningEndMs: limit(
    1 * seconds,
    'milliseconds',
    'A round that goes on for longer than what it cleans is broken off.',
  ),

  // notification
  receiversPerProject: limit(20, 'count', 'A project with so many receivers of notifications gets no further one.'),
  receiverRecipients: limit(20, 'count', 'A receiver with more addresses of e-mail is refused.'),
  receiverSecretMs: limit(1 * days, 'milliseconds', 'So long the secret before the newest one signs webhooks as well.'),
  receiverTestMs: limit(
    10 * seconds,
    'milliseconds',
    'A further test of a receiver within this time is `rate_limited`.',
  ),
  notifiedTasks: limit(100, 'count', 'A webhook tells of at most so many tasks of a run, those that failed first.'),
  notificationsWaiting: limit(1000, 'count', 'Further notifications for a receiver with so many waiting are dropped.'),
  notificationAttempts: limit(11, 'count', 'A notification that could not be sent as often, in two days, is given up.'),
  notificationRetryMs: limit(1 * days, 'milliseconds', 'A notification waits for its next attempt at most so long.'),
  notificationSendMs: limit(
    20 * seconds,
    'milliseconds',
    'A receiver that has not answered by then has not got it; it is sent again later.',
  ),
  notificationAnswerBytes: limit(4 * KiB, 'bytes', 'More of what a receiver answers is not read.'),
  notificationRetentionMs: limit(7 * days, 'milliseconds', 'Older notifications that wait no more are forgotten.'),
  notificationsPerProject: limit(
    5000,
    'count',
    'Of more notifications of a project the oldest that ended are forgotten.',
  ),
  branchStateMs: limit(90 * days, 'milliseconds', 'How a branch ended that had no run for so long is forgotten.'),

  // gateway
  sessionMs: limit(14 * days, 'milliseconds', 'A session of a browser ends this long after its login.'),
  sessionsPerUser: limit(50, 'count', 'With a further login the oldest session of the user ends.'),
  loginAttempts: limit(10, 'count', 'Further failed logins, per user and per address, are `rate_limited`.'),
  loginRefillMs: limit(30 * seconds, 'milliseconds', 'After this time one more failed login is allowed.'),
  oauth2FlowMs: limit(
    10 * minutes,
    'milliseconds',
    'Who logs in at a provider comes back, and registers, within this time.',
  ),
  oauth2Begins: limit(30, 'count', 'So many logins at providers are begun at once from one address.'),
  oauth2BeginRefillMs: limit(10 * seconds, 'milliseconds', 'After this time one more may be begun.'),
  loginKeys: limit(10_000, 'count', 'Of more users and addresses with failed logins the oldest are forgotten.'),
  loginsAtOnce: limit(8, 'count', 'Further logins at the same time are `rate_limited`.'),
  idempotencyKeyMs: limit(
    1 * days,
    'milliseconds',
    'After this time an Idempotency-Key may come with another request.',
  ),
  idempotencyKeyBytes: limit(200, 'bytes', 'A longer Idempotency-Key is refused.'),
  streamsPerCaller: limit(500, 'count', 'Further streams of events of one user or address are `rate_limited`.'),
  eventKeepAliveMs: limit(15 * seconds, 'milliseconds', 'A silent stream of events gets a comment after this time.'),
  eventStreamMs: limit(
    1 * hours,
    'milliseconds',
    'A stream of events ends; readers go on with a new one where it ended.',
  ),
  runChangesKept: limit(1000, 'count', 'Who asks for older changes of runs gets a `reset`.'),
  runChangesBehind: limit(1000, 'count', 'A reader of changes of runs that is further behind gets a `reset`.'),
  tracesWaiting: limit(1000, 'count', 'Traces of further runs that end are dropped while the collector is slow.'),
  traceAttempts: limit(5, 'count', 'A trace that the collector did not take as often is dropped.'),
  traceSendMs: limit(10 * seconds, 'milliseconds', 'A collector that does not answer in this time is asked again.'),
  webhookBytes: limit(25 * MiB, 'bytes', 'A larger webhook is refused.'),
  deliveriesQueued: limit(10_000, 'count', 'Further webhooks of a project with so many waiting are `rate_limited`.'),
  deliveriesPerProject: limit(1_000, 'count', 'With a further delivery the oldest of the project are forgotten.'),
  deliveryRetentionMs: limit(30 * days, 'milliseconds', 'Older deliveries are forgotten.'),
  refsPerLook: limit(100, 'count', 'Of more branches and tags that changed between two looks the rest start nothing.'),
  followedLogBytes: limit(
    4 * MiB,
    'bytes',
    'Of a log that is followed so much is shared; slower followers read for themselves.',
  ),
} as const satisfies Record<string, Limit>
