// Each member of what each operation takes, in the path, in the query and in the body: when it is not as its schema says, or missing
// where it is needed, the request is refused before anything else is looked at, and is told where it is wrong.

import type { TObject, TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RouteId, routes } from '../contract/routes.ts'
import { harmlessBody } from './harmless-requests-fixture.ts'
import { type Changes, openRefusals, type Refusals, routeOf } from './refusals-fixture.ts'

let refusals: Refusals

beforeAll(async () => {
  refusals = await openRefusals()
})
afterAll(async () => await refusals?.[Symbol.asyncDispose]())

type Mistake = readonly [id: RouteId, place: string, changes: Changes]

const operations = Object.keys(routes) as RouteId[]
const wrongValues: readonly unknown[] = [7, 'x', true, {}, [], null]
const wrongTexts: readonly string[] = ['', 'x', 'x'.repeat(5000)]

/** Undefined when it is never wrong. */
function wrongText(schema: TSchema): string | undefined {
  return wrongTexts.find((text) => !Value.Check(schema, Value.Convert(schema, text)))
}

function membersOf(schema: TObject | undefined): readonly (readonly [name: string, schema: TSchema])[] {
  return Object.entries(schema?.properties ?? {}) as [string, TSchema][]
}

const inPath: readonly Mistake[] = operations.flatMap((id) =>
  membersOf(routeOf(id).params).flatMap(([name, schema]) => {
    // An empty segment is another path.
    const wrong = wrongTexts.slice(1).find((text) => !Value.Check(schema, Value.Convert(schema, text)))
    return wrong === undefined ? [] : [[id, `path.${name}`, { params: { [name]: wrong } }] as const]
  }),
)

const inQuery: readonly Mistake[] = operations.flatMap((id) =>
  membersOf(routeOf(id).query).flatMap(([name, schema]) => {
    const wrong = wrongText(schema)
    return wrong === undefined ? [] : [[id, `query.${name}`, { query: `?${name}=${wrong}` }] as const]
  }),
)

const bodyOf = (id: RouteId) => {
  const { body } = routeOf(id)
  return body === 'bytes' ? undefined : (body as TObject | undefined)
}

const inBody: readonly Mistake[] = operations.flatMap((id) =>
  membersOf(bodyOf(id)).map(([name, schema]) => {
    const wrong = wrongValues.find((value) => !Value.Check(schema, value))
    return [id, `body.${name}`, { body: { ...(harmlessBody(id, routeOf(id)) as object), [name]: wrong } }] as const
  }),
)

const missing: readonly Mistake[] = operations.flatMap((id) =>
  (bodyOf(id)?.required ?? []).map((name) => {
    const { [name]: _, ...body } = harmlessBody(id, routeOf(id)) as Record<string, unknown>
    return [id, `body: ${name} is missing`, { body }] as const
  }),
)

describe.each([
  ['the path', inPath],
  ['the query', inQuery],
  ['the body', inBody],
  ['the body, and is missing', missing],
])('what belongs in %s', (_, mistakes) => {
  test.each(mistakes)('%s: %s', async (id, place, changes) => {
    const { status, body } = await refusals.ask(id, changes)
    expect([status, body]).toMatchObject([400, { code: 'request_invalid', message: expect.stringContaining(place) }])
  })
})
