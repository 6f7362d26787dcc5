// Who hears of the runs of a project, and what was told.

import { Type } from 'typebox'
import { Id, object, stored, Time } from './common.ts'

const ReceiverName = Type.String({ minLength: 1, maxLength: 100, description: 'Unique in the project.' })
const Url = Type.String({ minLength: 1, maxLength: 2000, description: 'https or http, without user and password.' })
const Format = Type.Enum(['slipway', 'cloudevents'])
const Events = Type.Array(
  Type.Enum([
    'run.queued',
    'run.running',
    'run.success',
    'run.failed',
    'run.stopped',
    'run.cancelled',
    'run.setuperror',
  ]),
  { description: 'Of a webhook: what it gets.' },
)
const Changes = Type.Array(Type.Enum(['broken', 'still_broken', 'fixed']), {
  description: 'Of a branch, that e-mail and Slack-compatible receivers get.',
})
const Branches = Type.Array(Type.String({ minLength: 1, maxLength: 250 }), {
  maxItems: 50,
  description: 'Only of these branches; of all when there are none.',
})
const Recipients = Type.Array(Type.String({ minLength: 3, maxLength: 254 }), { maxItems: 20 })

const receiver = {
  ...stored,
  name: ReceiverName,
  kind: Type.Enum(['webhook', 'slack', 'email']),
  isEnabled: Type.Boolean({ description: 'It gets nothing while it is off.' }),
  url: Type.Optional(Type.String({ description: 'Of a webhook.' })),
  origin: Type.Optional(Type.String({ description: 'Of a Slack-compatible address, which is a secret as a whole.' })),
  format: Type.Optional(Format),
  events: Type.Optional(Events),
  changes: Type.Optional(Changes),
  branches: Type.Optional(Branches),
  recipients: Type.Optional(Recipients),
}

export const Receiver = object(receiver, 'Receiver')

export const ReceiverWithSecret = object({
  ...receiver,
  secret: Type.Optional(
    Type.String({ description: 'What a webhook is signed with. Told only when it is made: docs/notifications.md.' }),
  ),
})

const settings = {
  isEnabled: Type.Optional(Type.Boolean()),
  /** `webhook` and `slack`. */
  url: Type.Optional(Url),
  format: Type.Optional(Format),
  events: Type.Optional(Events),
  changes: Type.Optional(Changes),
  branches: Type.Optional(Branches),
  recipients: Type.Optional(Recipients),
}

export const NewReceiver = object({ name: ReceiverName, kind: receiver.kind, ...settings })

export const ReceiverChange = object({
  name: Type.Optional(ReceiverName),
  ...settings,
  newSecret: Type.Optional(
    Type.Boolean({ description: 'Makes a new secret; for a day webhooks are signed with the one before as well.' }),
  ),
})

export const NotificationState = Type.Enum(['waiting', 'sent', 'failed', 'superseded', 'dropped'])

export const Notification = object(
  {
    id: Id,
    createdAt: Time,
    kind: Type.Enum(['status', 'webhook', 'slack', 'email']),
    /** Missing for a commit status. */
    receiverId: Type.Optional(Id),
    event: Type.String({ description: '`run.failed`, `branch.broken`, `status.success`, `test`.' }),
    eventId: Type.Optional(Type.String({ description: 'The same for all receivers, and however often it is sent.' })),
    runId: Type.Optional(Id),
    runNumber: Type.Optional(Type.Integer()),
    status: Type.Optional(
      object({
        commitSha: Type.String(),
        state: Type.Enum(['queued', 'running', 'success', 'failed', 'error', 'cancelled']),
        context: Type.String(),
        description: Type.String(),
        targetUrl: Type.String(),
      }),
    ),
    /** The notification that this one repeats on request. */
    resendOf: Type.Optional(Id),
    state: NotificationState,
    message: Type.String({ description: 'How it stands or ended.' }),
    endedAt: Type.Optional(Time),
    nextAttemptAt: Type.Optional(Time),
    attemptCount: Type.Integer({ minimum: 0 }),
    attempts: Type.Array(
      object({
        at: Time,
        durationMs: Type.Integer({ minimum: 0 }),
        message: Type.String(),
        httpStatus: Type.Optional(Type.Integer()),
        excerpt: Type.Optional(Type.String({ description: 'Beginning of what was answered.' })),
      }),
      { description: 'The last ones.' },
    ),
    canResend: Type.Boolean(),
  },
  'Notification',
)
