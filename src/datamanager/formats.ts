// Which formats this version reads, and when a writer may use a newer one: only when every instance that was seen in the last
// hour reads it. So instances of two versions work side by side, and the newer one waits with what the older one lacks.

import { limits } from '../lib/limits.ts'
import { exportFormat } from './export/export-format.ts'
import { installationFormat } from './installation-id.ts'
import { fileFormat } from './read-model/sqlite.ts'
import { recordFormat } from './record.ts'
import { dataFileFormat } from './snapshot/data-file.ts'
import { manifestFormat } from './snapshot/manifest.ts'
import { rootFormat } from './snapshot/root.ts'

/** The highest format of each kind of thing that a version reads; all lower ones too. */
export type Formats = Readonly<Record<string, number>>

export const readableFormats: Formats = {
  dataFile: dataFileFormat,
  export: exportFormat,
  file: fileFormat,
  installation: installationFormat,
  manifest: manifestFormat,
  record: recordFormat,
  root: rootFormat,
}

/** What the decision needs of an instance. */
export type FormatReader = {
  readonly instanceId: string
  readonly version: string
  readonly formats: Formats
  /** Milliseconds. */
  readonly seenAt: number
}

export type FormatChoice = {
  /** The newest format that may be written. */
  readonly format: number
  /** Those because of whom it is not `newest`. */
  readonly heldBackBy: readonly FormatReader[]
}

/**
 * The format to write things of `kind` in, at most `newest`, which is what this version can write. An instance that does not
 * say counts as one that reads format 1. `seen`: every instance there is a trace of, this one too.
 */
export function chooseFormat(
  { kind, newest }: { readonly kind: string; readonly newest: number },
  seen: readonly FormatReader[],
  now: number,
): FormatChoice {
  const recent = seen.filter(({ seenAt }) => now - seenAt <= limits.instanceRememberedMs.value)
  const heldBackBy = recent.filter((instance) => readsUpTo(instance, kind) < newest)
  return { format: Math.min(newest, ...heldBackBy.map((instance) => readsUpTo(instance, kind))), heldBackBy }
}

function readsUpTo({ formats }: FormatReader, kind: string): number {
  return Object.hasOwn(formats, kind) ? (formats[kind] ?? 1) : 1
}
