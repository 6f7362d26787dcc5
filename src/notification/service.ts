// Notification in this process: reads run events, sends what is made of them, and keeps who hears of what.

import type { Database } from '../datamanager/database.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import { newUuid } from '../lib/uuid.ts'
import type { NotificationCall, NotificationService } from './api.ts'
import { consumeEvents, type EventConsumerComponents } from './event-consumer.ts'
import { type ForgetComponents, forgetProjects } from './forget-projects.ts'
import {
  type AttemptObserver,
  addNotification,
  getNotificationRow,
  laneOfReceiver,
  Notifications,
  notificationView,
  resend,
} from './notifications.ts'
import type { TellSettings } from './plan-event.ts'
import {
  addReceiver,
  changeReceiver,
  checkNew,
  getReceiverRow,
  noteTest,
  type ReceiverRules,
  receiversOf,
  removeReceiver,
  withoutTest,
} from './receivers.ts'
import { consumerRowId, type NotificationSchema, type Tx } from './row-types.ts'
import { testMessage } from './run-message.ts'
import { newSecret, resealOlder, type Sealing } from './sealed.ts'
import { type SendComponents, type SendSettings, sendNotification } from './send/send-notification.ts'
import { sendNotifications } from './worker.ts'

export type NotificationSettings = TellSettings & SendSettings & { readonly sealing: Sealing }

export type NotificationComponents = Omit<EventConsumerComponents, 'notifications'> &
  Omit<SendComponents, 'sealing'> &
  ForgetComponents & {
    /** Not closed here. */
    readonly database: Database<NotificationSchema>
    readonly clock: Clock
    readonly logger: Logger
    readonly onAttempt?: AttemptObserver
  }

/** Beside what others may ask. */
export interface NotificationHost extends NotificationService {
  /** Forgets what is old, and all of projects that are gone. Ends between two steps when `signal` is aborted. */
  clean(signal?: AbortSignal): Promise<void>
  /** See `Notifications.waiting`. */
  waiting(): { readonly count: number; readonly oldestAt: number | undefined }
}

/** Works until it is disposed, which waits for what is under way. Errors: `key_wrong` when a secret is under none of the keys. */
export async function openNotification(
  settings: NotificationSettings,
  components: NotificationComponents,
): Promise<NotificationHost> {
  const { database, clock, logger, onAttempt } = components
  const { sealing } = settings
  await resealOlder(database, sealing)
  const notifications = new Notifications({ database, clock, ...(onAttempt === undefined ? {} : { onAttempt }) })
  const closing = new AbortController()
  const working = Promise.all([
    consumeEvents(settings, { ...components, notifications }, closing.signal),
    sendNotifications(
      {
        notifications,
        send: (one, signal) => sendNotification(one, settings, { ...components, sealing }, signal),
        clock,
        logger,
      },
      closing.signal,
    ),
  ])
  return {
    ...operations(settings, components, notifications),
    clean: async (signal) => {
      await notifications.clean(signal)
      await forgetProjects(components, signal)
    },
    waiting: () => notifications.waiting(),
    [Symbol.asyncDispose]: async () => {
      closing.abort(new Error('the process ends'))
      await working
    },
  }
}

function operations(
  settings: NotificationSettings,
  { database, configstore, clock, logger }: NotificationComponents,
  notifications: Notifications,
): Omit<NotificationService, symbol> {
  const { sealing, smtp } = settings
  const rules: ReceiverRules = { recipientDomains: smtp?.recipientDomains }

  const change = async <T extends object>(
    name: string,
    call: NotificationCall | undefined,
    act: (tx: Tx) => T,
  ): Promise<T & { readonly position: number }> => {
    const { transactionId, actor } = call ?? {}
    const { result, position } = await database.do(act, transactionId === undefined ? {} : { transactionId })
    logger.info('notification changed', { operation: name, position, ...(actor === undefined ? {} : { actor }) })
    return { ...result, position }
  }
  return {
    position: async (atLeast) => {
      if (atLeast !== undefined) await database.waitFor(atLeast)
      return database.position
    },

    createReceiver: async (input, call) => {
      const prepared = checkNew(input, rules)
      const now = clock.now()
      const id = newUuid(now)
      const secret = newSecret(sealing, call?.transactionId)
      const made = await change('createReceiver', call, (tx) => ({
        receiver: addReceiver(tx, sealing, { id, now, input, prepared, secret }),
      }))
      return input.kind === 'webhook' ? { ...made, secret } : made
    },

    listReceivers: async ({ projectId }) => {
      return { items: database.view((tx) => receiversOf(tx, projectId).map(withoutTest)) }
    },

    getReceiver: async ({ projectId, id }) => {
      return withoutTest(database.view((tx) => getReceiverRow(tx, projectId, id)))
    },

    updateReceiver: async (input, call) => {
      const now = clock.now()
      const secret = input.newSecret === true ? newSecret(sealing, call?.transactionId) : undefined
      const changed = await change('updateReceiver', call, (tx) => ({
        receiver: changeReceiver(tx, sealing, { now, input, secret, rules }),
      }))
      return secret === undefined ? changed : { ...changed, secret }
    },

    deleteReceiver: async (input, call) => {
      const now = clock.now()
      return await change('deleteReceiver', call, (tx) => {
        removeReceiver(tx, { ...input, now })
        return {}
      })
    },

    sendTest: async ({ projectId, id }, call) => {
      const project = await configstore.getProject({ project: projectId })
      const now = clock.now()
      const newId = newUuid(now)
      const messageId = `test.${newId}`
      const body = testMessage(messageId, { project, url: settings.publicUrl(), now })
      const sent = await change('sendTest', call, (tx) => {
        const { settings: of } = noteTest(tx, projectId, id, now)
        const sequence = tx.get('consumer', consumerRowId)?.passed ?? 0
        const lane = laneOfReceiver(id)
        tx.put('message', messageId, { projectId, createdAt: now, body })
        addNotification(
          tx,
          newId,
          { projectId, kind: of.kind, receiverId: id, event: 'test', messageId, lane, sequence },
          now,
        )
        return { notification: notificationView(tx, getNotificationRow(tx, projectId, newId)) }
      })
      notifications.wake()
      return sent
    },

    listNotifications: async (query) => {
      return notifications.list(query)
    },

    getNotification: async ({ projectId, id }) => {
      return notifications.get(projectId, id)
    },

    resendNotification: async ({ projectId, id }, call) => {
      const now = clock.now()
      const newId = newUuid(now)
      const sent = await change('resendNotification', call, (tx) => {
        resend(tx, projectId, id, { newId, now })
        return { notification: notificationView(tx, getNotificationRow(tx, projectId, newId)) }
      })
      notifications.wake()
      return sent
    },
  }
}
