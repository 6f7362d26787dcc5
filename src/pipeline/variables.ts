// Which value each project variable has for an event. Variables and secrets live in a tree of project groups: the nearest
// variable of a name wins as a whole, and takes its value from the nearest secret at or above its own place.

import type { When } from './config/config.ts'
import type { GitEvent } from './event.ts'
import type { Value } from './run-config.ts'
import { matchWhen } from './when.ts'

/** A value of a secret, or (Slipway only) a text that is no secret. */
export type VariableValue = { readonly when?: When } & (
  | { readonly secretName: string; readonly secretVar: string }
  | { readonly value: string }
)

export type Variable = {
  readonly name: string
  /** Where it is defined: `org/o/group/project`. */
  readonly parentPath: string
  /** The first whose `when` matches is chosen, whatever follows. */
  readonly values: readonly VariableValue[]
}

export type Secret = {
  readonly name: string
  readonly parentPath: string
  readonly data: ReadonlyMap<string, Value>
}

export type VariablesInput = {
  /** Those of the project and of all its parents, in any order. */
  readonly variables: readonly Variable[]
  readonly secrets: readonly Secret[]
  readonly event: GitEvent
  /** False for a fork whose project keeps its variables: there are none then. */
  readonly passVariables: boolean
}

/** The variables that have a value for the event; one that is missing is empty wherever it is used. */
export function resolveVariables(input: VariablesInput): ReadonlyMap<string, Value> {
  const resolved = new Map<string, Value>()
  if (!input.passVariables) return resolved
  const secrets = input.secrets.toSorted(nearestFirst)
  const seen = new Set<string>()
  for (const variable of input.variables.toSorted(nearestFirst)) {
    if (seen.has(variable.name)) continue
    seen.add(variable.name)
    const value = chosenValue(variable, secrets, input.event)
    if (value !== undefined) resolved.set(variable.name, value)
  }
  return resolved
}

function chosenValue(variable: Variable, secrets: readonly Secret[], event: GitEvent): Value | undefined {
  const chosen = variable.values.find((value) => matchWhen(value.when, event).matches)
  if (chosen === undefined) return undefined
  if ('value' in chosen) return chosen.value
  // The nearest secret of that name decides even when it lacks the key: a farther one is not a fallback.
  const secret = secrets.find(
    ({ name, parentPath }) => name === chosen.secretName && isSameOrAbove(parentPath, variable.parentPath),
  )
  return secret?.data.get(chosen.secretVar)
}

const nearestFirst = (a: { readonly parentPath: string }, b: { readonly parentPath: string }) =>
  segments(b.parentPath) - segments(a.parentPath)

const segments = (path: string) => path.split('/').length

const isSameOrAbove = (path: string, other: string) => other === path || other.startsWith(`${path}/`)
