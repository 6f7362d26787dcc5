// The values of a variable as a person writes them: `when` in the syntax of the definition, names as the reference has them.

import { parseDocument } from 'yaml'
import type { BodyOf } from '../../contract/route.ts'
import type { ApiRoutes } from '../../contract/routes.ts'
import { SlipwayError } from '../../lib/errors.ts'

type Values = BodyOf<ApiRoutes['createProjectVariable']>['values']
type When = NonNullable<Values[number]['when']>
type Conditions = NonNullable<When['branch']>
type Condition = NonNullable<Conditions['include']>[number]

/** Errors: `usage` with the place of what is wrong. */
export function parseVariableValues(text: string, file: string): Values {
  const document = parseDocument(text, { schema: 'failsafe', uniqueKeys: true, prettyErrors: false })
  if (document.errors.length > 0) throw new SlipwayError('usage', `${file} is not YAML: ${document.errors[0]!.message}`)
  const values = document.toJS({ maxAliasCount: 0 }) as unknown
  if (!Array.isArray(values)) throw new SlipwayError('usage', `${file} is not a list of values`)
  return values.map((value, index) => parseValue(value, `${file}: value ${index + 1}`))
}

function parseValue(value: unknown, where: string): Values[number] {
  const { secret_name: secretName, secret_var: secretVar, value: plain, when, ...rest } = mapping(value, where)
  const unknown = Object.keys(rest)[0]
  if (unknown !== undefined)
    throw new SlipwayError('usage', `${where}: ${unknown} is not known; there are secret_name, secret_var, value, when`)
  const condition = when === undefined ? {} : { when: whenOf(when, `${where}: when`) }
  if (typeof plain === 'string' && secretName === undefined && secretVar === undefined)
    return { value: plain, ...condition }
  if (plain === undefined && typeof secretName === 'string' && typeof secretVar === 'string')
    return { secretName, secretVar, ...condition }
  throw new SlipwayError('usage', `${where}: needs secret_name and secret_var, or value alone`)
}

function whenOf(value: unknown, where: string): When {
  const given = mapping(value, where)
  const unknown = Object.keys(given).find((key) => !['branch', 'tag', 'ref'].includes(key))
  if (unknown !== undefined)
    throw new SlipwayError('usage', `${where}: ${unknown} is not known; there are branch, tag, ref`)
  return Object.fromEntries(Object.entries(given).map(([key, inner]) => [key, conditionsOf(inner, `${where}.${key}`)]))
}

function conditionsOf(value: unknown, where: string): Conditions {
  if (typeof value === 'string' || Array.isArray(value)) return { include: listOf(value, where) }
  const { include, exclude, ...rest } = mapping(value, where)
  const unknown = Object.keys(rest)[0]
  if (unknown !== undefined)
    throw new SlipwayError('usage', `${where}: ${unknown} is not known; there are include, exclude`)
  return {
    ...(include === undefined ? {} : { include: listOf(include, `${where}.include`) }),
    ...(exclude === undefined ? {} : { exclude: listOf(exclude, `${where}.exclude`) }),
  }
}

function listOf(value: unknown, where: string): Condition[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [value]
  return items.map((item) => {
    if (typeof item !== 'string') throw new SlipwayError('usage', `${where}: is not a text or a list of texts`)
    return conditionOf(item)
  })
}

/** Between slashes or hashes, and longer than two characters, it is a regular expression. */
function conditionOf(text: string): Condition {
  const isPattern = text.length > 2 && (/^\/.*\/$/s.test(text) || /^#.*#$/s.test(text))
  return isPattern ? { type: 'regexp', match: text.slice(1, -1) } : { type: 'simple', match: text }
}

function mapping(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new SlipwayError('usage', `${where}: is not a mapping`)
  return value as Record<string, unknown>
}
