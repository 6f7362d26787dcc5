// Runs, their tasks, and what waits and why.

import { Type } from 'typebox'
import { Id, object, Time, text } from './common.ts'

export const RunPhase = Type.Enum(['setuperror', 'queued', 'cancelled', 'running', 'finished'])
export const RunResult = Type.Enum(['unknown', 'success', 'failed', 'stopped'])
export const TaskStatus = Type.Enum(['notstarted', 'skipped', 'cancelled', 'running', 'stopped', 'success', 'failed'])
export const StepPhase = Type.Enum(['notstarted', 'cancelled', 'running', 'stopped', 'success', 'failed'])

/** Why something waits, was skipped or failed: for programs its kind with its facts, for people one line. */
export const Reason = object(
  {
    kind: Type.String({ description: '`waiting_executor`, `waiting_approval`, `failed_exit`, `executor_lost`, ...' }),
    /** Whether repeating can help: `theirs` would do the same again, `ours` is trouble of the machinery. */
    class: Type.Enum(['waiting', 'theirs', 'ours']),
    message: Type.String(),
    facts: Type.Record(Type.String(), Type.Unknown(), { description: 'The facts of its kind.' }),
  },
  'Reason',
)

export const RunOwner = object({ type: Type.Enum(['project', 'user']), id: Id })

const runMembers = {
  id: Id,
  number: Type.Integer({ minimum: 1, description: '1, 2, 3... per project or user.' }),
  name: Type.String(),
  owner: RunOwner,
  group: Type.String({ description: '`/project/ID/branch/NAME`: runs of one group are ordered.' }),
  /** Not of runs that ended long ago. */
  annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
  phase: RunPhase,
  result: RunResult,
  isStopping: Type.Optional(Type.Boolean()),
  tasksWaitingApproval: Type.Optional(Type.Array(Id)),
  enqueuedAt: Time,
  startedAt: Type.Optional(Time),
  endedAt: Type.Optional(Time),
  /** The run this one repeats. */
  restartOf: Type.Optional(Id),
  reason: Type.Optional(Reason),
}

export const RunSummary = object(runMembers, 'RunSummary')

const taskState = {
  id: Id,
  status: TaskStatus,
  isWaitingApproval: Type.Boolean(),
  isApproved: Type.Boolean(),
  /** Ids of users. */
  approvers: Type.Array(Type.String()),
  timedOut: Type.Boolean(),
  startedAt: Type.Optional(Time),
  endedAt: Type.Optional(Time),
}

/** What changes while a task runs. */
export const TaskState = object(taskState, 'TaskState')

const taskMembers = {
  ...taskState,
  name: Type.String(),
  level: Type.Integer({ minimum: 0, description: '0 without dependencies.' }),
  depends: Type.Array(
    object({ taskId: Id, conditions: Type.Array(Type.Enum(['on_success', 'on_failure', 'on_skipped'])) }),
  ),
  timeoutMs: Type.Integer({ minimum: 0, description: '0 means none.' }),
  reason: Type.Optional(Reason),
}

const Step = object(
  {
    type: Type.Enum(['setup', 'run', 'clone', 'save_to_workspace', 'restore_workspace', 'save_cache', 'restore_cache']),
    name: Type.String(),
    phase: StepPhase,
    /** Of steps of type `run`. */
    command: Type.Optional(Type.String()),
    shell: Type.Optional(Type.String()),
    exitStatus: Type.Optional(Type.Integer()),
    startedAt: Type.Optional(Time),
    endedAt: Type.Optional(Time),
    reason: Type.Optional(Reason),
  },
  'Step',
)

export const TaskSummary = object(
  {
    ...taskMembers,
    /** Where they were asked for. */
    setupStep: Type.Optional(Step),
    steps: Type.Optional(Type.Array(Step)),
  },
  'TaskSummary',
)

export const Run = object(
  {
    ...runMembers,
    setupErrors: Type.Array(Type.String()),
    logsDeleted: Type.Boolean(),
    canRestartFromStart: Type.Boolean(),
    canRestartFromFailed: Type.Boolean(),
    may: object({
      act: Type.Boolean({ description: 'The caller may restart, stop and cancel it.' }),
      approve: Type.Boolean({ description: 'The caller may approve its tasks.' }),
    }),
    /** In the order of the definition. */
    tasks: Type.Array(TaskSummary),
  },
  'Run',
)

export const Task = object(
  {
    ...taskMembers,
    runId: Id,
    containers: Type.Array(object({ image: Type.String() })),
    setupStep: Step,
    steps: Type.Array(Step),
    executorId: Type.Optional(Type.String()),
    /** Secrets it was handed out with, in the versions they then had: for those who may change the project. */
    usedSecrets: Type.Optional(Type.Array(object({ name: Type.String(), version: Type.Integer({ minimum: 0 }) }))),
    /** Secrets that stood in its output, masked: for those who may change the project. */
    printedSecrets: Type.Optional(
      Type.Array(object({ secret: Type.String(), log: Type.String(), line: Type.Integer({ minimum: 0 }) })),
    ),
    keptPod: Type.Optional(Type.String()),
  },
  'Task',
)

export const LogName = Type.String({
  pattern: '^(setup|[0-9]{1,4})$',
  description: '`setup`, or the number of a step from 0.',
})

const lineNumber = Type.Integer({ minimum: 0, description: 'From 0.' })
const extent = {
  sizeBytes: Type.Integer({ minimum: 0, description: 'Of what is stored.' }),
  lineCount: Type.Integer({ minimum: 0, description: 'An unfinished last line included.' }),
  isComplete: Type.Boolean({ description: 'Nothing will be added.' }),
}

export const LogSummary = object(
  {
    ...extent,
    errorLines: Type.Array(lineNumber, { description: 'The first lines that look like errors.' }),
    /** Lines before it were looked at; absent when all were. */
    errorsBefore: Type.Optional(lineNumber),
  },
  'LogSummary',
)

export const LogLines = object(
  {
    ...extent,
    fromLine: lineNumber,
    fromByte: Type.Integer({ minimum: 0, description: 'Where the first of these lines begins.' }),
    endByte: Type.Integer({ minimum: 0, description: 'Where the next line begins, or an unfinished one goes on.' }),
    lines: Type.Array(Type.String()),
    isLastUnfinished: Type.Boolean({ description: 'The last of them has no newline yet.' }),
    times: Type.Array(object({ lines: Type.Integer({ minimum: 1 }), at: Time }), {
      description: 'When they began: so many in a row at that time.',
    }),
    style: Type.String({ description: 'Colours (SGR) that were set before and are not reset.' }),
    cutLines: Type.Array(Type.Integer({ minimum: 0 }), {
      description: 'Of `lines`, by place: those of which only a part is here, because they are very long.',
    }),
  },
  'LogLines',
)

const nextLine = Type.Optional(
  Type.Integer({ minimum: 0, description: 'Not all was looked at: ask again from this line.' }),
)

export const LogMatches = object(
  {
    lines: Type.Array(lineNumber),
    nextLine,
  },
  'LogMatches',
)

export const LogGroups = object(
  {
    begins: Type.Array(lineNumber, { description: '`##[group]Title`, `::group::Title`, `section_start:...`.' }),
    ends: Type.Array(lineNumber),
    commands: Type.Array(lineNumber, { description: 'Commands that a shell tells (`set -x`): `+ make all`.' }),
    nextLine,
  },
  'LogGroups',
)

export const NewRun = object({
  branch: Type.Optional(Type.String({ minLength: 1, maxLength: 250 })),
  tag: Type.Optional(Type.String({ minLength: 1, maxLength: 250 })),
  pullRequest: Type.Optional(
    Type.String({
      pattern: '^[0-9]{1,18}$',
      description: 'Its number. A run of it is one of a fork, unless its commit is on a branch of the repository.',
    }),
  ),
  ref: Type.Optional(Type.String({ minLength: 1, maxLength: 260, description: 'A full ref: `refs/heads/main`.' })),
  commitSha: Type.Optional(
    Type.String({ pattern: '^[0-9a-f]{40}([0-9a-f]{24})?$', description: 'That of the ref when not given.' }),
  ),
  message: Type.Optional(text(10_000)),
  /** Instead of the one that the commit has. */
  definition: Type.Optional(
    object({
      /** Decides the language: `config.yml`, `config.json`. */
      fileName: Type.Enum(['config.yml', 'config.yaml', 'config.json']),
      content: text(1024 * 1024),
    }),
  ),
  /** Given besides the project's, which they replace. */
  variables: Type.Optional(
    Type.Record(Type.String({ minLength: 1, maxLength: 200 }), Type.String({ maxLength: 32 * 1024 }), {
      maxProperties: 500,
    }),
  ),
})

const variableValues = (description: string) =>
  Type.Optional(
    Type.Record(Type.String({ minLength: 1, maxLength: 200 }), Type.String({ maxLength: 32 * 1024 }), {
      maxProperties: 500,
      description,
    }),
  )

export const NewDirectRun = object({
  repositoryId: Type.String({
    pattern: '^[a-z0-9]+(-[a-z0-9]+)*$',
    maxLength: 64,
    description: 'Of the repository it was pushed to; caches are kept apart by it.',
  }),
  commitSha: Type.String({ pattern: '^[0-9a-f]{40}([0-9a-f]{24})?$' }),
  /** One of the four at most: as what `when` looks at it. None is a push to no branch. */
  branch: Type.Optional(Type.String({ minLength: 1, maxLength: 250 })),
  tag: Type.Optional(Type.String({ minLength: 1, maxLength: 250 })),
  pullRequest: Type.Optional(Type.String({ pattern: '^[0-9]{1,18}$' })),
  ref: Type.Optional(Type.String({ minLength: 1, maxLength: 260, description: 'A full ref: `refs/heads/main`.' })),
  message: text(10_000),
  tasks: Type.Optional(
    Type.Array(text(200), { maxItems: 1000, description: 'Only these and what they depend on; all when empty.' }),
  ),
  variables: variableValues('As they are, for everybody to see who may see the run.'),
  secrets: variableValues('Variables that are kept sealed and masked in logs.'),
  originUrl: Type.Optional(
    Type.String({ maxLength: 1000, description: 'What `origin` is in the clone; without credentials.' }),
  ),
  submodules: Type.Optional(
    Type.Array(text(500), { maxItems: 50, description: 'Paths of submodules whose commits were pushed there, too.' }),
  ),
})

export const NewRuns = object({
  runs: Type.Array(RunSummary),
  notCreated: Type.Array(object({ name: Type.String(), message: Type.String() })),
})
