// The tools of decode.ts: reading typed values out of the tree, and collecting what is wrong instead of stopping at it.
// Every reader answers undefined for a value that is left out, null or wrong; what is wrong has been reported then.

import type { Parsed } from '../languages/parsed.ts'
import { toPlainString } from '../languages/yaml11/plain-string.ts'
import type { MappingEntry, MappingNode, Node, Position } from '../languages/yaml11/tree.ts'
import type { Dialect } from './config.ts'
import type { Problem } from './diagnostic.ts'
import { type KeyScope, keysOf, slipwayOnlyKeys } from './keys.ts'
import { findNear } from './near.ts'
import type { Path, Place } from './place.ts'

/** A value of the document and how one gets there. */
export type Spot = { readonly node: Node; readonly path: Path }

export type Decoding = {
  readonly dialect: Dialect
  readonly problems: Problem[]
  /** Where each run, task, step and dependency of the config is written. */
  readonly places: Map<object, Place>
}

export const placeOf = ({ node, path }: Spot): Place => ({ path, position: { line: node.line, column: node.column } })

export function child(spot: Spot, part: string | number, node: Node): Spot {
  return { node, path: [...spot.path, part] }
}

/** Reports something that no reading can make sense of. */
export function reportError(decoding: Decoding, spot: Spot, message: string, expected?: string): undefined {
  report(decoding, 'error', placeOf(spot), message, expected)
}

/** Reports something that works, but hardly as meant. */
export function reportWarning(decoding: Decoding, spot: Spot, message: string, expected?: string): undefined {
  report(decoding, 'warning', placeOf(spot), message, expected)
}

/** Reports what the reference accepts in silence although it is a mistake: a warning there, an error in our own files. */
export function reportDoubt(decoding: Decoding, spot: Spot, message: string, expected?: string): undefined {
  report(decoding, decoding.dialect === 'slipway' ? 'error' : 'warning', placeOf(spot), message, expected)
}

function report(
  decoding: Decoding,
  severity: Problem['severity'],
  place: Place,
  message: string,
  expected: string | undefined,
): void {
  decoding.problems.push({ severity, place, message, ...(expected === undefined ? {} : { expected }) })
}

/** Remembers where `value` comes from, for findings that need more than one place. */
export function placed<T extends object>(decoding: Decoding, spot: Spot, value: T): T {
  decoding.places.set(value, placeOf(spot))
  return value
}

const kindNames = {
  mapping: 'a map',
  sequence: 'a list',
  string: 'a string',
  int: 'a number',
  float: 'a number',
  bool: 'a boolean',
  null: 'null',
} as const

export function reportWrongType(decoding: Decoding, spot: Spot, expected: string): undefined {
  reportError(decoding, spot, `wrong type: ${kindNames[spot.node.kind]}`, expected)
}

/** The known keys of one map. */
export class Fields {
  readonly #spots: ReadonlyMap<string, Spot>

  constructor(spots: ReadonlyMap<string, Spot>) {
    this.#spots = spots
  }

  /** Undefined when the key is missing or its value is null: both mean the same. */
  get(key: string): Spot | undefined {
    const spot = this.#spots.get(key)
    return spot?.node.kind === 'null' ? undefined : spot
  }

  /** Also a null value. */
  getWritten(key: string): Spot | undefined {
    return this.#spots.get(key)
  }
}

/** Reads a map with known keys; `expected` names it in the error. */
export function readFields(decoding: Decoding, spot: Spot, scope: KeyScope, expected: string): Fields | undefined {
  if (spot.node.kind !== 'mapping') return reportWrongType(decoding, spot, expected)
  return fieldsOf(decoding, { node: spot.node, path: spot.path }, scope)
}

type MappingSpot = { readonly node: MappingNode; readonly path: Path }

/** Sorts the entries of a map to its known keys: exactly written ones first, then those in other letter case. */
export function fieldsOf(decoding: Decoding, spot: MappingSpot, scope: KeyScope, also: readonly string[] = []): Fields {
  const known = [...keysOf[scope], ...(decoding.dialect === 'slipway' ? slipwayOnlyOf(scope) : [])]
  const exact = new Map<string, Spot>()
  const folded = new Map<string, Spot>()
  for (const entry of spot.node.entries) {
    const value = child(spot, entry.key, entry.value)
    if (known.includes(entry.key)) exact.set(entry.key, value)
    else if (!also.includes(entry.key)) {
      const meant = known.find((key) => key === entry.key.toLowerCase())
      if (meant !== undefined) folded.set(meant, value)
      reportUnknownKey(decoding, { entry, path: value.path, scope, known, meant })
    }
  }
  return new Fields(new Map([...folded, ...exact]))
}

const slipwayOnlyOf = (scope: KeyScope) => slipwayOnlyKeys.filter((key) => key.scope === scope).map(({ key }) => key)

type UnknownKey = {
  readonly entry: MappingEntry
  readonly path: Path
  readonly scope: KeyScope
  readonly known: readonly string[]
  readonly meant: string | undefined
}

function reportUnknownKey(decoding: Decoding, { entry, path, scope, known, meant }: UnknownKey): void {
  // The usual place for anchors: such keys are the author's own.
  if (entry.key.startsWith('x-')) return
  // Nearly every definition of the reference has it at the top, where it says nothing.
  if (entry.key === 'version' && scope === 'config' && decoding.dialect === 'agola') return
  const severity = decoding.dialect === 'slipway' ? 'error' : 'warning'
  const place: Place = { path, position: entry.keyPosition }
  const name = JSON.stringify(entry.key)
  if (meant !== undefined) {
    const message = severity === 'error' ? `unknown key ${name}` : `key ${name} is read as ${JSON.stringify(meant)}`
    report(decoding, severity, place, message, JSON.stringify(meant))
    return
  }
  if (slipwayOnlyOf(scope).includes(entry.key)) {
    report(decoding, severity, place, `key ${name} is honoured under .slipway/ only; it is ignored here`, undefined)
    return
  }
  const near = findNear(entry.key, known)
  const expected = near === undefined ? `one of ${known.join(', ')}` : JSON.stringify(near)
  report(decoding, severity, place, `unknown key ${name}${severity === 'warning' ? ' is ignored' : ''}`, expected)
}

/** Reads a plain string field: numbers and booleans become strings. */
export function readText(decoding: Decoding, spot: Spot | undefined): string | undefined {
  if (spot === undefined) return undefined
  const { node } = spot
  if (node.kind === 'mapping' || node.kind === 'sequence') return reportWrongType(decoding, spot, 'a string')
  const text = toPlainString(node)
  // A surprise of YAML 1.1: what stands there is not what is taken, `1.10` is 1.1, `yes` is true, `010` is 8.
  if (text !== undefined && node.kind !== 'string' && text !== node.source)
    reportWarning(
      decoding,
      spot,
      `${node.source} is read as ${kindNames[node.kind]}, which gives ${JSON.stringify(text)}`,
      `quotes (${JSON.stringify(node.source)}) if the text is meant`,
    )
  return text
}

/** Reads a field where only a string will do. */
export function readString(decoding: Decoding, spot: Spot | undefined): string | undefined {
  if (spot === undefined || spot.node.kind === 'null') return undefined
  if (spot.node.kind === 'string') return spot.node.value
  const isScalar = spot.node.kind !== 'mapping' && spot.node.kind !== 'sequence'
  return reportWrongType(decoding, spot, isScalar ? 'a string (in quotes)' : 'a string')
}

export function readBoolean(decoding: Decoding, spot: Spot | undefined): boolean | undefined {
  if (spot === undefined || spot.node.kind === 'null') return undefined
  if (spot.node.kind === 'bool') return spot.node.value
  return reportWrongType(decoding, spot, 'true or false')
}

export function readInteger(decoding: Decoding, spot: Spot | undefined): number | undefined {
  if (spot === undefined || spot.node.kind === 'null') return undefined
  const { node } = spot
  if (node.kind === 'int' || node.kind === 'float') {
    const value = Number(node.value)
    if (Number.isSafeInteger(value)) return value
  }
  return reportWrongType(decoding, spot, 'an integer')
}

/** The items of a list; none when it is left out. */
export function readList(decoding: Decoding, spot: Spot | undefined, expected: string): readonly Spot[] {
  if (spot === undefined || spot.node.kind === 'null') return []
  if (spot.node.kind === 'sequence') return spot.node.items.map((item, index) => child(spot, index, item))
  reportWrongType(decoding, spot, expected)
  return []
}

/** A list of strings; null items are empty strings, which are never meant. */
export function readStrings(decoding: Decoding, spot: Spot | undefined, parse?: StringParser): readonly string[] {
  return readList(decoding, spot, 'a list of strings').map((item) => {
    if (item.node.kind === 'null') reportDoubt(decoding, item, 'is empty', 'a string')
    const text = readString(decoding, item) ?? ''
    const result = text === '' ? undefined : parse?.(text)
    if (result?.ok === false) reportDoubt(decoding, item, result.message)
    return text
  })
}

/** Looks whether a string will do where it is used; the reference finds out only then. */
export type StringParser = (text: string) => Parsed<unknown>

export type NamedSpot = { readonly key: string; readonly keyPosition: Position; readonly spot: Spot }

/** The entries of a map with free keys; none when it is left out. */
export function readEntries(decoding: Decoding, spot: Spot | undefined, expected: string): readonly NamedSpot[] {
  if (spot === undefined || spot.node.kind === 'null') return []
  if (spot.node.kind === 'mapping')
    return spot.node.entries.map(({ key, keyPosition, value }) => ({ key, keyPosition, spot: child(spot, key, value) }))
  reportWrongType(decoding, spot, expected)
  return []
}
