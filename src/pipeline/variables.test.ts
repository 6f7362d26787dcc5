// Which value a variable has: the nearest variable, its first value that matches, the nearest secret at or above it.

import { expect, test } from 'vitest'
import { anEvent } from './run-config-fixture.ts'
import { resolveVariables, type Secret, type Variable } from './variables.ts'

const onMaster = { branch: { include: [{ type: 'simple', match: 'master' }], exclude: [] } } as const
const project = 'org/o/pg/prj'

const aVariable = (parentPath: string, ...values: Variable['values']): Variable => ({ name: 'tok', parentPath, values })
const aSecret = (parentPath: string, data: Readonly<Record<string, string>>): Secret => ({
  name: 's',
  parentPath,
  data: new Map(Object.entries(data)),
})
const valueA = { secretName: 's', secretVar: 'a' }
const valueB = { secretName: 's', secretVar: 'b' }

const dev = anEvent({ branch: 'dev', ref: 'refs/heads/dev' })
const variables = [aVariable('org/o', valueA), aVariable(project, { ...valueA, when: onMaster }, valueB)]
const secrets = [aSecret('org/o/pg', { a: 'A' })]

test('the first value that matches is chosen', () => {
  expect(resolveVariables({ variables, secrets, event: anEvent(), passVariables: true })).toEqual(
    new Map([['tok', 'A']]),
  )
})

test('a chosen value without its key is no value: a farther variable is not a fallback', () => {
  expect(resolveVariables({ variables, secrets, event: dev, passVariables: true })).toEqual(new Map())
})

test('a farther secret that has the key is not a fallback either', () => {
  const more = [...secrets, aSecret('org/o', { b: 'B' })]
  expect(resolveVariables({ variables, secrets: more, event: dev, passVariables: true })).toEqual(new Map())
})

test('a fork whose project keeps its variables has none', () => {
  expect(resolveVariables({ variables, secrets, event: anEvent(), passVariables: false })).toEqual(new Map())
})

test('a secret below its variable is not eligible', () => {
  const above = [aVariable('org/o', valueA)]
  expect(resolveVariables({ variables: above, secrets, event: anEvent(), passVariables: true })).toEqual(new Map())
})

test('of the secrets in the same place, above and below, the one in the same place is chosen', () => {
  const there = [aVariable('org/o/pg', valueA)]
  const three = [aSecret(project, { a: 'below' }), aSecret('org/o', { a: 'above' }), aSecret('org/o/pg', { a: 'same' })]
  expect(resolveVariables({ variables: there, secrets: three, event: dev, passVariables: true }).get('tok')).toBe(
    'same',
  )
})

test('a path that only begins alike is not above', () => {
  const input = { variables: [aVariable('org/other', valueA)], event: dev, passVariables: true }
  expect(resolveVariables({ ...input, secrets: [aSecret('org/o', { a: 'A' })] })).toEqual(new Map())
})

test('values may be references to sealed secrets', () => {
  const sealed: Secret = { name: 's', parentPath: project, data: new Map([['a', { secret: 'ref-1' }]]) }
  const input = { variables: [aVariable(project, valueA)], secrets: [sealed], event: dev, passVariables: true }
  expect(resolveVariables(input).get('tok')).toEqual({ secret: 'ref-1' })
})

test('a variable none of whose values matches has none, and hides those above', () => {
  const input = {
    variables: [aVariable(project, { ...valueA, when: onMaster }), aVariable('org/o/pg', valueA)],
    secrets,
    event: dev,
    passVariables: true,
  }
  expect(resolveVariables(input)).toEqual(new Map())
})

test('a value may be a text that is no secret', () => {
  const literal = [aVariable(project, { value: 'M', when: onMaster }, { value: '' })]
  const resolved = (event: typeof dev) =>
    resolveVariables({ variables: literal, secrets: [], event, passVariables: true })
  expect(resolved(dev)).toEqual(new Map([['tok', '']]))
  expect(resolved(anEvent({ branch: 'master', ref: 'refs/heads/master' }))).toEqual(new Map([['tok', 'M']]))
})
