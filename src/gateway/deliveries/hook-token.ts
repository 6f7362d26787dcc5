// The address that is called to have a repository looked at: whoever knows it may. Made of the secret of the project's webhooks, so a
// new secret is a new address.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { ProjectCredentials } from '../../configstore/api.ts'

export function hookTokenOf(secret: string): string {
  return createHmac('sha256', secret).update('hook').digest('hex').slice(0, 40)
}

export function isHookToken(token: string, secrets: readonly string[]): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return secrets.map((secret) => timingSafeEqual(digest(token), digest(hookTokenOf(secret)))).includes(true)
}

/** The one that is valid, and the one before it. */
export function webhookSecretsOf({ webhookSecret, previousWebhookSecret }: ProjectCredentials): readonly string[] {
  return [webhookSecret, previousWebhookSecret].filter((secret) => secret !== undefined && secret !== '') as string[]
}
