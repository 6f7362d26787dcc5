// All that other rooms may know of notification: who hears of the runs of a project, and what became of what was told. It does not
// ask who may: the gateway does.
//
// Projects are given by their id. Every change may fail with those of `Database.do`.

import type {
  BranchChange,
  Notification,
  NotificationState,
  Receiver,
  ReceiverKind,
  RunEventName,
  WebhookFormat,
} from './types.ts'

export type NotificationCall = {
  /** A change repeated with the same id, within a day, acts once and answers the same. */
  readonly transactionId?: string
  /** Who asked, for the log. */
  readonly actor?: string
}

/** What a change answers: what it made, and the position from which on it is seen by all. */
export type Changed<T> = T & { readonly position: number }

/** What is given of a receiver; what its kind does not have is `receiver_invalid`. */
export type ReceiverInput = {
  readonly name?: string
  readonly isEnabled?: boolean
  /** `webhook` and `slack`: http or https, at most 2,000 characters, no user and password in it. */
  readonly url?: string
  /** `webhook`. */
  readonly format?: WebhookFormat
  /** `webhook`: at least one; all by default. */
  readonly events?: readonly RunEventName[]
  /** `slack` and `email`: at least one; `broken` and `fixed` by default. */
  readonly changes?: readonly BranchChange[]
  /** `slack` and `email`: names of branches; none by default, that is all of them. */
  readonly branches?: readonly string[]
  /** `email`: 1 to 20 addresses. */
  readonly recipients?: readonly string[]
}

export type NewReceiver = ReceiverInput & {
  readonly projectId: string
  readonly kind: ReceiverKind
  readonly name: string
}

export type ReceiverUpdate = ReceiverInput & {
  readonly projectId: string
  readonly id: string
  /** Of a webhook: makes a new one; what is sent within a day is signed with the one before as well. */
  readonly newSecret?: boolean
  /** `version_conflict`, with the current version, when it has another. */
  readonly expectedVersion?: number
}

/** `secret`: what a webhook is signed with, told only when it is made. */
export type ReceiverWithSecret = { readonly receiver: Receiver; readonly secret?: string }

export type NotificationQuery = {
  readonly projectId: string
  readonly receiverId?: string
  readonly state?: NotificationState
  /** 1 to 100, default 25; else `list_invalid`. */
  readonly limit?: number
  /** `nextCursor` of the page before, of the same query; else `list_invalid`. */
  readonly cursor?: string
}

export type NotificationPage = { readonly items: readonly Notification[]; readonly nextCursor?: string }

/** All of it can be asked of another process as well. */
export interface NotificationService extends AsyncDisposable {
  /** What this process sees, once that is at least `atLeast`: what a change answered. `database_behind` after 2 s. */
  position(atLeast?: number): Promise<number>

  /** Errors: `receiver_invalid` with what is wrong, `receiver_exists`, `limit_exceeded`. */
  createReceiver(input: NewReceiver, call?: NotificationCall): Promise<Changed<ReceiverWithSecret>>
  /** By name. */
  listReceivers(input: { readonly projectId: string }): Promise<{ readonly items: readonly Receiver[] }>
  /** `receiver_not_found`. */
  getReceiver(input: { readonly projectId: string; readonly id: string }): Promise<Receiver>
  /** Only what is given changes. Errors: `receiver_not_found`, `version_conflict`, those of `createReceiver`. */
  updateReceiver(input: ReceiverUpdate, call?: NotificationCall): Promise<Changed<ReceiverWithSecret>>
  /** What waits for it is dropped. Errors: `receiver_not_found`, `version_conflict`. */
  deleteReceiver(
    input: { readonly projectId: string; readonly id: string; readonly expectedVersion?: number },
    call?: NotificationCall,
  ): Promise<Changed<object>>
  /** Sends it something now. Errors: `receiver_not_found`, `rate_limited` when the last test was a moment ago. */
  sendTest(
    input: { readonly projectId: string; readonly id: string },
    call?: NotificationCall,
  ): Promise<Changed<{ readonly notification: Notification }>>

  /** The newest first; those of the last week. */
  listNotifications(query: NotificationQuery): Promise<NotificationPage>
  /** `notification_not_found`. */
  getNotification(input: { readonly projectId: string; readonly id: string }): Promise<Notification>
  /** The same again, as something new. Errors: `notification_not_found`, `notification_not_repeatable`. */
  resendNotification(
    input: { readonly projectId: string; readonly id: string },
    call?: NotificationCall,
  ): Promise<Changed<{ readonly notification: Notification }>>
}

/** How its methods answer when they are called from another process. */
export const notificationMethods = {
  position: 'call',
  createReceiver: 'call',
  listReceivers: 'call',
  getReceiver: 'call',
  updateReceiver: 'call',
  deleteReceiver: 'call',
  sendTest: 'call',
  listNotifications: 'call',
  getNotification: 'call',
  resendNotification: 'call',
} as const satisfies Record<Exclude<keyof NotificationService, symbol>, 'call'>
