// The described API against the running server: requests made from the schemas of the document, some as they should be, some broken in
// a place, by callers of all kinds. Whatever comes, the answer is one that is described, never trouble of the server, and never
// tells what is inside it.

import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { anOrganization, aProject, aUser } from '../configstore/configstore-fixture.ts'
import { openApiDocument } from '../contract/openapi.ts'
import { errorsOfAll, errorsOfRoute } from '../contract/route-errors.ts'
import { type RouteId, routes } from '../contract/routes.ts'
import { ErrorBody } from '../contract/schemas/common.ts'
import { aRequest } from '../runservice/service-fixture.ts'
import { adminToken, openTestGateway, type TestGateway } from './gateway-fixture.ts'

type Schema = {
  readonly $ref?: string
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly format?: string
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly minProperties?: number
}
type Operation = {
  readonly operationId: string
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly required: boolean
    readonly schema: Schema
  }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
  readonly responses: Readonly<Record<string, { readonly content?: object }>>
}

const document = openApiDocument({ version: '1.2.3' }) as unknown as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
)

let gateway: TestGateway
const known: Record<string, string[]> = {}
const tokens: string[] = []

beforeAll(async () => {
  gateway = await openTestGateway({ notification: true, isRecorded: false })
  const { configstore, installation } = gateway
  await configstore.createUser({ name: 'root', isAdmin: true })
  const ann = await aUser(configstore, 'ann')
  await anOrganization(configstore, 'acme', ann, 'private')
  const project = await aProject(configstore, 'org/acme/web')
  const parent = { type: 'project', ref: project.id } as const
  await configstore.createSecret({ parent, name: 'keys', data: { a: 'x' } })
  const [run] = await installation.runservice.createRuns([
    aRequest({ a: {} }, { group: `/project/${project.id}/branch/main` }),
  ])
  Object.assign(known, {
    userRef: ['ann', ann.id, 'root'],
    orgRef: ['acme'],
    projectRef: [project.id, 'org/acme/web'],
    projectGroupRef: ['org/acme', 'user/ann'],
    parentRef: ['org/acme', 'user/ann'],
    secretName: ['keys'],
    runId: [run!.id],
    taskId: ['a-id'],
    log: ['setup', '0'],
    runNumber: ['1'],
  })
  tokens.push(
    adminToken,
    await gateway.tokenOf('root'),
    await gateway.tokenOf('ann'),
    await gateway.tokenOf('ann', 'read'),
  )
  const receiver = await gateway.ask(`POST /projects/${project.id}/receivers`, {
    token: adminToken,
    body: { name: 'team', kind: 'webhook', url: 'https://hooks.example' },
  })
  expect(receiver.status).toBe(201)
  Object.assign(known, { receiverId: [(receiver.body as { id: string }).id] })
})
afterAll(async () => await gateway?.[Symbol.asyncDispose]())

const oddTexts = [
  '',
  ' ',
  '..',
  '../..',
  '%',
  '%2F',
  '\u0000',
  '💥',
  "'; drop table user; --",
  '__proto__',
  'x'.repeat(300),
]
const oddText = fc.oneof(fc.constantFrom(...oddTexts), fc.string({ maxLength: 20, unit: 'binary' }))
const anything = fc.oneof(
  fc.anything({ maxDepth: 1 }).filter((value) => value !== undefined),
  oddText,
)

/** A value of the schema; mostly within its bounds. */
function aValueOf(schema: Schema, name = ''): fc.Arbitrary<unknown> {
  if (schema.$ref !== undefined) return aValueOf(document.components.schemas[schema.$ref.split('/').at(-1)!]!, name)
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((one) => aValueOf(one, name)))
  switch (schema.type) {
    case 'object':
      return objectOf(schema)
    case 'array':
      return fc.array(aValueOf(schema.items!, name), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 3, 3),
      })
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -10, max: Math.min(schema.maximum ?? 1000, 2 ** 31) })
    case 'boolean':
      return fc.boolean()
    case 'string':
      return textOf(schema, name)
    default:
      return fc.constant({})
  }
}

function textOf(schema: Schema, name: string): fc.Arbitrary<string> {
  if (schema.format === 'date-time')
    return fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((date) => date.toISOString())
  if (schema.pattern !== undefined) return fc.stringMatching(new RegExp(schema.pattern))
  const bounds = {
    minLength: schema.minLength ?? 0,
    maxLength: Math.min(schema.maxLength ?? 12, Math.max(12, schema.minLength ?? 0)),
  }
  const texts = [fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/), fc.string(bounds), oddText]
  return fc.oneof(...(known[name] ? [fc.constantFrom(...known[name])] : []), ...texts)
}

function objectOf({ properties = {}, patternProperties, required = [] }: Schema): fc.Arbitrary<object> {
  if (patternProperties !== undefined)
    return fc.dictionary(oddText, aValueOf(Object.values(patternProperties)[0]!), { maxKeys: 3 })
  const members = Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, aValueOf(schema, name)]))
  return fc.record(members, { requiredKeys: required.filter((name) => name in members) as never })
}

/** As it should be, or with one member replaced, added or left out. */
function bodyOf(schema: Schema): fc.Arbitrary<unknown> {
  const broken = fc
    .tuple(aValueOf(schema), fc.string({ maxLength: 8 }), anything, fc.nat())
    .map(([value, name, other, which]) => {
      if (typeof value !== 'object' || value === null) return other
      const names = Object.keys(value)
      if (which % 3 === 0) return { ...value, [name]: other }
      if (which % 3 === 1) return Object.fromEntries(Object.entries(value).slice(1))
      return { ...value, [names[which % Math.max(1, names.length)] ?? name]: other }
    })
  return fc.oneof(
    { weight: 3, arbitrary: aValueOf(schema) },
    { weight: 2, arbitrary: broken },
    { weight: 1, arbitrary: anything },
  )
}

function requestOf(path: string, { parameters = [], requestBody }: Operation) {
  const values = (place: string) =>
    fc.record(
      Object.fromEntries(
        parameters
          .filter((parameter) => parameter.in === place)
          .map(({ name, required, schema }) => {
            const value = fc.oneof({ weight: 3, arbitrary: aValueOf(schema, name) }, { weight: 1, arbitrary: oddText })
            return [name, required ? value : fc.option(value, { nil: undefined })]
          }),
      ),
    )
  return fc
    .record({
      path: values('path'),
      query: values('query'),
      header: values('header'),
      token: fc.option(fc.nat(tokens.length - 1), { nil: undefined }),
      body: fc.option(
        requestBody?.content['application/json'] ? bodyOf(requestBody.content['application/json'].schema) : anything,
        { nil: undefined },
      ),
    })
    .map((given) => ({
      ...given,
      path: path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
        encodeURIComponent(String(given.path[name]).toWellFormed()),
      ),
    }))
}

const errorSchema = Compile(ErrorBody)
/** Words of our own code, of its stores and its errors that a caller never needs. */
const leak = /sqlite|node:internal|\.ts:\d|at \w+ \(|ENOENT|undefined is not|TypeError|invariant|\/tmp\//i

/** What the fuzzing must not do to the installation that it works on. */
const destructive = new Set(['startMaintenance', 'deleteOrganization', 'deleteProject', 'deleteUser', 'removeExecutor'])

test.each(operations.map((one) => [one.operation.operationId, one] as const))(
  '%s',
  async (id, { path, method, operation }) => {
    const described = new Set(Object.keys(operation.responses).map(Number))
    await fc.assert(
      fc.asyncProperty(requestOf(path, operation), async (request) => {
        const query = new URLSearchParams()
        for (const [name, value] of Object.entries(request.query))
          for (const item of Array.isArray(value) ? value : [value])
            if (item !== undefined) query.append(name, String(item))
        const token = request.token === undefined ? undefined : tokens[request.token]
        const headers = Object.fromEntries(
          Object.entries(request.header).flatMap(([name, value]) =>
            typeof value === 'string' && /^[\x20-\x7e]+$/.test(value) ? [[name, value]] : [],
          ),
        )
        const stop = new AbortController()
        const response = await fetch(`${gateway.url}/api/v1${path === request.path ? path : request.path}?${query}`, {
          method,
          signal: stop.signal,
          redirect: 'manual',
          headers: {
            ...headers,
            ...(destructive.has(id) ? { 'if-match': '"999999"' } : {}),
            ...(token === undefined || id === 'startMaintenance' ? {} : { authorization: `Bearer ${token}` }),
            ...(request.body === undefined || method === 'GET' ? {} : { 'content-type': 'application/json' }),
          },
          ...(request.body === undefined || method === 'GET' ? {} : { body: JSON.stringify(request.body) ?? 'null' }),
        })
        if (response.status < 400) {
          expect(described).toContain(response.status)
          stop.abort()
          return
        }
        const text = await response.text()
        expect(response.status, text).toBeLessThan(500)
        const body = JSON.parse(text) as { code: string }
        expect(errorSchema.Errors(body)).toEqual([])
        expect([...errorsOfAll, ...errorsOfRoute(routes[id as RouteId])], text).toContain(body.code)
        expect(text).not.toMatch(leak)
      }),
      { numRuns: Number(process.env.SLIPWAY_FUZZ_RUNS ?? 12), seed: Number(process.env.SLIPWAY_FUZZ_SEED ?? 1) },
    )
  },
)

test('nothing of all that was trouble of the server', () => {
  expect(gateway.logged).toEqual([])
})
