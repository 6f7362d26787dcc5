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

/**
 * Kinds that are written in the newest format that was agreed on. Manifests and files are not: they have the format they have now
 * since the first version.
 */
const agreedKinds: readonly string[] = ['record']

/** What an instance may write, by what it has heard of the others: format 1 of each kind until it was asked about. */
export class AgreedFormats {
  readonly #newest: Formats
  readonly #agreed = new Map<string, number>()

  /** `newest`: what this version reads, and can write. */
  constructor(newest: Formats) {
    this.#newest = newest
  }

  /** Whether hearing of others can still change something. */
  get isComplete(): boolean {
    return agreedKinds.every((kind) => this.of(kind) >= (this.#newest[kind] ?? 1))
  }

  /** The format to write things of `kind` in. It never falls: who comes later and does not read it cannot read what is there. */
  of(kind: string): number {
    return this.#agreed.get(kind) ?? 1
  }

  /** `seen`: every instance there is a trace of, this one too. */
  hear(seen: readonly FormatReader[], now: number): void {
    for (const kind of agreedKinds) {
      const { format } = chooseFormat({ kind, newest: this.#newest[kind] ?? 1 }, seen, now)
      this.#agreed.set(kind, Math.max(this.of(kind), format))
    }
  }
}

function readsUpTo({ formats }: FormatReader, kind: string): number {
  return Object.hasOwn(formats, kind) ? (formats[kind] ?? 1) : 1
}
