// Sealed values in exports. Rows are exported as they are stored, with values that only the installation's key opens. On
// request a line carries such values once more, sealed under a passphrase, so that another installation can seal them under
// its own key. Which rows have sealed values, and how they are sealed, their services know.

import type { Json, JsonObject } from '../../lib/json.ts'

export type SealedRow = {
  readonly type: string
  readonly id: string
  readonly body: Json
  /** Of the database the row is in: sealed values are bound to it. */
  readonly store: string
}

/** Made anew for each snapshot, so that the same one gives the same bytes again. */
export type OpenSecretsExport = (snapshot: { readonly generation: string; readonly position: number }) => SecretsExport

export type SecretsExport = {
  /** How the passphrase becomes a key; part of the export's header. */
  readonly header: JsonObject
  /** Only rows of these types have sealed values. */
  readonly types: ReadonlySet<string>
  /** The sealed values of a row under the passphrase; the same each time. Errors: `key_wrong`. */
  readonly wrap: (row: SealedRow) => JsonObject | undefined
}

export type SecretsImport = {
  /** The body of a row with its values sealed anew for the store of `row`. Errors: `key_wrong`, with which row. */
  readonly unwrap: (row: SealedRow, wrapped: JsonObject) => Json
}
