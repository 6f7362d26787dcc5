// What notification keeps, as other rooms see it: plain JSON, without any secret value. Times are milliseconds since 1970.

import type { CommitStatusState } from '../gitsource/provider.ts'

/** What a webhook may ask for; the last part is what became of the run. */
export const runEventNames = [
  'run.queued',
  'run.running',
  'run.success',
  'run.failed',
  'run.stopped',
  'run.cancelled',
  'run.setuperror',
] as const
export type RunEventName = (typeof runEventNames)[number]

/** How a run that ended changed the state of its branch. */
export const branchChanges = ['broken', 'still_broken', 'fixed'] as const
export type BranchChange = (typeof branchChanges)[number]

export const webhookFormats = ['slipway', 'cloudevents'] as const
export type WebhookFormat = (typeof webhookFormats)[number]

export const receiverKinds = ['webhook', 'slack', 'email'] as const
export type ReceiverKind = (typeof receiverKinds)[number]

export type ReceiverSettings =
  | {
      readonly kind: 'webhook'
      readonly url: string
      readonly format: WebhookFormat
      readonly events: readonly RunEventName[]
    }
  | ({
      readonly kind: 'slack'
      /** Of the address, which is a secret as a whole: `https://hooks.slack.com`. */
      readonly origin: string
    } & ChangeSettings)
  | ({ readonly kind: 'email'; readonly recipients: readonly string[] } & ChangeSettings)

export type ChangeSettings = {
  readonly changes: readonly BranchChange[]
  /** Only of these; of all when there are none. */
  readonly branches: readonly string[]
}

/** Who hears of the runs of a project. */
export type Receiver = {
  /** UUID. */
  readonly id: string
  readonly createdAt: number
  readonly updatedAt: number
  /** 1 when it is made, one more with each change. */
  readonly version: number
  readonly projectId: string
  /** For people; unique in the project. */
  readonly name: string
  readonly isEnabled: boolean
  readonly settings: ReceiverSettings
}

export const notificationKinds = ['status', ...receiverKinds] as const
export type NotificationKind = (typeof notificationKinds)[number]

export const notificationStates = ['waiting', 'sent', 'failed', 'superseded', 'dropped'] as const

/**
 * `waiting`: to be sent, perhaps again; `sent`: the other side has it; `failed`: given up; `superseded`: a newer state of the same
 * commit status was sent instead; `dropped`: its receiver is gone or off, or too many waited.
 */
export type NotificationState = (typeof notificationStates)[number]

/** A commit status as the provider gets it. */
export type StatusContent = {
  readonly commitSha: string
  readonly state: CommitStatusState
  readonly context: string
  readonly description: string
  readonly targetUrl: string
}

/** One try to send. */
export type Attempt = {
  readonly at: number
  readonly durationMs: number
  /** For people. */
  readonly message: string
  readonly httpStatus?: number
  /** Beginning of what was answered. */
  readonly excerpt?: string
}

/** One thing told to one receiver, or one commit status. */
export type Notification = {
  /** UUID. */
  readonly id: string
  readonly projectId: string
  readonly kind: NotificationKind
  /** Undefined for a commit status. */
  readonly receiverId?: string
  /** `run.failed`, `branch.broken`, `test`. */
  readonly event: string
  /** The same in all notifications of one event; undefined for a commit status. */
  readonly messageId?: string
  readonly runId?: string
  readonly runNumber?: number
  readonly status?: StatusContent
  readonly createdAt: number
  /** The notification that this one repeats on request. */
  readonly resendOf?: string
  readonly state: NotificationState
  /** How it stands or ended, for people. */
  readonly message: string
  readonly endedAt?: number
  /** While it waits. */
  readonly nextAttemptAt?: number
  readonly attemptCount: number
  /** The last ones. */
  readonly attempts: readonly Attempt[]
  /** Whether it can be sent again. */
  readonly canResend: boolean
}
