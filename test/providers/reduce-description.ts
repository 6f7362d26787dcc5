// Takes the reduced description of a provider's API anew from the whole one, which is too large to be kept here:
//   node test/providers/reduce-description.ts WHOLE.json KNOWN.json 'where WHOLE.json is from' > NEW.json
// The operations are those of KNOWN.json, a description that may have nothing but `{"paths": {"/user": {"get": {}}}}`. What they refer to
// comes along; prose and examples do not.

import { readFileSync } from 'node:fs'

type Fields = { [name: string]: unknown }

const [wholePath, knownPath, origin] = process.argv.slice(2)
if (wholePath === undefined || knownPath === undefined || origin === undefined)
  throw new Error('usage: reduce-description.ts WHOLE.json KNOWN.json ORIGIN')
const whole = JSON.parse(readFileSync(wholePath, 'utf8')) as Fields & { paths: Fields; info: Fields }
const reduced: Fields & { paths: { [path: string]: Fields } } = {
  ...(whole.swagger === undefined ? { openapi: whole.openapi } : { swagger: whole.swagger }),
  info: {
    title: whole.info.title,
    version: whole.info.version,
    license: whole.info.license,
    description: `Reduced to the operations that are used here, from ${origin}.`,
  },
  paths: {},
}
const known = JSON.parse(readFileSync(knownPath, 'utf8')) as { readonly paths: Readonly<Record<string, object>> }
for (const [path, operations] of Object.entries(known.paths)) {
  const given = whole.paths[path] as Fields | undefined
  reduced.paths[path] = given?.parameters === undefined ? {} : { parameters: bare(given.parameters) }
  for (const method of Object.keys(operations).filter((name) => name !== 'parameters')) {
    const operation = given?.[method]
    if (operation === undefined) throw new Error(`${method} ${path} is not in the description`)
    reduced.paths[path][method] = bare(operation)
  }
}
let taken = 0
for (let before = -1; before !== taken; ) {
  before = taken
  for (const [, ref = ''] of JSON.stringify(reduced).matchAll(/"\$ref":"#\/([^"]+)"/g)) take(ref.split('/'))
}
process.stdout.write(`${JSON.stringify(reduced)}\n`)

function take(names: readonly string[]): void {
  let from: unknown = whole
  let to: Fields = reduced
  for (const [index, name] of names.entries()) {
    from = (from as Fields | undefined)?.[name]
    if (from === undefined) throw new Error(`nothing at ${names.join('/')}`)
    if (index < names.length - 1) {
      to[name] ??= {}
      to = to[name] as Fields
    } else if (to[name] === undefined) {
      to[name] = bare(from)
      taken++
    }
  }
}

/** Without prose; `properties` may have members of these names. */
function bare(value: unknown, isNames = false): unknown {
  if (Array.isArray(value)) return value.map((part) => bare(part))
  if (typeof value !== 'object' || value === null) return value
  const prose = ['description', 'summary', 'example', 'examples', 'externalDocs', 'tags', 'title']
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => isNames || !(prose.includes(name) || /^x-(?:go|github|octokit|deprecated)/.test(name)))
      .map(([name, part]) => [name, bare(part, !isNames && name === 'properties')]),
  )
}
