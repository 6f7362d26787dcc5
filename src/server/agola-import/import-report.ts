// What became of an export of Agola: how much was read and written, and everything that has no place here, with the reason.

export type Dropped = {
  /** `Run.archived`, or the kind alone when whole objects were left out. */
  readonly what: string
  readonly why: string
  readonly count: number
  /** Ids of some of the objects. */
  readonly examples: readonly string[]
}

export type AgolaImportReport = {
  readonly format: string
  /** Objects read, by kind. */
  readonly read: Readonly<Record<string, number>>
  /** Rows written, by type. */
  readonly written: Readonly<Record<string, number>>
  readonly dropped: readonly Dropped[]
}

const examplesMax = 5

export class ReportBuilder {
  format = ''
  readonly #read = new Map<string, number>()
  readonly #written = new Map<string, number>()
  readonly #dropped = new Map<string, { what: string; why: string; count: number; examples: string[] }>()

  read(kind: string): void {
    this.#read.set(kind, (this.#read.get(kind) ?? 0) + 1)
  }

  wrote(type: string): void {
    this.#written.set(type, (this.#written.get(type) ?? 0) + 1)
  }

  drop(what: string, why: string, id: string): void {
    const key = `${what}\0${why}`
    const dropped = this.#dropped.get(key) ?? { what, why, count: 0, examples: [] }
    this.#dropped.set(key, dropped)
    dropped.count++
    if (dropped.examples.length < examplesMax && !dropped.examples.includes(id)) dropped.examples.push(id)
  }

  build(): AgolaImportReport {
    const sorted = (counts: ReadonlyMap<string, number>) => Object.fromEntries([...counts].sort())
    const dropped = [...this.#dropped.values()].sort((a, b) => (a.what < b.what ? -1 : 1))
    return { format: this.format, read: sorted(this.#read), written: sorted(this.#written), dropped }
  }
}
