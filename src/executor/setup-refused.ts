// A setup that cannot succeed, with the typed reason that API, command line and web UI show.

import type { Reason } from '../runservice/reasons.ts'

export class SetupRefused extends Error {
  readonly reason: Reason

  constructor(reason: Reason, message: string) {
    super(message)
    this.name = 'SetupRefused'
    this.reason = reason
  }
}
