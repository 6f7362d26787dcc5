// The OpenAPI 3.1 document, made from the routes: https://spec.openapis.org/oas/v3.1.0. Schemas with a title are written once,
// under `components`.

import type { TObject, TSchema } from 'typebox'
import { type ErrorKind, errorCodes } from '../lib/errors.ts'
import type { Json, JsonObject } from '../lib/json.ts'
import { apiBase, type Route, type Routes, responseSchema, successStatus } from './route.ts'
import { errorsOfRoute } from './route-errors.ts'
import { routes } from './routes.ts'
import { ErrorBody } from './schemas/common.ts'

/** What the kind of an error means to a program that speaks HTTP. */
const statusOfKind: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  notfound: 404,
  conflict: 409,
  limit: 413,
  ratelimited: 429,
  cancelled: 499,
  internal: 500,
  unavailable: 503,
}

/** The document for these routes; those of the API when none are given. */
export function openApiDocument(info: { readonly version: string }, described: Routes = routes): JsonObject {
  const components = new Components()
  const paths: Record<string, Record<string, Json>> = {}
  for (const [id, route] of Object.entries(described)) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] ??= {}
    paths[path][route.method.toLowerCase()] = operation(id, route, components)
  }
  components.reference(ErrorBody)
  return {
    openapi: '3.1.0',
    info: { title: 'Slipway', version: info.version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: apiBase }],
    paths,
    components: {
      schemas: components.schemas,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'A token of a user, or the one of the administrator.' },
        session: { type: 'apiKey', in: 'cookie', name: '__Host-slipway-session' },
      },
    },
  }
}

function operation(id: string, route: Route, components: Components): JsonObject {
  const parameters = [
    ...parametersOf('path', route.params, components),
    ...parametersOf('query', route.query, components),
    ...(route.versioned && route.method !== 'GET' && route.method !== 'POST'
      ? [
          {
            name: 'If-Match',
            in: 'header',
            required: false,
            schema: { type: 'string' },
            description: 'The version that was last seen: another one is `version_conflict`.',
          },
        ]
      : []),
    ...(route.repeatable
      ? [
          {
            name: 'Idempotency-Key',
            in: 'header',
            required: false,
            schema: { type: 'string', maxLength: 200 },
            description: 'The same request with the same key acts once.',
          },
        ]
      : []),
    ...(route.tag === 'maintenance' && (route.stream !== undefined || route.body === 'bytes')
      ? [
          {
            name: 'Slipway-Passphrase',
            in: 'header',
            required: false,
            schema: { type: 'string' },
            description: 'Secrets are sealed under it; without one under the key of the installation.',
          },
        ]
      : []),
    {
      name: 'Slipway-Position',
      in: 'header',
      required: false,
      schema: { type: 'string' },
      description: 'Of an earlier answer: this one is not older. Opaque.',
    },
    ...(route.stream?.kind === 'events'
      ? [{ name: 'Last-Event-ID', in: 'header', required: false, schema: { type: 'string' } }]
      : []),
  ]
  return {
    operationId: id,
    tags: [route.tag],
    summary: route.summary,
    security: securityOf(route),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined ? {} : { requestBody: requestBodyOf(route.body, components) }),
    responses: { [successStatus(route)]: successOf(route, components), ...errorsOf(route, components) },
  }
}

function securityOf(route: Route): readonly JsonObject[] {
  const credentials = [{ token: [] }, { session: [] }]
  if (route.auth === 'none') return []
  return route.auth === 'optional' ? [{}, ...credentials] : credentials
}

function parametersOf(
  place: 'path' | 'query',
  schema: TObject | undefined,
  components: Components,
): readonly JsonObject[] {
  if (schema === undefined) return []
  return Object.entries(schema.properties).map(([name, member]) => {
    const { description, ...rest } = components.request(member as TSchema)
    return {
      name,
      in: place,
      required: place === 'path' || (schema.required?.includes(name) ?? false),
      schema: rest,
      ...(description === undefined ? {} : { description }),
    }
  })
}

function requestBodyOf(body: TSchema | 'bytes', components: Components): JsonObject {
  return body === 'bytes'
    ? { required: true, content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } }
    : { required: true, content: { 'application/json': { schema: components.request(body) } } }
}

function successOf(route: Route, components: Components): JsonObject {
  const schema = responseSchema(route)
  if (schema === undefined) return { description: 'Done.' }
  switch (route.stream?.kind) {
    case 'bytes':
      return { description: 'Bytes.', content: { [route.stream.contentType]: { schema: { type: 'string' } } } }
    case 'events': {
      const events = { ...route.stream.events, failure: ErrorBody }
      const names = Object.entries(events).map(([name, data]) => ({
        type: 'object',
        title: `event ${name}`,
        properties: { event: { const: name }, id: { type: 'string' }, data: components.reference(data) },
      }))
      return {
        description: `Server-sent events: ${Object.keys(events).join(', ')}; \`x-events\` has their data as JSON.`,
        content: { 'text/event-stream': { schema: { type: 'string' } } },
        'x-events': names,
      }
    }
    default:
      return { description: 'Success.', content: { 'application/json': { schema: components.reference(schema) } } }
  }
}

/** By status, with the codes that are this operation's own. */
function errorsOf(route: Route, components: Components): JsonObject {
  const byStatus = new Map<number, Set<string>>()
  for (const code of errorsOfRoute(route)) {
    const status = statusOfKind[errorCodes[code].kind]
    byStatus.set(status, (byStatus.get(status) ?? new Set()).add(code))
  }
  const answer = (description: string) => ({
    description,
    content: { 'application/json': { schema: components.reference(ErrorBody) } },
  })
  return {
    ...Object.fromEntries(
      [...byStatus].map(([status, names]) => [status, answer([...names].map((name) => `\`${name}\``).join(', '))]),
    ),
    default: answer('Anything else that went wrong: docs/errors.md.'),
  }
}

/** Named schemas, and how requests and answers use them. */
class Components {
  readonly schemas: Record<string, Json> = {}

  /** A schema of an answer: members it does not name may come with a later version. */
  reference(schema: TSchema): JsonObject {
    return this.#convert(plain(schema), { isOpen: true }) as JsonObject
  }

  /** A schema of a request: members it does not name are refused. */
  request(schema: TSchema): JsonObject {
    return this.#convert(plain(schema), { isOpen: false }) as JsonObject
  }

  #convert(value: Json, options: { readonly isOpen: boolean }): Json {
    if (Array.isArray(value)) return value.map((item) => this.#convert(item, options))
    if (value === null || typeof value !== 'object') return value
    const object = value as JsonObject
    const converted = Object.fromEntries(
      Object.entries(object)
        .filter(([name, member]) => !(options.isOpen && name === 'additionalProperties' && member === false))
        .map(([name, member]) => [name, this.#convert(member as Json, options)]),
    )
    if (typeof object.title !== 'string' || object.type !== 'object') return converted
    const name = options.isOpen ? object.title : `${object.title}Request`
    this.schemas[name] = converted
    return { $ref: `#/components/schemas/${name}` }
  }
}

/** Without what TypeBox keeps beside JSON. */
function plain(schema: TSchema): Json {
  return JSON.parse(JSON.stringify(schema)) as Json
}
