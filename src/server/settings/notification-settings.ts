// What the settings say of notification, complete and checked.

import { readFileSync } from 'node:fs'
import { errorMessage, SlipwayError } from '../../lib/errors.ts'
import { checkSender, type SmtpSettings } from '../../notification/send/email.ts'
import type { SettingsFile } from './settings-schema.ts'

export type NotificationFileSettings = {
  readonly statusPrefix: string
  readonly allowPrivateAddresses: boolean
  readonly smtp: SmtpSettings | undefined
}

const ports = { starttls: 587, tls: 465, none: 25 }

/** Errors: `config_invalid` with the setting. */
export function completeNotification(said: SettingsFile['notification'] = {}): NotificationFileSettings {
  return {
    statusPrefix: said.statusPrefix ?? 'slipway',
    allowPrivateAddresses: said.allowPrivateAddresses ?? false,
    smtp: said.smtp === undefined ? undefined : completeSmtp(said.smtp),
  }
}

type SaidSmtp = NonNullable<NonNullable<SettingsFile['notification']>['smtp']>

function completeSmtp(said: SaidSmtp): SmtpSettings {
  const { host, from, security = 'starttls', user, passwordFile, caFile } = said
  if (host === undefined) throw missing('host')
  if (from === undefined) throw missing('from')
  checkSender(from)
  if ((user === undefined) !== (passwordFile === undefined)) throw missing(user === undefined ? 'user' : 'passwordFile')
  return {
    host,
    port: said.port ?? ports[security],
    security,
    from,
    ...(user === undefined ? {} : { user }),
    ...(passwordFile === undefined ? {} : { password: readText('passwordFile', passwordFile).trim() }),
    ...(caFile === undefined ? {} : { ca: readText('caFile', caFile) }),
    recipientDomains: (said.recipientDomains ?? []).map((domain) => domain.toLowerCase()),
  }
}

function missing(setting: string): SlipwayError {
  return new SlipwayError('config_invalid', `notification.smtp.${setting}: is needed for mail`)
}

function readText(setting: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new SlipwayError(
      'config_invalid',
      `notification.smtp.${setting}: ${path} cannot be read: ${errorMessage(cause)}`,
      {
        cause,
      },
    )
  }
}
