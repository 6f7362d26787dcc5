// Reads an object of Agola member by member. What nobody asks for, and what is not of the type it should have, is in the report:
// so nothing is lost silently.

import type { Json, JsonObject } from '../../lib/json.ts'
import type { ReportBuilder } from './import-report.ts'

export class AgolaFields {
  readonly #path: string
  readonly #id: string
  readonly #report: ReportBuilder
  readonly #left: Map<string, Json>

  /** `path`: the kind, then members, as in the report. `id`: of the object. */
  constructor(value: Json | undefined, path: string, parts: { readonly id: string; readonly report: ReportBuilder }) {
    this.#path = path
    this.#id = parts.id
    this.#report = parts.report
    this.#left = new Map()
    if (isObject(value)) {
      for (const [name, member] of Object.entries(value)) if (member != null) this.#left.set(name, member)
    } else if (value != null) this.#drop('', 'it is no object')
  }

  text(name: string): string | undefined {
    return this.#take(name, (value) => (typeof value === 'string' ? value : undefined))
  }

  oneOf<V extends string>(name: string, values: readonly V[]): V | undefined {
    const found = this.#take(name, (value) => values.find((known) => known === value))
    return found
  }

  number(name: string): number | undefined {
    return this.#take(name, (value) => (typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined))
  }

  flag(name: string, absent = false): boolean {
    return this.#take(name, (value) => (typeof value === 'boolean' ? value : undefined)) ?? absent
  }

  /** Milliseconds; Go's zero time is none. */
  time(name: string): number | undefined {
    const at = this.#take(name, (value) => {
      const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN
      return Number.isNaN(ms) ? undefined : ms
    })
    return at === undefined || at <= goZeroTime ? undefined : at
  }

  texts(name: string): readonly string[] {
    return this.#take(name, (value) => (isTexts(value) ? value : undefined)) ?? []
  }

  /** String values by name. */
  map(name: string): Readonly<Record<string, string>> {
    const isMap = (value: Json) => isObject(value) && Object.values(value).every((member) => typeof member === 'string')
    return this.#take(name, (value) => (isMap(value) ? (value as Record<string, string>) : undefined)) ?? {}
  }

  /** Undefined when it is not there. */
  object(name: string): AgolaFields | undefined {
    const value = this.#take(name, (found) => (isObject(found) ? found : undefined))
    return value && this.#inside(value, name)
  }

  objects(name: string): readonly AgolaFields[] {
    const values = this.#take(name, (value) => (Array.isArray(value) ? (value as readonly Json[]) : undefined)) ?? []
    return values.map((value) => this.#inside(value, `${name}[]`))
  }

  /** Objects by their keys. */
  entries(name: string): readonly (readonly [string, AgolaFields])[] {
    const value = this.#take(name, (found) => (isObject(found) ? found : undefined)) ?? {}
    return Object.entries(value).map(([key, member]) => [key, this.#inside(member ?? null, `${name}.*`)])
  }

  /** Members that are known from elsewhere. */
  skip(...names: readonly string[]): void {
    for (const name of names) this.#left.delete(name)
  }

  /** Members that are left out on purpose; those that say nothing are not worth a line. */
  leave(why: string, ...names: readonly string[]): void {
    for (const name of names) {
      const value = this.#left.get(name)
      this.#left.delete(name)
      if (value !== undefined && !saysNothing(value)) this.#drop(name, why)
    }
  }

  /** Puts what was not asked for into the report. */
  end(): void {
    this.leave('there is nothing like it here', ...this.#left.keys())
  }

  /** Puts something of this object into the report. */
  drop(name: string, why: string): void {
    this.#drop(name, why)
  }

  #take<T>(name: string, convert: (value: Json) => T | undefined): T | undefined {
    const value = this.#left.get(name)
    this.#left.delete(name)
    if (value === undefined) return undefined
    const converted = convert(value)
    if (converted === undefined) this.#drop(name, 'it is not of the type, or not one of the values, it should have')
    return converted
  }

  #inside(value: Json, name: string): AgolaFields {
    return new AgolaFields(value, `${this.#path}.${name}`, { id: this.#id, report: this.#report })
  }

  #drop(name: string, why: string): void {
    this.#report.drop(name === '' ? this.#path : `${this.#path}.${name}`, why, this.#id)
  }
}

/** Go's zero time, 0001-01-01. */
const goZeroTime = Date.parse('0001-01-01T00:00:00Z')

function saysNothing(value: Json): boolean {
  if (value === false || value === '' || value === 0) return true
  if (Array.isArray(value)) return value.length === 0
  return isObject(value) && Object.keys(value).length === 0
}

function isTexts(value: Json): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
