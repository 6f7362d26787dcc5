// Executors, the tokens they dial in with, and the queue in front of them.

import { Type } from 'typebox'
import { Id, object, Time, text } from './common.ts'
import { Reason, RunOwner } from './runs.ts'

const Labels = Type.Record(Type.String({ minLength: 1, maxLength: 63 }), text(255), { maxProperties: 100 })

export const Executor = object(
  {
    id: Type.String(),
    name: Type.Optional(Type.String()),
    version: Type.Optional(Type.String()),
    state: Type.Enum(['connected', 'lost', 'draining', 'removed']),
    isDraining: Type.Boolean({ description: 'It finishes what it has and gets nothing new, also after it was away.' }),
    isHeld: Type.Boolean({ description: 'Some instance of the server has its connection now.' }),
    archs: Type.Array(Type.Enum(['386', 'amd64', 'arm', 'arm64'])),
    labels: Type.Record(Type.String(), Type.String()),
    allowPrivileged: Type.Boolean(),
    drivers: Type.Array(Type.String(), { description: 'Preferred first.' }),
    taskLimit: Type.Integer({ minimum: 0, description: 'Tasks at once; 0 means no limit.' }),
    slotsUsed: Type.Integer({ minimum: 0 }),
    tasks: Type.Array(
      object({
        runId: Id,
        taskId: Id,
        phase: Type.String(),
        isStopping: Type.Boolean(),
        createdAt: Time,
      }),
      { description: 'What it has been handed, the oldest first; at most 100.' },
    ),
    connectedAt: Time,
    lastSeenAt: Type.Optional(Time),
  },
  'Executor',
)

export const ExecutorId = Type.String({ minLength: 1, maxLength: 200 })

export const ExecutorToken = object(
  {
    id: Id,
    name: Type.String(),
    executorId: Type.String(),
    labels: Type.Optional(Type.Record(Type.String(), Type.String())),
    createdAt: Time,
    createdBy: Type.Optional(Type.String()),
  },
  'ExecutorToken',
)

export const NewExecutorToken = object({
  name: text(100),
  /** An executor that has a token already, to give it another one. */
  executorId: Type.Optional(ExecutorId),
  /** The executor has exactly these then, whatever it says itself. */
  labels: Type.Optional(Labels),
})

export const QueueEntry = object(
  {
    position: Type.Integer({ minimum: 1, description: 'From 1, over the whole queue.' }),
    run: object({ id: Id, number: Type.Integer(), name: Type.String(), owner: RunOwner }),
    /** Missing for a run that waits as a whole. */
    task: Type.Optional(object({ id: Id, name: Type.String(), arch: Type.Optional(Type.String()) })),
    since: Time,
    reason: Reason,
  },
  'QueueEntry',
)
