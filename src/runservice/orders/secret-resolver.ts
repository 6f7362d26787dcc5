// Secrets whose values are kept elsewhere: a run has references to them, and their values are looked up when one of its tasks is
// handed to an executor.

import type { Trust } from '../types.ts'

export type SecretLookUp = {
  /** Of the run. */
  readonly group: string
  readonly trust: Trust
  readonly refs: readonly string[]
}

export type FoundSecret = {
  readonly value: string
  /** How people call it. */
  readonly name: string
  /** Counted up with each new value. */
  readonly version: number
}

export interface SecretResolver {
  /** Whether the value of such a reference, in runs of the group, is kept there; else it is sealed with its run. */
  isKept(ref: string, group: string): boolean
  /**
   * Values as they are now, by reference; what is gone, or not for such a run, is left out. Errors of kind `unavailable` and
   * `internal` delay the task, all others fail it.
   */
  lookUp(asked: SecretLookUp, signal: AbortSignal): Promise<ReadonlyMap<string, FoundSecret>>
}
