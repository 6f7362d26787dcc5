// Holds requests and answers against a provider's machine-readable description of its API: OpenAPI 3.0, or Swagger 2.0.

import { Ajv, type ValidateFunction } from 'ajv'
import formatsModule from 'ajv-formats'

type Fields = Readonly<Record<string, unknown>>

export type DescribedCall = {
  readonly method: string
  /** As the description writes it: `/repos/{owner}/{repo}`. */
  readonly path: string
  readonly query: URLSearchParams
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown
  readonly status: number
  /** Parsed JSON; undefined without a body, or when it is no JSON. */
  readonly answer: unknown
}

// The package is CommonJS, and its types say otherwise.
const addFormats = formatsModule as unknown as (ajv: Ajv) => void

export class ApiDescription {
  readonly #document: Fields
  readonly #ajv = new Ajv({ strict: false, allErrors: true, validateFormats: true, logger: false, coerceTypes: false })
  readonly #validators = new Map<string, ValidateFunction>()
  readonly #isComplete: boolean
  readonly #tellsNull: boolean

  /**
   * `isComplete`: it has every member there is, so that an answer with others is wrong too. Where it does not tell what may be null, null
   * counts as nothing.
   */
  constructor(document: unknown, { isComplete = false, tellsNull = true } = {}) {
    this.#isComplete = isComplete
    this.#tellsNull = tellsNull
    this.#document = withNull(document) as Fields
    addFormats(this.#ajv)
    // Go's servers tell what is not set as an empty text; and the package's own knows no addresses with a port.
    this.#ajv.addFormat('url', (text) => text === '' || URL.canParse(text))
    this.#ajv.addSchema({ ...this.#document, $id: 'api' })
  }

  /** What of the call is not as described, in words; empty when all is. */
  violations({ method, path, query, body, status, answer }: DescribedCall): readonly string[] {
    const place = `${method} ${path}`
    const operation = at(this.#document, 'paths', path, method.toLowerCase()) as Fields | undefined
    if (operation === undefined) return [`${place} is not in the description`]
    const parameters = this.#parameters(operation, path)
    const found = [
      ...this.#wrongQuery(parameters, query, place),
      ...(status < 400 ? this.#wrongBody(operation, parameters, body, place) : []),
      ...this.#wrongAnswer(operation, status, answer, place),
    ]
    return found.map((text) => `${place}: ${text}`)
  }

  #parameters(operation: Fields, path: string): readonly Fields[] {
    const shared = (at(this.#document, 'paths', path, 'parameters') ?? []) as readonly Fields[]
    const own = (operation.parameters ?? []) as readonly Fields[]
    return [...shared, ...own].map((parameter) => this.#resolved(parameter))
  }

  #wrongQuery(parameters: readonly Fields[], query: URLSearchParams, place: string): string[] {
    const wrong: string[] = []
    const described = parameters.filter((parameter) => parameter.in === 'query')
    for (const name of new Set(query.keys())) {
      const parameter = described.find((each) => each.name === name)
      if (parameter === undefined) wrong.push(`the query parameter ${name} is not in the description`)
      else {
        const schema = (parameter.schema ?? parameter) as Fields
        const value = queryValue(query.get(name)!, this.#resolved(schema))
        wrong.push(
          ...this.#wrong(schemaOnly(schema), value, `${place} query ${name}`).map((text) => `query ${name} ${text}`),
        )
      }
    }
    for (const { name, required } of described)
      if (required === true && !query.has(String(name))) wrong.push(`the query parameter ${String(name)} is missing`)
    return wrong
  }

  #wrongBody(operation: Fields, parameters: readonly Fields[], body: unknown, place: string): string[] {
    const described = operation.requestBody === undefined ? undefined : this.#resolved(operation.requestBody as Fields)
    const schema = (at(described, 'content', 'application/json', 'schema') ??
      parameters.find((parameter) => parameter.in === 'body')?.schema) as Fields | undefined
    if (schema === undefined)
      return body === undefined || JSON.stringify(body) === '{}' ? [] : ['a body is not in the description']
    if (body === undefined) return described?.required === true ? ['the body is missing'] : []
    const known = (this.#resolved(schema).properties ?? {}) as Fields
    const unknown = Object.keys(body as Fields).filter((name) => Object.keys(known).length > 0 && !(name in known))
    return [
      ...unknown.map((name) => `the member ${name} of the body is not in the description`),
      ...this.#wrong(schema, body, `${place} body`).map((text) => `body${text}`),
    ]
  }

  #wrongAnswer(operation: Fields, status: number, answer: unknown, place: string): string[] {
    const responses = operation.responses as Fields
    const given = (responses[String(status)] ?? responses.default) as Fields | undefined
    // Errors are rarely described completely.
    if (given === undefined) return status < 300 ? [`an answer ${status} is not in the description`] : []
    const response = this.#resolved(given)
    const schema = (at(response, 'content', 'application/json', 'schema') ?? response.schema) as Fields | undefined
    if (schema === undefined || answer === undefined) return []
    const told = this.#tellsNull ? answer : withoutNull(answer)
    return [
      ...this.#wrong(schema, told, `${place} ${status}`).map((text) => `answer ${status}${text}`),
      ...(this.#isComplete ? this.#unknown(schema, told, '') : []).map(
        (name) => `answer ${status}: the member ${name} is not in the description`,
      ),
    ]
  }

  #wrong(schema: Fields, value: unknown, name: string): readonly string[] {
    let validate = this.#validators.get(name)
    if (validate === undefined) {
      validate = this.#ajv.compile(absolute(schema) as object)
      this.#validators.set(name, validate)
    }
    if (validate(value)) return []
    return (validate.errors ?? []).slice(0, 5).map((error) => `${error.instancePath} ${error.message ?? 'is wrong'}`)
  }

  /** Paths of members that the schema does not have. */
  #unknown(schema: Fields, value: unknown, path: string): readonly string[] {
    const { properties, items, additionalProperties } = this.#resolved(schema)
    if (Array.isArray(value))
      return items === undefined ? [] : value.flatMap((item) => this.#unknown(items as Fields, item, `${path}[]`))
    if (typeof value !== 'object' || value === null || properties === undefined || additionalProperties !== undefined)
      return []
    const known = properties as Readonly<Record<string, Fields>>
    return Object.entries(value).flatMap(([name, member]) => {
      const described = known[name]
      return described === undefined ? [`${path}.${name}`] : this.#unknown(described, member, `${path}.${name}`)
    })
  }

  #resolved(value: Fields): Fields {
    const ref = value.$ref
    if (typeof ref !== 'string') return value
    const names = ref.replace('#/', '').split('/')
    return this.#resolved(at(this.#document, ...names) as Fields)
  }
}

function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((found, name) => (found as Fields | undefined)?.[name], value)
}

/** A parameter of Swagger 2.0 is its own schema, among other things. */
function schemaOnly({ type, format, items, enum: values, $ref, ...rest }: Fields): Fields {
  const bounds = Object.fromEntries(
    Object.entries(rest).filter(([name]) => /^(min|max|pattern|anyOf|oneOf|allOf)/.test(name)),
  )
  return Object.fromEntries(
    Object.entries({ type, format, items, enum: values, $ref, ...bounds }).filter(([, value]) => value !== undefined),
  )
}

/** What the text of a query means to its schema. */
function queryValue(text: string, schema: Fields): unknown {
  const types = [schema.type].flat()
  if ((types.includes('integer') || types.includes('number')) && /^-?\d+(\.\d+)?$/.test(text)) return Number(text)
  if (types.includes('boolean') && (text === 'true' || text === 'false')) return text === 'true'
  if (types.includes('array')) return text.split(',').map((part) => queryValue(part, (schema.items ?? {}) as Fields))
  return text
}

/** `nullable` of OpenAPI 3.0 and `x-nullable` as JSON schema has it. */
function withNull(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withNull)
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.fromEntries(Object.entries(value).map(([name, part]) => [name, withNull(part)])) as Fields
  if (fields.nullable !== true && fields['x-nullable'] !== true) return fields
  const { nullable, 'x-nullable': _, ...schema } = fields
  return { anyOf: [{ type: 'null' }, schema] }
}

function withoutNull(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNull)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, part]) => (part === null ? [] : [[name, withoutNull(part)]])),
  )
}

/** Refs into the description, from a schema that was taken out of it. */
function absolute(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(absolute)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) =>
      name === '$ref' && typeof part === 'string' ? [name, part.replace(/^#/, 'api#')] : [name, absolute(part)],
    ),
  )
}
