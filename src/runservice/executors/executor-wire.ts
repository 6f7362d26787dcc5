// What executors elsewhere send, checked where it arrives. Members that are not known are let through: an executor may be newer.

import Type from 'typebox'
import { stepPhases } from '../types.ts'

const Text = Type.String({ maxLength: 1000 })
const Count = Type.Integer({ minimum: 0 })
const Time = Type.Number({ minimum: 0 })

export const HelloSchema = Type.Object({
  id: Text,
  archs: Type.Array(Type.Enum(['386', 'amd64', 'arm', 'arm64']), { maxItems: 16 }),
  labels: Type.Record(Type.String(), Type.String()),
  allowPrivileged: Type.Boolean(),
  drivers: Type.Array(Text, { maxItems: 16 }),
  taskLimit: Count,
  version: Type.Optional(Text),
  has: Type.Array(Type.Object({ id: Text, lastStatus: Count }), { maxItems: 100_000 }),
})

/** What a reason says is its kind's affair; it is shown, and never decided upon. */
const ReasonSchema = Type.Object({ kind: Type.String({ maxLength: 100 }) })

const StepSchema = Type.Object({
  phase: Type.Enum([...stepPhases]),
  exitStatus: Type.Optional(Type.Integer()),
  startedAt: Type.Optional(Time),
  endedAt: Type.Optional(Time),
  reason: Type.Optional(ReasonSchema),
})

export const ReportSchema = Type.Object({
  executorTaskId: Text,
  number: Type.Integer({ minimum: 1 }),
  phase: Type.Enum([...stepPhases]),
  timedOut: Type.Boolean(),
  setupStep: StepSchema,
  steps: Type.Array(StepSchema, { maxItems: 10_000 }),
  startedAt: Type.Optional(Time),
  endedAt: Type.Optional(Time),
  reason: Type.Optional(ReasonSchema),
  printedSecrets: Type.Optional(
    Type.Array(Type.Object({ secret: Text, log: Type.Union([Type.Literal('setup'), Count]), line: Count }), {
      maxItems: 10_000,
    }),
  ),
  keptPod: Type.Optional(Type.String({ maxLength: 10_000 })),
})

/** A UUID, or one of a direct upload: with what it is for and the bucket's own, which may be long. */
const UploadId = Type.String({ pattern: '^[A-Za-z0-9_.-]{36,16000}$' })
const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' })

export const UploadedArchiveSchema = Type.Object({
  uploadId: UploadId,
  parts: Count,
  sizeBytes: Count,
  sha256: Sha256,
})

/** An executor of an earlier version says nothing. */
export const BeginUploadSchema = Type.Union([
  Type.Null(),
  Type.Object({
    purpose: Type.Optional(
      Type.Union([
        Type.Object({ kind: Type.Literal('workspace'), step: Count }),
        Type.Object({ kind: Type.Literal('cache'), key: Type.String({ maxLength: 10_000 }) }),
      ]),
    ),
  }),
])

const part = { uploadId: UploadId, index: Count, isLast: Type.Boolean() }
export const SignPartSchema = Type.Object({ ...part, sizeBytes: Type.Integer({ minimum: 1 }), sha256: Sha256 })
export const RelayQuery = Type.Object(part)

export const OrdersQuery = Type.Object({ connection: Type.Integer({ minimum: 1 }), position: Count })
export const LogParams = Type.Object({ id: Text, log: Type.String({ pattern: '^(setup|[0-9]{1,6})$' }) })
export const TaskParams = Type.Object({ id: Text })
export const StepParams = Type.Object({ id: Text, step: Count })
export const PartParams = Type.Object({
  id: Text,
  upload: Type.String({ pattern: '^[0-9a-f-]{36}$' }),
  part: Count,
})
export const LiveQuery = Type.Object({ firstByte: Count })
export const ObjectQuery = Type.Object({
  object: Text,
  from: Type.Optional(Count),
  direct: Type.Optional(Type.Boolean()),
})
export const CacheQuery = Type.Object({
  key: Type.String({ maxLength: 10_000 }),
  exactOnly: Type.Optional(Type.Boolean()),
})
