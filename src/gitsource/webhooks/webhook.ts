// A webhook of a provider: which one it is of, whether it is signed, what it says. Nothing here believes anything of a request before
// its signature is right, and nothing takes a repository or an address to fetch from out of it.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { RepositoryEvent } from '../repository-event.ts'
import { parseGitea } from './gitea.ts'
import { parseGithub } from './github.ts'
import { parseGitlab } from './gitlab.ts'
import { invalid } from './payload.ts'

export const webhookProviders = ['github', 'gitlab', 'gitea', 'forgejo'] as const
export type WebhookProvider = (typeof webhookProviders)[number]

/** By lower-case names. */
export type WebhookHeaders = Readonly<Record<string, string | string[] | undefined>>

export type Webhook = { readonly headers: WebhookHeaders; readonly body: Buffer }

export type ParsedWebhook = {
  /** Of the provider, where it says so: `42`. */
  readonly repositoryId?: string
  /** As the provider calls it now, where it says so: `acme/web`. */
  readonly repositoryPath?: string
} & (
  | { readonly kind: 'event'; readonly event: RepositoryEvent }
  /** Nothing to do; for people. */
  | { readonly kind: 'ignored'; readonly why: string; readonly ref?: string }
)

/** Undefined when its headers are none of a provider. Gitea and Forgejo send those of others as well. */
export function providerOf(headers: WebhookHeaders): WebhookProvider | undefined {
  if (headerOf(headers, 'x-forgejo-event') !== undefined) return 'forgejo'
  if (headerOf(headers, 'x-gitea-event') !== undefined) return 'gitea'
  if (headerOf(headers, 'x-gitlab-event') !== undefined) return 'gitlab'
  return headerOf(headers, 'x-github-event') === undefined ? undefined : 'github'
}

/** Whether it is signed with one of the secrets. Takes no longer or shorter for a signature that is nearly right. */
export function isSigned({ headers, body }: Webhook, provider: WebhookProvider, secrets: readonly string[]): boolean {
  const given = signatureOf(headers, provider)
  if (given === undefined) return false
  let found = false
  for (const secret of secrets) {
    if (secret === '') continue
    const expected = provider === 'gitlab' ? secret : createHmac('sha256', secret).update(body).digest('hex')
    if (isSame(given, expected)) found = true
  }
  return found
}

/** Of the webhook as people know it: `push`. */
export function eventNameOf(headers: WebhookHeaders, provider: WebhookProvider): string {
  return (headerOf(headers, `x-${provider}-event`) ?? '').slice(0, 100)
}

/**
 * The same for all attempts to deliver one thing. GitLab's event id is also that of what the event caused, so the body is part of it.
 */
export function deliveryKeyOf({ headers, body }: Webhook, provider: WebhookProvider): string {
  const named =
    provider === 'gitlab'
      ? (headerOf(headers, 'idempotency-key') ?? prefixed(headerOf(headers, 'x-gitlab-event-uuid'), body))
      : headerOf(headers, `x-${provider}-delivery`)
  const isName = named !== undefined && /^[\x21-\x7e]{1,200}$/.test(named)
  return isName ? `${provider}:${named}` : `${provider}:sha256:${digest(body)}`
}

/** What it says. Errors: `request_invalid` when it is not what the provider documents. */
export function parseWebhook({ headers, body }: Webhook, provider: WebhookProvider): ParsedWebhook {
  const event = eventNameOf(headers, provider)
  const payload = payloadOf({ headers, body })
  switch (provider) {
    case 'github':
      return parseGithub(event, payload)
    case 'gitlab':
      return parseGitlab(event, payload)
    case 'gitea':
    case 'forgejo':
      return parseGitea(event, payload)
  }
}

function signatureOf(headers: WebhookHeaders, provider: WebhookProvider): string | undefined {
  switch (provider) {
    case 'gitlab':
      return headerOf(headers, 'x-gitlab-token')
    case 'github':
      return /^sha256=([0-9a-f]{64})$/.exec(headerOf(headers, 'x-hub-signature-256') ?? '')?.[1]
    case 'gitea':
    case 'forgejo':
      return headerOf(headers, `x-${provider}-signature`)
  }
}

/** JSON, or a form with the JSON in its field `payload`, as GitHub and Gitea can send it. */
function payloadOf({ headers, body }: Webhook): unknown {
  const type = (headerOf(headers, 'content-type') ?? 'application/json').split(';')[0]!.trim().toLowerCase()
  const text = body.toString('utf8')
  const json = type === 'application/x-www-form-urlencoded' ? (new URLSearchParams(text).get('payload') ?? '') : text
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw invalid(`it is no JSON (${(cause as Error).message.slice(0, 100)})`)
  }
}

function prefixed(id: string | undefined, body: Buffer): string | undefined {
  return id === undefined ? undefined : `${id}:${digest(body)}`
}

function isSame(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest())
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function headerOf(headers: WebhookHeaders, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}
