// Counts by labels, for the figures of this process.

export type Counted<Label extends string> = { readonly labels: Readonly<Record<Label, string>>; readonly count: number }

export class Tally<Label extends string> {
  readonly #counted = new Map<string, Counted<Label>>()

  /** One more. Labels are few and known: each combination is remembered for ever. */
  count(labels: Readonly<Record<Label, string>>): void {
    const key = JSON.stringify(Object.entries(labels).toSorted())
    this.#counted.set(key, { labels, count: (this.#counted.get(key)?.count ?? 0) + 1 })
  }

  /** Since the process began. */
  get counted(): readonly Counted<Label>[] {
    return [...this.#counted.values()]
  }
}
