// How notification's rows are stored and found.

import type { ReadTransaction, RowTypes, Transaction } from '../datamanager/database.ts'
import type { Attempt, NotificationKind, NotificationState, Receiver, StatusContent } from './types.ts'

export const receiverSecretFields = ['secret', 'previoussecret', 'url'] as const
/** What a webhook is signed with, what it was signed with before, and the address of a Slack-compatible receiver. */
export type ReceiverSecretField = (typeof receiverSecretFields)[number]

/** One sealed value (sealed.ts). Id: `RECEIVER/FIELD`. */
export type ReceiverSecretRow = {
  readonly receiverId: string
  readonly field: ReceiverSecretField
  readonly sealed: string
  /** Not used later than that. */
  readonly until?: number
}

export type ReceiverRow = Receiver & { readonly testedAt?: number }

export type NotificationRow = {
  readonly projectId: string
  readonly kind: NotificationKind
  readonly receiverId?: string
  readonly event: string
  readonly messageId?: string
  readonly runId?: string
  readonly runNumber?: number
  readonly status?: StatusContent
  /** Of a commit status: what it replaces and is replaced in; the id of a `statuscontext`. */
  readonly contextId?: string
  /** Those of one lane share few places, so that a slow receiver keeps nobody else waiting. */
  readonly lane: string
  /** Of the run event; later ones are newer. */
  readonly sequence: number
  readonly createdAt: number
  readonly resendOf?: string
  readonly attemptCount: number
  /** The last ones. */
  readonly attempts: readonly Attempt[]
  /** While there is no outcome. */
  readonly queued?: {
    /** Nobody takes it before; the end of the lease once somebody has. */
    readonly dueAt: number
    readonly holder?: string
  }
  readonly outcome?: {
    readonly state: Exclude<NotificationState, 'waiting'>
    readonly message: string
    readonly at: number
  }
}

/** What is told of one event, the same for all receivers. Id: RUN.SEQUENCE; stays the same however often it is sent. */
export type MessageRow = {
  readonly projectId: string
  readonly createdAt: number
  /** JSON, exactly as it is signed and sent. */
  readonly body: string
}

/** The newest state of a commit status, whoever has it by now. Id: made of project, commit and context. */
export type StatusContextRow = {
  readonly projectId: string
  readonly commitSha: string
  readonly context: string
  readonly runId: string
  /** An older run says nothing any more. */
  readonly runSequence: number
  /** Of the runservice's data that it was made of. */
  readonly position: number
  readonly state: StatusContent['state']
  readonly description: string
  /** Nothing more will come of this run. */
  readonly isFinal: boolean
  /** The notification that carries it. */
  readonly notificationId: string
  readonly updatedAt: number
}

/** How the last run of a name on a branch ended. Id: made of group and name. */
export type BranchStateRow = {
  readonly projectId: string
  readonly state: 'success' | 'failed'
  readonly runSequence: number
  readonly updatedAt: number
}

/** Id: `runevents`. */
export type ConsumerRow = { readonly passed: number }

export type NotificationSchema = {
  receiver: ReceiverRow
  receiversecret: ReceiverSecretRow
  notification: NotificationRow
  message: MessageRow
  statuscontext: StatusContextRow
  branchstate: BranchStateRow
  consumer: ConsumerRow
}

export type Reading = Pick<ReadTransaction<NotificationSchema>, 'get' | 'list' | 'count'>
export type Tx = Transaction<NotificationSchema>

export const consumerRowId = 'runevents'

export function receiverSecretId(receiverId: string, field: ReceiverSecretField): string {
  return `${receiverId}/${field}`
}

export const notificationRowTypes = {
  receiver: { indexes: { byProject: (receiver: Receiver) => [receiver.projectId, receiver.name] } },
  receiversecret: {},
  notification: {
    indexes: {
      byProject: (row: NotificationRow) => [row.projectId, row.createdAt],
      byReceiver: ({ receiverId, createdAt }: NotificationRow) =>
        receiverId === undefined ? undefined : [receiverId, createdAt],
      byMessage: ({ messageId }: NotificationRow) => (messageId === undefined ? undefined : [messageId]),
      byDue: ({ lane, queued }: NotificationRow) => (queued === undefined ? undefined : [lane, queued.dueAt]),
      /** By the end of the lease. */
      byHeld: ({ lane, queued }: NotificationRow) => (queued?.holder === undefined ? undefined : [lane, queued.dueAt]),
      /** Those of one context that were not sent yet, the oldest first. */
      byContext: ({ contextId, sequence, queued }: NotificationRow) =>
        contextId === undefined || queued === undefined ? undefined : [contextId, sequence],
      byAge: ({ createdAt, queued }: NotificationRow) => (queued === undefined ? [createdAt] : undefined),
      byEnd: ({ projectId, createdAt, queued }: NotificationRow) =>
        queued === undefined ? [projectId, createdAt] : undefined,
    },
  },
  message: { indexes: { byAge: (message: MessageRow) => [message.createdAt] } },
  statuscontext: {
    indexes: {
      byRun: ({ runId }: StatusContextRow) => [runId],
      byOpenRun: ({ isFinal, runId }: StatusContextRow) => (isFinal ? undefined : [runId]),
      byAge: ({ updatedAt }: StatusContextRow) => [updatedAt],
    },
  },
  branchstate: { indexes: { byAge: ({ updatedAt }: BranchStateRow) => [updatedAt] } },
  consumer: {},
} as const satisfies RowTypes
