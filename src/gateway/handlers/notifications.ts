// Who hears of the runs of a project, and what became of what was told. The permission was asked for an id: everything goes by it.

import type { Clock } from '../../lib/clock.ts'
import type { NotificationQuery, NotificationService, ReceiverWithSecret } from '../../notification/api.ts'
import type { ChangeSettings, Notification, Receiver } from '../../notification/types.ts'
import type { HandlerContext, HandlersOf } from '../routes/handler.ts'
import { lookAgain } from '../streams/look-again.ts'
import { optionalTime, timeText } from '../views/time.ts'
import { accessOf, defined, guardOf } from './common.ts'

type Ids =
  | 'listReceivers'
  | 'createReceiver'
  | 'getReceiver'
  | 'updateReceiver'
  | 'deleteReceiver'
  | 'testReceiver'
  | 'listNotifications'
  | 'watchNotifications'
  | 'getNotification'
  | 'resendNotification'

export function notificationHandlers({
  notification,
  clock,
}: {
  readonly notification: NotificationService
  readonly clock: Clock
}): HandlersOf<Ids> {
  const shown = async (query: NotificationQuery) => {
    const { items, nextCursor } = await notification.listNotifications(query)
    return { items: items.map(notificationView), ...(nextCursor === undefined ? {} : { nextCursor }) }
  }
  return {
    listReceivers: async (_, context) => {
      const { items } = await notification.listReceivers({ projectId: accessOf(context).id })
      return { items: items.map(receiverView) }
    },

    createReceiver: async ({ body }, context) => {
      const input = { projectId: accessOf(context).id, ...defined(body), name: body.name, kind: body.kind }
      return secretView(told(context, await notification.createReceiver(input, callOf(context))))
    },

    getReceiver: async ({ params }, context) =>
      receiverView(await notification.getReceiver({ projectId: accessOf(context).id, id: params.receiverId })),

    updateReceiver: async ({ params, body }, context) => {
      const projectId = accessOf(context).id
      const input = { projectId, id: params.receiverId, ...defined(body), ...guardOf(context) }
      return secretView(told(context, await notification.updateReceiver(input, callOf(context))))
    },

    deleteReceiver: async ({ params }, context) => {
      const input = { projectId: accessOf(context).id, id: params.receiverId, ...guardOf(context) }
      told(context, await notification.deleteReceiver(input, callOf(context)))
    },

    testReceiver: async ({ params }, context) => {
      const input = { projectId: accessOf(context).id, id: params.receiverId }
      return notificationView(told(context, await notification.sendTest(input, callOf(context))).notification)
    },

    listNotifications: ({ query }, context) => shown({ projectId: accessOf(context).id, ...defined(query) }),

    watchNotifications: async function* (_, context) {
      const projectId = accessOf(context).id
      const position = () => notification.position()
      for await (const { value } of lookAgain(
        { notifications: () => shown({ projectId }) },
        { position, clock, signal: context.signal },
      ))
        yield { event: 'notifications', data: value }
    },

    getNotification: async ({ params }, context) => {
      const input = { projectId: accessOf(context).id, id: params.notificationId }
      return notificationView(await notification.getNotification(input))
    },

    resendNotification: async ({ params }, context) => {
      const input = { projectId: accessOf(context).id, id: params.notificationId }
      return notificationView(told(context, await notification.resendNotification(input, callOf(context))).notification)
    },
  }
}

function callOf({ call: { transactionId, actor } }: HandlerContext) {
  return {
    ...(transactionId === undefined ? {} : { transactionId }),
    ...(actor === undefined ? {} : { actor }),
  }
}

/** The caller's next read sees it. */
function told<T extends { readonly position: number }>(context: HandlerContext, result: T): T {
  context.wrote('notification', result.position)
  return result
}

function receiverView({ id, createdAt, updatedAt, version, name, isEnabled, settings }: Receiver) {
  const common = { id, createdAt: timeText(createdAt), updatedAt: timeText(updatedAt), version, name, isEnabled }
  switch (settings.kind) {
    case 'webhook':
      return {
        ...common,
        kind: settings.kind,
        url: settings.url,
        format: settings.format,
        events: [...settings.events],
      }
    case 'slack':
      return { ...common, kind: settings.kind, origin: settings.origin, ...changesView(settings) }
    case 'email':
      return { ...common, kind: settings.kind, recipients: [...settings.recipients], ...changesView(settings) }
  }
}

function changesView({ changes, branches }: ChangeSettings) {
  return { changes: [...changes], branches: [...branches] }
}

function secretView({ receiver, secret }: ReceiverWithSecret) {
  return { ...receiverView(receiver), ...(secret === undefined ? {} : { secret }) }
}

function notificationView(notification: Notification) {
  const { projectId: _project, messageId, createdAt, endedAt, nextAttemptAt, attempts, ...rest } = notification
  return {
    ...rest,
    createdAt: timeText(createdAt),
    ...(messageId === undefined ? {} : { eventId: messageId }),
    ...optionalTime('endedAt', endedAt),
    ...optionalTime('nextAttemptAt', nextAttemptAt),
    attempts: attempts.map(({ at, ...attempt }) => ({ ...attempt, at: timeText(at) })),
  }
}
