// An error that ends the command, in words for the person who started it.

import { isSlipwayError } from '../lib/errors.ts'

/** What of the machine stands in the way: no fault of Slipway's, so no stack and no request to report it. */
const machineTroubles: Readonly<Record<string, string>> = {
  disk_full: 'the disk is full',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a file is where a directory is needed',
  EACCES: 'a file may not be used by this user',
  EPERM: 'this user may not do that',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
  ENOMEM: 'the machine has no memory left',
  EIO: 'the disk cannot be read or written',
}

/** One paragraph; for a bug of ours with the stack. */
export function describeError(error: unknown): string {
  // While one error was on its way, tidying up failed as well: the first one is what happened.
  if (error instanceof SuppressedError) return describeError(error.suppressed)
  const trouble = machineTroubleOf(error)
  if (trouble !== undefined) return `${trouble.what} (${trouble.detail})`
  if (isSlipwayError(error) && error.kind !== 'internal') return error.message
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return `internal error, please report it: ${detail}`
}

/** What of the machine stands in the way, if that is what `error` or its cause says. */
export function machineTroubleOf(error: unknown): { readonly what: string; readonly detail: string } | undefined {
  if (!(error instanceof Error)) return undefined
  const what = 'code' in error ? machineTroubles[String(error.code)] : undefined
  return what === undefined ? machineTroubleOf(error.cause) : { what, detail: error.message }
}
