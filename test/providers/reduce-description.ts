// Makes the reduced description of a provider's API from the whole one, which is too large to be kept here:
//   node test/providers/reduce-description.ts WHOLE.json OPERATIONS > test/providers/descriptions/NAME.json
// OPERATIONS is a file with lines like `GET /repos/{owner}/{repo}`. What they refer to comes along; prose and examples do not.

import { readFileSync } from 'node:fs'

type Fields = { [name: string]: unknown }

const [wholePath, operationsPath] = process.argv.slice(2)
if (wholePath === undefined || operationsPath === undefined)
  throw new Error('usage: reduce-description.ts WHOLE.json OPERATIONS')
const whole = JSON.parse(readFileSync(wholePath, 'utf8')) as Fields & { paths: Fields; info: Fields }
const reduced: Fields & { paths: { [path: string]: Fields } } = {
  ...(whole.swagger === undefined ? { openapi: whole.openapi } : { swagger: whole.swagger }),
  info: {
    title: whole.info.title,
    version: whole.info.version,
    license: whole.info.license,
    description: 'Reduced to the operations that are used here.',
  },
  paths: {},
}
for (const line of readFileSync(operationsPath, 'utf8')
  .split('\n')
  .filter((text) => text !== '')) {
  const [method = '', path = ''] = line.split(' ')
  const given = whole.paths[path] as Fields | undefined
  const operation = given?.[method.toLowerCase()]
  if (operation === undefined) throw new Error(`${line} is not in the description`)
  reduced.paths[path] ??= given?.parameters === undefined ? {} : { parameters: bare(given.parameters) }
  reduced.paths[path][method.toLowerCase()] = bare(operation)
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
  const prose = [
    'description',
    'summary',
    'example',
    'examples',
    'externalDocs',
    'tags',
    'title',
    'x-github',
    'x-octokit',
  ]
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => isNames || !prose.includes(name))
      .map(([name, part]) => [name, bare(part, !isNames && name === 'properties')]),
  )
}
