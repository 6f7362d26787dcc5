// One object of a configuration file, read member by member; a member that nobody asks for is a mistake and refused.

import { SlipwayError } from './errors.ts'
import type { Json } from './json.ts'

/** Errors of all methods: `config_invalid`, with the path of the member that is wrong. */
export class ConfigSection {
  readonly #path: string
  readonly #members: Map<string, Json | undefined>

  constructor(path: string, value: Json) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new SlipwayError('config_invalid', `${path} must be an object`)
    this.#path = path
    this.#members = new Map(Object.entries(value))
  }

  /** `undefined` when it is not there. */
  text(name: string): string | undefined {
    const value = this.#take(name)
    if (value === undefined) return undefined
    if (typeof value !== 'string' || value === '') throw this.#wrong(name, 'must be a text')
    return value
  }

  name(name: string, pattern: RegExp): string | undefined {
    const value = this.text(name)
    if (value !== undefined && !pattern.test(value)) throw this.#wrong(name, `must match ${pattern.source}`)
    return value
  }

  texts(name: string): readonly string[] {
    const value = this.#take(name)
    if (!Array.isArray(value) || value.length === 0 || !value.every((item) => typeof item === 'string'))
      throw this.#wrong(name, 'must be a list of texts, with at least one')
    return value
  }

  optional<N extends string>(...names: readonly N[]): { readonly [key in N]?: string } {
    const found: { [key in N]?: string } = {}
    for (const name of names) {
      const value = this.text(name)
      if (value !== undefined) found[name] = value
    }
    return found
  }

  section(name: string): ConfigSection {
    const value = this.#take(name)
    if (value === undefined) throw this.#wrong(name, 'is missing')
    return new ConfigSection(`${this.#path}.${name}`, value)
  }

  /** Errors: for the first member that nobody has named. */
  end(): void {
    const [unknown] = this.#members.keys()
    if (unknown !== undefined) throw this.#wrong(unknown, 'is not known here')
  }

  #take(name: string): Json | undefined {
    const value = this.#members.get(name)
    this.#members.delete(name)
    return value
  }

  #wrong(name: string, what: string): SlipwayError {
    return new SlipwayError('config_invalid', `${this.#path}.${name} ${what}`)
  }
}
