// `--var` and `--var-file`: values for `from_variable`. What comes from the environment or a file is a secret: it is sealed
// before it is stored and masked in logs. `NAME=value` stands on the command line for everybody to see, so it is plain.

import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { errorMessage, SlipwayError } from '../lib/errors.ts'
import type { Value } from '../pipeline/run-config.ts'

export type VariableOptions = { readonly var: readonly string[]; readonly varFile: readonly string[] }

export type GivenVariables = {
  readonly variables: ReadonlyMap<string, Value>
  /** Values of the secret ones, by name. */
  readonly secrets: Readonly<Record<string, string>>
}

export function parseVariables(
  options: VariableOptions,
  environment: Readonly<Record<string, string | undefined>>,
): GivenVariables {
  const variables = new Map<string, Value>()
  const secrets: Record<string, string> = {}
  const addSecret = (name: string, value: string) => {
    variables.set(name, { secret: name })
    secrets[name] = value
  }
  for (const file of options.varFile) {
    for (const [name, value] of Object.entries(readVariableFile(file))) addSecret(name, value ?? '')
  }
  for (const given of options.var) {
    const [, name, value] = /^([^=]+)(?:=([\s\S]*))?$/.exec(given) ?? []
    if (name === undefined) throw new SlipwayError('usage', `--var wants NAME or NAME=value, not "${given}"`)
    if (value !== undefined) {
      variables.set(name, value)
      delete secrets[name]
      continue
    }
    const fromEnvironment = environment[name]
    if (fromEnvironment === undefined) {
      throw new SlipwayError(
        'usage',
        `--var ${name}: the environment has no ${name}; set it, or give --var ${name}=value`,
      )
    }
    addSecret(name, fromEnvironment)
  }
  return { variables, secrets }
}

function readVariableFile(path: string): Readonly<Record<string, string | undefined>> {
  try {
    return parseEnv(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new SlipwayError('usage', `--var-file ${path}: ${errorMessage(cause)}`, { cause })
  }
}
