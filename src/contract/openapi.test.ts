import { Validator } from '@seriousme/openapi-schema-validator'
import { expect, test } from 'vitest'
import { openApiDocument } from './openapi.ts'
import { type Route, successStatus } from './route.ts'
import { routes } from './routes.ts'

const document = openApiDocument({ version: '1.2.3' })
const all = Object.entries(routes) as [string, Route][]

test('the document is valid OpenAPI 3.1', async () => {
  const result = await new Validator().validate(structuredClone(document) as Record<string, unknown>)
  expect(result.errors).toBeUndefined()
  expect(result.valid).toBe(true)
  expect(document.openapi).toBe('3.1.0')
})

test('every route is one operation of the document', () => {
  const operations = Object.entries(document.paths as Record<string, Record<string, { operationId: string }>>).flatMap(
    ([path, methods]) => Object.entries(methods).map(([method, { operationId }]) => `${operationId} ${method} ${path}`),
  )
  const expected = all.map(
    ([id, { method, path }]) => `${id} ${method.toLowerCase()} ${path.replaceAll(/:(\w+)/g, '{$1}')}`,
  )
  expect(operations.toSorted()).toEqual(expected.toSorted())
})

test('what is refused in requests may come with a later version in answers', () => {
  const { schemas } = document.components as { schemas: Record<string, { additionalProperties?: boolean }> }
  expect(schemas.Project).not.toHaveProperty('additionalProperties')
  const { post } = (document.paths as Record<string, Record<string, { requestBody: unknown }>>)['/projects']!
  expect(post!.requestBody).toMatchObject({
    content: { 'application/json': { schema: { additionalProperties: false } } },
  })
})

test('no two routes have the same method and address, whatever their parameters are called', () => {
  const addresses = all.map(([, { method, path }]) => `${method} ${path.replaceAll(/:\w+/g, ':')}`)
  expect(new Set(addresses).size).toBe(addresses.length)
})

test.each(all)('%s: parameters of its path are described, and its answer fits its status', (_, route) => {
  const names = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => name)
  expect(Object.keys(route.params?.properties ?? {}).toSorted()).toEqual(names.toSorted())
  expect(Object.keys(route.responses)).toHaveLength(1)
  expect([200, 201, 202, 204]).toContain(successStatus(route))
  if (route.method === 'GET') expect(route.body).toBeUndefined()
  expect(route.summary).toMatch(/^[A-Z].*\.$/)
})
