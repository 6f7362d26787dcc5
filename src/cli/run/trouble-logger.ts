// Tells the person of trouble that the parts of Slipway wait out by themselves, such as a full disk: without that a run would
// only seem to hang.

import type { LogFields, Logger } from '../../lib/log.ts'
import { machineTroubleOf } from '../describe-error.ts'

/** Each trouble is told once. What is no trouble of the machine is dropped: the run's own events tell of it. */
export function troubleLogger(tell: (message: string) => void): Logger {
  const told = new Set<string>()
  const look = (_message: string, fields?: LogFields) => {
    const trouble = machineTroubleOf(fields?.error)
    if (trouble === undefined || told.has(trouble.what)) return
    told.add(trouble.what)
    tell(`Trouble: ${trouble.what} (${trouble.detail}). Trying again until that changes; interrupt to stop`)
  }
  return { debug: () => {}, info: () => {}, warn: look, error: look }
}
