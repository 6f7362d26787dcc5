// What the services of this process count and know for `/metrics`.

import { Tally } from '../../lib/tally.ts'

export type WaitingFigures = {
  readonly count: number
  /** Milliseconds since 1970; undefined when nothing waits. */
  readonly oldestAt: number | undefined
}

export type Figures = {
  /** `outcome`: those of a delivery. */
  readonly deliveries: Tally<'outcome'>
  /** `outcome`: the state after the attempt; `waiting` when it is tried again. */
  readonly notificationAttempts: Tally<'kind' | 'outcome'>
  /** `outcome`: `accepted`, `refused`, `failed`. */
  readonly pushes: Tally<'outcome'>
  /** `outcome`: `answered`, or the code of the error. */
  readonly providerRequests: Tally<'provider' | 'outcome'>
  /** By kind of work, as `slipway database status` calls it. */
  readonly waiting: Map<string, () => WaitingFigures>
  /** Of direct runs, as they were measured last; nothing where no git server runs. */
  readonly repositories: { measured?: { readonly count: number; readonly bytes: number } }
}

export function createFigures(): Figures {
  return {
    deliveries: new Tally(),
    notificationAttempts: new Tally(),
    pushes: new Tally(),
    providerRequests: new Tally(),
    waiting: new Map(),
    repositories: {},
  }
}
