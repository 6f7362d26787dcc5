// Checks what comes in against the schemas of its route, and turns the texts of an address into the types they stand for.
// Compiled at first use: most routes are never called in the life of a process.

import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Value } from 'typebox/value'
import { type Route, responseSchema } from '../../contract/route.ts'
import { invariant, SlipwayError } from '../../lib/errors.ts'

type Validator = ReturnType<typeof Compile>

export type RouteValidator = {
  /** Errors: `request_invalid` with the place and what was expected. */
  params(value: unknown): Record<string, unknown>
  query(value: unknown): Record<string, unknown>
  body(value: unknown): unknown
  /** A broken promise of ours: `invariant`. */
  answer(value: unknown): void
}

export function createRouteValidator(id: string, route: Route): RouteValidator {
  const params = lazily(route.params)
  const query = lazily(route.query)
  const body = lazily(route.body === 'bytes' ? undefined : route.body)
  const answer = lazily(route.stream === undefined ? responseSchema(route) : undefined)
  return {
    params: (value) => checkTexts('path', params(), value),
    query: (value) => checkTexts('query', query(), value),
    body: (value) => {
      const validator = body()
      if (validator === undefined) {
        if (value === undefined || value === null || isEmptyObject(value)) return undefined
        throw new SlipwayError('request_invalid', 'body: none is expected')
      }
      check('body', validator, value)
      return value
    },
    answer: (value) => {
      const validator = answer()
      if (validator === undefined) invariant(value === undefined, `${id} answers without content`)
      else
        invariant(validator.Check(value), `the answer of ${id} is not as its schema: ${describe('', validator, value)}`)
    },
  }
}

/** Undefined without a schema. */
function lazily(schema: TSchema | undefined): () => Validator | undefined {
  let compiled: Validator | undefined
  return () => {
    if (schema === undefined) return undefined
    compiled ??= Compile(schema)
    return compiled
  }
}

/** Texts of an address become what the schema says: `limit=5` is a number, a single value may be a list of one. */
function checkTexts(place: string, validator: Validator | undefined, value: unknown): Record<string, unknown> {
  const given = { ...(value as Record<string, unknown>) }
  if (validator === undefined) {
    const [unknown] = Object.keys(given)
    if (unknown !== undefined) throw new SlipwayError('request_invalid', `${place}: ${unknown} is not known`)
    return {}
  }
  const converted = Value.Convert(validator.Type(), given)
  check(place, validator, converted)
  return converted as Record<string, unknown>
}

function check(place: string, validator: Validator, value: unknown): void {
  if (!validator.Check(value)) throw new SlipwayError('request_invalid', describe(place, validator, value))
}

/** The first thing that is wrong. */
function describe(place: string, validator: Validator, value: unknown): string {
  const [first] = validator.Errors(value)
  if (first === undefined) return `${place}: not as expected`
  const at = first.instancePath.slice(1).replaceAll('/', '.')
  const where = [place, at].filter((part) => part !== '').join('.')
  switch (first.keyword) {
    case 'boolean':
      return `${where}: is not known`
    case 'enum':
      return `${where}: one of ${first.params.allowedValues.map(String).join(', ')} is expected`
    case 'required':
      return `${where}: ${first.params.requiredProperties.join(', ')} is missing`
    default:
      return `${where}: ${first.message}`
  }
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}
