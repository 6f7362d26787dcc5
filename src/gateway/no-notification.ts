// Of an installation that has no notification service: whoever asks for it hears why.

import { SlipwayError } from '../lib/errors.ts'
import { type NotificationService, notificationMethods } from '../notification/api.ts'

export function noNotification(): NotificationService {
  const refuse = async () => {
    throw new SlipwayError(
      'service_unavailable',
      'no notification service runs here (components, services.notification)',
    )
  }
  const methods = Object.fromEntries(Object.keys(notificationMethods).map((name) => [name, refuse]))
  return { ...methods, [Symbol.asyncDispose]: async () => {} } as unknown as NotificationService // Each method is there.
}
