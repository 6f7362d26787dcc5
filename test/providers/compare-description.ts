// Tells what a description that was written here says and the provider's own does not, one line each; nothing when all of ours is there:
//   node test/providers/compare-description.ts WHOLE.json OURS.json
// Both are Swagger 2.0. Ours may leave out what is not used, and call required what the provider always tells.

import { readFileSync } from 'node:fs'

type Fields = { readonly [name: string]: unknown }

const [wholePath, oursPath] = process.argv.slice(2)
if (wholePath === undefined || oursPath === undefined)
  throw new Error('usage: compare-description.ts WHOLE.json OURS.json')
const whole = JSON.parse(readFileSync(wholePath, 'utf8')) as Fields
const ours = JSON.parse(readFileSync(oursPath, 'utf8')) as Fields
for (const [path, operations] of Object.entries((ours.paths ?? {}) as Fields))
  for (const method of Object.keys(operations as Fields).filter((name) => name !== 'parameters'))
    compareOperation(path, method)
for (const [name, schema] of Object.entries((ours.definitions ?? {}) as Fields))
  compareSchema(schema as Fields, resolved(at(whole, 'definitions', name) as Fields | undefined), name)

function compareOperation(path: string, method: string): void {
  const place = `${method.toUpperCase()} ${path}`
  const theirs = at(whole, 'paths', path, method) as Fields | undefined
  if (theirs === undefined) {
    tell(`${place} is not there`)
    return
  }
  const operation = at(ours, 'paths', path, method) as Fields
  const known = parametersOf(whole, path, method)
  for (const parameter of parametersOf(ours, path, method)) {
    const { name, type } = parameter
    const its = known.find((each) => each.in === parameter.in && (each.in === 'body' || each.name === name))
    if (its === undefined) tell(`${place}: the parameter ${String(name)} is not there`)
    // Ids in a path are texts to us, whatever they are there.
    else if (parameter.in === 'query' && type !== its.type)
      tell(`${place}: ${String(name)} is ${String(its.type)} there`)
  }
  for (const status of Object.keys(operation.responses as Fields).filter((each) => Number(each) < 300))
    if (at(theirs, 'responses', status) === undefined) tell(`${place}: an answer ${status} is not there`)
}

function compareSchema(mine: Fields, theirs: Fields | undefined, place: string): void {
  if (theirs === undefined) {
    tell(`${place} is not there`)
    return
  }
  const types = [mine.type, theirs.type]
  if (types.every((type) => type !== undefined) && mine.type !== theirs.type)
    tell(`${place} is ${String(theirs.type)} there`)
  for (const value of (mine.enum ?? []) as readonly unknown[])
    if (Array.isArray(theirs.enum) && !theirs.enum.includes(value)) tell(`${place}: ${String(value)} is not there`)
  for (const [name, member] of Object.entries((mine.properties ?? {}) as Fields))
    if (theirs.properties !== undefined)
      compareSchema(
        resolved(member as Fields, ours) ?? {},
        resolved(at(theirs, 'properties', name) as Fields | undefined),
        `${place}.${name}`,
      )
}

function parametersOf(document: Fields, path: string, method: string): readonly Fields[] {
  const shared = (at(document, 'paths', path, 'parameters') ?? []) as readonly Fields[]
  return [...shared, ...((at(document, 'paths', path, method, 'parameters') ?? []) as readonly Fields[])]
}

/** Of a reference what it refers to, without following those inside of it. */
function resolved(schema: Fields | undefined, document = whole): Fields | undefined {
  if (typeof schema?.$ref !== 'string') return schema
  const { properties: _, ...rest } = (at(document, ...schema.$ref.slice(2).split('/')) ?? {}) as Fields
  return rest
}

function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((found, name) => (found as Fields | undefined)?.[name], value)
}

function tell(text: string): void {
  process.stdout.write(`${text}\n`)
}
