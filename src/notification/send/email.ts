// E-mail by the SMTP server of the installation.

import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { SendResult } from '../notifications.ts'
import type { Message } from '../run-message.ts'
import { changeWords } from './change-words.ts'

export type SmtpSettings = {
  readonly host: string
  readonly port: number
  /** `starttls`: nothing but its beginning is sent without TLS. `none`: everything is. */
  readonly security: 'starttls' | 'tls' | 'none'
  readonly user?: string
  readonly password?: string
  /** `Slipway <ci@example.org>` or an address alone. */
  readonly from: string
  /** Certificate authority of the server besides the usual ones, PEM. */
  readonly ca?: string
  /** Mail goes to these domains only; empty: to any. In lower case. */
  readonly recipientDomains: readonly string[]
}

export type Email = {
  readonly recipients: readonly string[]
  /** Names the message: the same however often it is sent. */
  readonly id: string
  readonly body: string
}

/** What came of it; throws only the reason of the signal. */
export async function sendEmail(email: Email, smtp: SmtpSettings, signal: AbortSignal): Promise<SendResult> {
  const domains = smtp.recipientDomains
  const isAllowed = (address: string) => domains.length === 0 || domains.includes(domainOf(address))
  const recipients = email.recipients.filter(isAllowed)
  if (recipients.length === 0)
    return { kind: 'failed', isFinal: true, message: `mail goes to ${domains.join(', ')} only` }
  const { createTransport } = await import('nodemailer')
  const transport = createTransport({
    host: smtp.host,
    port: smtp.port,
    secure: smtp.security === 'tls',
    requireTLS: smtp.security === 'starttls',
    ignoreTLS: smtp.security === 'none',
    ...(smtp.user === undefined ? {} : { auth: { user: smtp.user, pass: smtp.password ?? '' } }),
    ...(smtp.ca === undefined ? {} : { tls: { ca: smtp.ca } }),
    connectionTimeout: limits.notificationSendMs.value,
    greetingTimeout: limits.notificationSendMs.value,
    socketTimeout: limits.notificationSendMs.value,
    dnsTimeout: limits.notificationSendMs.value,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    signal.throwIfAborted()
    const sending = transport.sendMail({
      from: smtp.from,
      to: [...recipients],
      messageId: `<${email.id}@${domainOf(smtp.from.replace(/[<>]/g, '').trim())}>`,
      headers: { 'Auto-Submitted': 'auto-generated' },
      ...mailContent(JSON.parse(email.body) as Message),
    })
    const { response, rejected } = await Promise.race([sending, aborted.promise])
    const message = rejected.length === 0 ? 'accepted' : `accepted, but not for ${rejected.join(', ')}`
    return { kind: 'sent', message, excerpt: excerptOf(response) }
  } catch (error) {
    if (signal.aborted) throw signal.reason
    return failure(error)
  } finally {
    signal.removeEventListener('abort', onAbort)
    aborted.promise.catch(() => {})
    transport.close()
  }
}

/** Pure. */
export function mailContent(message: Message): {
  readonly subject: string
  readonly text: string
  readonly html: string
} {
  const { title, lines, url } = changeWords(message)
  const paragraphs = lines.map((line) => `<p>${escapeHtml(line)}</p>`).join('\n')
  return {
    subject: title,
    text: `${[title, '', ...lines, '', url].join('\n')}\n`,
    html: `<h3>${escapeHtml(title)}</h3>\n${paragraphs}\n<p><a href="${escapeHtml(url)}">${escapeHtml(url)}</a></p>\n`,
  }
}

/** Of `smtp.from`: one address, perhaps with a name. Errors: `config_invalid`. */
export function checkSender(from: string): void {
  if (!/^(?:[^<>\u0000-\u001f\u007f]+ )?<?[^\s<>@]+@[^\s<>@]+>?$/.test(from))
    throw new SlipwayError(
      'config_invalid',
      `notification.smtp.from: ${JSON.stringify(from)} is not an address like "Slipway <ci@example.org>"`,
    )
}

/** A server that says 5xx of the mail would say it again (RFC 5321, section 4.2.1); of a login it is the administrator who is wrong. */
function failure(error: unknown): SendResult {
  if (isSlipwayError(error)) throw error
  const { command, responseCode, response, message } = error as {
    readonly command?: string
    readonly responseCode?: number
    readonly response?: string
    readonly message?: string
  }
  const isOfMail = ['MAIL FROM', 'RCPT TO', 'DATA'].includes(command ?? '') && responseCode !== 530
  const isFinal = isOfMail && responseCode !== undefined && responseCode >= 500
  return {
    kind: 'failed',
    isFinal,
    message: excerptOf(message ?? 'the SMTP server does not answer'),
    ...(response === undefined ? {} : { excerpt: excerptOf(response) }),
  }
}

const excerptOf = (text: string) =>
  text
    .replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .slice(0, 500)
    .toWellFormed()

const domainOf = (address: string) => address.slice(address.lastIndexOf('@') + 1).toLowerCase()

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}
