// Presence, locks and leases between instances. Never needed for correctness: losing a lock costs work, not data.

export type Presence = { readonly instanceId: string; readonly data: string; readonly seenAt: number }

export interface Coordination extends AsyncDisposable {
  /** Publishes `data` of this instance until disposed; renewed at least every 10 s. */
  announce(instanceId: string, data: string): Promise<void>
  /** Instances seen during the last 30 s. */
  present(): Promise<readonly Presence[]>
  /** Takes the named lock or returns undefined at once; disposing releases it; `lost` is aborted when it was lost. */
  tryLock(name: string): Promise<(AsyncDisposable & { readonly lost: AbortSignal }) | undefined>
}
