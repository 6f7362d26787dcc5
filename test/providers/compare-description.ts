// Tells in what a description that was written here allows more than the provider's own, one line each; nothing when whatever fits ours
// fits theirs:
//   node test/providers/compare-description.ts THEIRS OURS.json
// Each is Swagger 2.0 or OpenAPI 3, in JSON or YAML; schemas may have other names, and paths may begin with /api/v4 in one of them. Ours may
// leave out what is not used, and call required what the provider always tells.

import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

type Fields = { readonly [name: string]: unknown }

type Operation = {
  readonly query: ReadonlyMap<string, Fields>
  readonly body: Fields | undefined
  /** By status; undefined without a body. */
  readonly answers: ReadonlyMap<string, Fields | undefined>
}

/** What else a schema can say of a value. */
const bounds = ['format', 'pattern', 'minLength', 'maxLength', 'minimum', 'maximum', 'minItems', 'maxItems']

const [theirPath, ourPath] = process.argv.slice(2)
if (theirPath === undefined || ourPath === undefined) throw new Error('usage: compare-description.ts THEIRS OURS.json')
// YAML has JSON in it.
const theirs = parse(readFileSync(theirPath, 'utf8')) as Fields
const ours = parse(readFileSync(ourPath, 'utf8')) as Fields
const told = new Set<string>()
for (const [path, operations] of Object.entries(ours.paths as Fields))
  for (const method of Object.keys(operations as Fields).filter((name) => name !== 'parameters'))
    compareOperation(path, method)

function compareOperation(path: string, method: string): void {
  const place = `${method.toUpperCase()} ${path}`
  const mine = operationOf(ours, path, method)
  const its = operationOf(theirs, path, method)
  if (mine === undefined || its === undefined) {
    tell(place, 'is not there')
    return
  }
  for (const [name, schema] of mine.query) {
    const known = its.query.get(name)
    if (known === undefined) tell(place, `the query parameter ${name} is not there`)
    else compareSchema(schema, known, `${place}: query ${name}`)
  }
  for (const [name, { required }] of its.query)
    if (required === true && mine.query.get(name)?.required !== true) tell(place, `query ${name} is required there`)
  if (mine.body !== undefined && its.body === undefined) tell(place, 'a body is not there')
  if (mine.body !== undefined && its.body !== undefined) compareSchema(mine.body, its.body, `${place}: body`)
  for (const [status, schema] of mine.answers) {
    // Of errors ours say that there are some.
    if (Number(status) >= 300) continue
    if (!its.answers.has(status)) tell(place, `an answer ${status} is not there, but ${[...its.answers.keys()]}`)
    const known = its.answers.get(status)
    if (schema !== undefined && known === undefined) tell(place, `of the answer ${status} nothing is said there`)
    if (schema === undefined && known !== undefined) tell(place, `of the answer ${status} something is said there`)
    if (schema !== undefined && known !== undefined) compareSchema(schema, known, `${place}: ${status}`)
  }
}

function compareSchema(mineAsGiven: Fields, itsAsGiven: Fields, place: string): void {
  const mine = resolved(mineAsGiven, ours)
  const its = resolved(itsAsGiven, theirs)
  if (its.type !== undefined && mine.type !== its.type) tell(place, `is ${its.type} there, ${mine.type} here`)
  if (Array.isArray(its.enum)) {
    const values = (mine.enum ?? []) as readonly unknown[]
    if (values.length === 0) tell(place, `is one of ${its.enum.join(', ')} there`)
    for (const value of values) if (!its.enum.includes(value)) tell(place, `${String(value)} is not there`)
  }
  for (const name of bounds) {
    // How large a whole number may be is the same in JSON.
    const isBound = its[name] !== undefined && !/^int(32|64)$/.test(String(its[name]))
    if (isBound && mine[name] !== its[name]) tell(place, `has the ${name} ${its[name]} there, ${mine[name]} here`)
  }
  const required = (mine.required ?? []) as readonly string[]
  if (Array.isArray(its.required))
    for (const name of its.required as readonly string[])
      if (!required.includes(name)) tell(`${place}.${name}`, 'is required there')
  if (its.properties !== undefined)
    for (const [name, member] of Object.entries((mine.properties ?? {}) as Fields)) {
      const known = at(its, 'properties', name) as Fields | undefined
      if (known === undefined) tell(`${place}.${name}`, 'is not there')
      else compareSchema(member as Fields, known, `${place}.${name}`)
    }
  if (mine.items !== undefined && its.items !== undefined)
    compareSchema(mine.items as Fields, its.items as Fields, `${place}[]`)
}

function operationOf(document: Fields, path: string, method: string): Operation | undefined {
  const bare = (name: string) => name.replace(/^\/api\/v\d+(?=\/)/, '').replaceAll(/\{[^}]*\}/g, '{}')
  const key = Object.keys(document.paths as Fields).find((each) => bare(each) === bare(path))
  const operation = key === undefined ? undefined : (at(document, 'paths', key, method) as Fields | undefined)
  if (key === undefined || operation === undefined) return undefined
  const parameters = [at(document, 'paths', key, 'parameters'), operation.parameters]
    .flatMap((list) => (list ?? []) as readonly Fields[])
    .map((each) => resolved(each, document))
  const form = parameters.filter((each) => each.in === 'formData')
  const answers = Object.entries(operation.responses as Readonly<Record<string, Fields>>)
  return {
    query: new Map(
      parameters
        .filter((each) => each.in === 'query')
        .map((each) => [String(each.name), { ...((each.schema ?? each) as Fields), required: each.required }]),
    ),
    body:
      contentOf(resolved((operation.requestBody ?? {}) as Fields, document)) ??
      (parameters.find((each) => each.in === 'body')?.schema as Fields | undefined) ??
      (form.length === 0 ? undefined : formSchema(form)),
    answers: new Map(answers.map(([status, answer]) => [status, contentOf(resolved(answer, document))])),
  }
}

function formSchema(parameters: readonly Fields[]): Fields {
  return {
    type: 'object',
    required: parameters.filter((each) => each.required === true).map((each) => each.name),
    properties: Object.fromEntries(parameters.map(({ required: _, ...each }) => [String(each.name), each])),
  }
}

function contentOf({ content, schema }: Fields): Fields | undefined {
  const kinds = (content ?? {}) as Readonly<Record<string, Fields>>
  return (schema ?? (kinds['application/json'] ?? Object.values(kinds)[0])?.schema) as Fields | undefined
}

/** What it refers to; several that all hold as one. */
function resolved(schema: Fields, document: Fields): Fields {
  if (typeof schema.$ref === 'string')
    return resolved((at(document, ...schema.$ref.slice(2).split('/')) ?? {}) as Fields, document)
  if (!Array.isArray(schema.allOf)) return schema
  const { allOf, ...own } = schema
  const parts = [...(allOf as readonly Fields[]).map((part) => resolved(part, document)), own]
  return Object.assign({}, ...parts, {
    properties: Object.assign({}, ...parts.map((part) => part.properties)),
    required: parts.flatMap((part) => (part.required ?? []) as readonly string[]),
  })
}

function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((found, name) => (found as Fields | undefined)?.[name], value)
}

function tell(place: string, what: string): void {
  const line = `${place}: ${what}`
  if (told.has(line)) return
  told.add(line)
  process.stdout.write(`${line}\n`)
}
