// Run webhooks: what is sent and how it is signed (docs/notifications.md, "Run webhooks").

import { createHmac } from 'node:crypto'
import type { SendResult } from '../notifications.ts'
import type { Message } from '../run-message.ts'
import type { WebhookFormat } from '../types.ts'
import { type HttpPostOptions, postOnce } from './http-post.ts'

export type Webhook = {
  readonly url: string
  readonly format: WebhookFormat
  /** The newest first. */
  readonly secrets: readonly string[]
  readonly notificationId: string
  readonly attempt: number
  /** The message. */
  readonly body: string
  /** Of the program. */
  readonly version: string
}

export async function sendWebhook(webhook: Webhook, options: HttpPostOptions): Promise<SendResult> {
  return await postOnce(webhookRequest(webhook, options.now()), options)
}

/** Pure. `now`: milliseconds since 1970. */
export function webhookRequest(webhook: Webhook, now: number) {
  const { url, format, secrets, notificationId, attempt, version } = webhook
  const message = JSON.parse(webhook.body) as Message
  const body = format === 'cloudevents' ? cloudEvent(message) : webhook.body
  const timestamp = String(Math.floor(now / 1000))
  return {
    url,
    body,
    headers: {
      'content-type': format === 'cloudevents' ? 'application/cloudevents+json' : 'application/json',
      'user-agent': `Slipway/${version}`,
      'slipway-event': message.event,
      'slipway-event-id': message.id,
      'slipway-delivery': notificationId,
      'slipway-attempt': String(attempt),
      'slipway-timestamp': timestamp,
      'slipway-signature': secrets.map((secret) => `v1=${signature(secret, timestamp, body)}`).join(','),
    },
  }
}

/** Lower case hex of HMAC-SHA256 over the timestamp, a full stop and the body. */
export function signature(secret: string, timestamp: string, body: string): string {
  return createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')
}

/** CloudEvents 1.0, JSON format, structured mode. */
function cloudEvent(message: Message): string {
  return JSON.stringify({
    specversion: '1.0',
    id: message.id,
    source: message.project.url,
    type: `slipway.${message.event}.v1`,
    ...(message.run === null ? {} : { subject: `runs/${message.run.number}` }),
    time: message.time,
    datacontenttype: 'application/json',
    data: message,
  })
}
