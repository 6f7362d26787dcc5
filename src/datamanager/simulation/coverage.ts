// How often each fault and each recovery branch was reached: what never happened was not tested.

export class Coverage {
  readonly counts = new Map<string, number>()

  /** Every name that must be reached. */
  constructor(expected: readonly string[]) {
    for (const name of expected) this.counts.set(name, 0)
  }

  reached(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
  }

  get missing(): string[] {
    return [...this.counts].filter(([, count]) => count === 0).map(([name]) => name)
  }

  toString(): string {
    return [...this.counts].map(([name, count]) => `${String(count).padStart(8)}  ${name}`).join('\n')
  }
}
