// Sends one notification to whom it is for.

import type { Database } from '../../datamanager/database.ts'
import type { Clock } from '../../lib/clock.ts'
import { limits } from '../../lib/limits.ts'
import type { SendResult, TakenNotification } from '../notifications.ts'
import type { NotificationRow, NotificationSchema, ReceiverRow } from '../row-types.ts'
import { findSecret, type Sealing } from '../sealed.ts'
import { type CommitStatusComponents, sendCommitStatus } from './commit-status.ts'
import { type SmtpSettings, sendEmail } from './email.ts'
import { sendSlack } from './slack.ts'
import { sendWebhook } from './webhook.ts'

export type SendSettings = {
  readonly allowPrivateAddresses: boolean
  readonly smtp?: SmtpSettings
  /** Of the program. */
  readonly version: string
}

export type SendComponents = CommitStatusComponents & {
  readonly database: Database<NotificationSchema>
  readonly sealing: Sealing
  readonly clock: Clock
}

/** Throws trouble of our own, and the reason of `signal`. */
export async function sendNotification(
  { id, body }: TakenNotification,
  settings: SendSettings,
  components: SendComponents,
  signal: AbortSignal,
): Promise<SendResult> {
  if (body.status !== undefined) return await sendCommitStatus(body.projectId, body.status, components, signal)
  const { clock } = components
  const found = findContent(body, components)
  if ('why' in found) return { kind: 'failed', isFinal: true, message: found.why }
  const { receiver, message, secrets, url } = found
  const { version, allowPrivateAddresses, smtp } = settings
  const options = {
    allowPrivateAddresses,
    signal: AbortSignal.any([signal, clock.timeout(limits.notificationSendMs.value)]),
    now: () => clock.now(),
  }
  switch (receiver.settings.kind) {
    case 'webhook': {
      const { url: target, format } = receiver.settings
      const attempt = body.attemptCount + 1
      return await sendWebhook(
        { url: target, format, secrets, notificationId: id, attempt, body: message, version },
        options,
      )
    }
    case 'slack':
      return await sendSlack({ url: url ?? '', body: message, version }, options)
    case 'email':
      if (smtp === undefined)
        return {
          kind: 'failed',
          isFinal: true,
          message: 'this installation sends no mail: notification.smtp is not set',
        }
      return await sendEmail(
        { recipients: receiver.settings.recipients, id: mailId(id, body), body: message },
        smtp,
        signal,
      )
  }
}

type Content = {
  readonly receiver: ReceiverRow
  readonly message: string
  readonly secrets: readonly string[]
  readonly url: string | undefined
}

function findContent(
  { receiverId, messageId }: NotificationRow,
  { database, sealing, clock }: Pick<SendComponents, 'database' | 'sealing' | 'clock'>,
): Content | { readonly why: string } {
  const now = clock.now()
  return database.view((tx) => {
    const receiver = receiverId === undefined ? undefined : tx.get('receiver', receiverId)
    if (receiver === undefined) return { why: 'its receiver was removed' }
    if (!receiver.isEnabled) return { why: 'its receiver is turned off' }
    const message = messageId === undefined ? undefined : tx.get('message', messageId)
    if (message === undefined) return { why: 'what it told is not kept any more' }
    const find = (field: 'secret' | 'previoussecret' | 'url') =>
      findSecret(tx, sealing, { receiverId: receiver.id, field, now })
    const secrets = [find('secret'), find('previoussecret')].filter((secret) => secret !== undefined)
    return { receiver, message: message.body, secrets, url: find('url') }
  })
}

/** One for each change and receiver; what is sent again on request is another mail. */
const mailId = (id: string, { messageId, receiverId, resendOf }: NotificationRow) =>
  resendOf === undefined ? `${messageId}.${receiverId}` : id
