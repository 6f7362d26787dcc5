// What the gateway is told by the configuration.

export type GatewaySettings = {
  /** Of the program. */
  readonly version: string
  /** An administrator's token that needs no user; none by default. */
  readonly adminToken?: string
  /** SHA-256, hex, of the token in the one-time link for the first administrator (`/setup?token=...`). */
  readonly setupTokenHash?: string
  /** How the installation is reached from outside: `https://ci.example.org`. Decides whether cookies are for https only. */
  readonly publicUrl?: string
  /** Other origins whose pages may call the API: `https://dash.example.org`. */
  readonly allowedOrigins: readonly string[]
  /** Whether owners of organizations add members, or invite them. */
  readonly memberAdding: 'direct' | 'invitation'
  /** Milliseconds from its login to the end of a session; by default as `limits.sessionMs` says. */
  readonly sessionMs?: number
  /** Collector of OpenTelemetry traces (OTLP over HTTP): `http://collector:4318`. Without one there are no traces. */
  readonly tracingEndpoint?: string
  /** Compares each answer with its schema, and fails with `invariant`: for tests. */
  readonly checkAnswers?: boolean
}
