// What came from outside about a repository, kept until runs were made of it and for a while after: so nothing that was accepted is
// lost, and why a push started nothing can be told.

import type { RepositoryEvent } from '../../gitsource/repository-event.ts'
import type { WebhookProvider } from '../../gitsource/webhooks/webhook.ts'

/** Who told: a provider's webhook, a call of the hook's address, or a look of our own. */
export type DeliverySource = WebhookProvider | 'hook' | 'poll'

export type DeliveryWork =
  | {
      readonly kind: 'event'
      readonly event: RepositoryEvent
      /** As the provider called the repository then; it may have been renamed since somebody asked. */
      readonly repositoryPath?: string
    }
  /** Look at the repository for what has changed. */
  | { readonly kind: 'look' }

export const deliveryOutcomes = ['created', 'nothing', 'ignored', 'refused', 'failed'] as const

/** What became of it. */
export type DeliveryOutcome = {
  /**
   * `created`: runs were made; `nothing`: the definition asks for none; `ignored`: it is nothing that starts runs; `refused`: its
   * signature is wrong; `failed`: it could not be done.
   */
  readonly kind: (typeof deliveryOutcomes)[number]
  /** For people. */
  readonly message: string
  readonly runIds?: readonly string[]
  /** Runs of the definition that were not made, and why. */
  readonly notCreated?: readonly { readonly name: string; readonly message: string }[]
}

/** Id: a UUID, sorted by time; `refused-PROJECT` for what came without a right signature, of which only the last is kept. */
export type Delivery = {
  readonly projectId: string
  readonly source: DeliverySource
  /** Milliseconds since 1970, as all times here. */
  readonly receivedAt: number
  /** As the source calls it: `push`, `Merge Request Hook`. */
  readonly event: string
  readonly ref: string
  readonly commitSha?: string
  readonly sender: string
  /** The same for all attempts of a source to deliver it. */
  readonly key?: string
  /** How often it came again. */
  readonly repeats: number
  /** The delivery that this one repeats on request. */
  readonly redeliveryOf?: string
  readonly work?: DeliveryWork
  readonly outcome?: DeliveryOutcome
  /** Whom working on it asks (`lane.ts`); without one, nobody but the project's own repository. */
  readonly lane?: string
  /** While there is no outcome. */
  readonly queued?: {
    /** Nobody takes it before; the end of the lease once somebody has. */
    readonly dueAt: number
    readonly attempts: number
    readonly holder?: string
    readonly lastError?: string
  }
}

/** What a look found last. Id: the project. */
export type LookedAt = {
  readonly url: string
  /** Grows with each change: who has read an older one looks again. */
  readonly generation: number
  /** Of all refs with their commits; empty while they are being recorded. */
  readonly digest: string
  /** Why the last look failed. */
  readonly trouble?: string
}

/** A branch or tag where it was seen last. Id: `PROJECT/` and the SHA-256 of its name. */
export type SeenRef = {
  readonly projectId: string
  readonly ref: string
  readonly commitSha: string
  /** `remembered`: by a look that started nothing for it. */
  readonly by: 'look' | 'webhook' | 'remembered'
}
