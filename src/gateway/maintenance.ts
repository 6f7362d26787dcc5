// What the gateway needs of the databases of the installation: datamanager's InstallationMaintenance has it, and whoever composes
// adds what it takes to open secrets for a passphrase.

/** Why nothing is written; times in milliseconds since 1970. */
export type MaintenanceReason = { readonly by: string; readonly why: string; readonly since: number }

export type MaintenanceStatus = {
  readonly databases: readonly {
    readonly service: string
    readonly position: number
    readonly maintenance: MaintenanceReason | undefined
  }[]
  readonly instances: readonly {
    readonly instanceId: string
    readonly version: string
    readonly databases: Readonly<Record<string, { readonly position: number }>>
    /** It applied the cut and serves nothing but maintenance, export and import. */
    readonly hasEntered: boolean
    readonly isPresent: boolean
    readonly seenAt: number
  }[]
  /** All databases and all instances that are there are in maintenance. */
  readonly isEverywhere: boolean
}

/** Of the databases of this process. */
export type DatabasesStatus = {
  /** `embedded`, `etcd`, `postgres`, `bucket`. */
  readonly log: string
  readonly databases: readonly {
    readonly service: string
    readonly generation: string
    readonly position: number
    /** Newest record in object storage. */
    readonly shipped: number | undefined
    /** Positions, the newest first. */
    readonly snapshots: readonly number[]
    readonly snapshotAgeMs: number | undefined
    /** What has waited for longer than a minute; of the first thousand that are due. */
    readonly waiting: readonly {
      readonly kind: string
      readonly count: number
      readonly oldestAt: number
      readonly lastError?: string
    }[]
  }[]
  readonly instances: MaintenanceStatus['instances']
}

export type TransferRequest = {
  readonly signal: AbortSignal
  /** Secrets are sealed anew under it; without one they stay sealed under the key of the installation. */
  readonly passphrase?: string
}

export interface Maintenance {
  /** Throws `maintenance` while this instance is in maintenance. */
  checkOpen(): void
  status(signal?: AbortSignal): Promise<MaintenanceStatus>
  /** Reads a few objects of each database. */
  databasesStatus(signal?: AbortSignal): Promise<DatabasesStatus>
  /** Nothing is written from now on. */
  enter(by: string, why: string): Promise<unknown>
  leave(): Promise<unknown>
  /** All rows as one stream, at any time. */
  exportAll(request: TransferRequest): AsyncIterable<Uint8Array>
  /** Replaces all rows, or throws and has changed nothing. Errors: `import_invalid`, `import_refused` outside maintenance. */
  import(stream: AsyncIterable<Uint8Array>, request: TransferRequest): Promise<unknown>
}
