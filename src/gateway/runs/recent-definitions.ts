// Definitions as they were read a moment ago: most pushes leave theirs as it was, and reading one is most of what a push costs.

import { type FetchedDefinition, readDefinition } from './fetch-definition.ts'

const keptMost = 200
/** Of all texts. */
const charactersMost = 4 * 1024 * 1024

export class RecentDefinitions {
  /** By path and text; the one used longest ago first. */
  readonly #known = new Map<string, Exclude<FetchedDefinition, { readonly kind: 'none' }>>()
  #characters = 0

  /** As `readDefinition`. One with errors is read again: they may be of a moment, such as an evaluation that took too long. */
  readonly read: typeof readDefinition = (path, text) => {
    const key = `${path}\n${text}`
    const definition = this.#known.get(key) ?? readDefinition(path, text)
    this.#forget(key)
    if (definition.kind !== 'config') return definition
    this.#known.set(key, definition)
    this.#characters += key.length
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= keptMost && this.#characters <= charactersMost) break
      this.#forget(oldest)
    }
    return definition
  }

  #forget(key: string): void {
    if (this.#known.delete(key)) this.#characters -= key.length
  }
}
