// Variables: which value a run gets is decided by the event; the value itself is in a secret at or above the variable, or, as
// only Slipway has it, a text that is no secret.

import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { When } from '../../pipeline/config/config.ts'
import { type Condition, parseRegexpCondition } from '../../pipeline/languages/condition/condition.ts'
import { resolveVariables } from '../../pipeline/variables.ts'
import type { Configstore } from '../api.ts'
import { checkName } from '../names.ts'
import { Tree } from '../projects/tree.ts'
import { getHolder, getProject, notFound, type PlacedHolder } from '../refs.ts'
import type { Reading, VariableRow } from '../row-types.ts'
import { changed, checkVersion, given, newStored, type Store } from '../store.ts'
import type { VariableValue, VariableView } from '../types.ts'
import { checkRoom, findHeld, guardedHolder, type HeldRow, heldAtAndAbove, isAtOrAbove, listHeld } from './held.ts'
import { secretRef } from './secrets.ts'

type Operations = Pick<
  Configstore,
  'createVariable' | 'listVariables' | 'updateVariable' | 'deleteVariable' | 'resolveVariables'
>

export function variableOperations(store: Store): Operations {
  return {
    createVariable: async ({ parent, name, values, ...guard }, context) => {
      checkName(name, 'a variable')
      checkValues(name, values)
      const stored = newStored(store.newId(), store.now())
      return store.write(context, 'createVariable', (tx) => {
        const holder = guardedHolder(new Tree(tx), parent, guard)
        checkFree(tx, holder, name)
        checkRoom(tx, 'variable', holder)
        const variable: VariableRow = { ...stored, name, parent: holder.parent, values: values.map(normalValue) }
        tx.put('variable', variable.id, variable)
        return view({ row: variable, path: holder.path }, heldAtAndAbove(tx, 'secret', holder))
      })
    },

    listVariables: (options, context) =>
      store.read(context, (tx) => {
        const tree = new Tree(tx)
        const secrets = heldAtAndAbove(tx, 'secret', getHolder(tree, options.parent))
        return { items: listHeld(tree, 'variable', options).map((variable) => view(variable, secrets)) }
      }),

    updateVariable: async ({ parent, name, newName, values, ...guard }, context) => {
      if (newName !== undefined) checkName(newName, 'a variable')
      if (values !== undefined) checkValues(newName ?? name, values)
      const now = store.now()
      return store.write(context, 'updateVariable', (tx) => {
        const holder = guardedHolder(new Tree(tx), parent, guard)
        const variable = getVariable(tx, holder, name)
        checkVersion(variable, guard, `variable ${name} of ${holder.path}`)
        if (newName !== undefined && newName !== name) checkFree(tx, holder, newName)
        const next = changed(variable, given({ name: newName, values: values?.map(normalValue) }), now)
        tx.put('variable', next.id, next)
        return view({ row: next, path: holder.path }, heldAtAndAbove(tx, 'secret', holder))
      })
    },

    deleteVariable: ({ parent, name, ...guard }, context) =>
      store.write(context, 'deleteVariable', (tx) => {
        const holder = guardedHolder(new Tree(tx), parent, guard)
        const variable = getVariable(tx, holder, name)
        checkVersion(variable, guard, `variable ${name} of ${holder.path}`)
        tx.delete('variable', variable.id)
        return {}
      }),

    resolveVariables: ({ project, event, isFork }, context) =>
      store.read(context, (tx) => {
        const tree = new Tree(tx)
        const { row } = getProject(tree, project)
        const holder = getHolder(tree, { type: 'project', ref: row.id })
        const resolved = resolveVariables({
          variables: heldAtAndAbove(tx, 'variable', holder).map(({ row: { name, values }, path }) => ({
            name,
            values,
            parentPath: path,
          })),
          secrets: heldAtAndAbove(tx, 'secret', holder).map(({ row: { id, name, keys }, path }) => ({
            name,
            parentPath: path,
            data: new Map(keys.map((key) => [key, { secret: secretRef(id, key) }])),
          })),
          event,
          passVariables: !isFork || row.passVariablesToForks,
        })
        return { variables: Object.fromEntries(resolved) }
      }),
  }
}

/** `secrets`: nearest first, of the object that was asked about. */
function view({ row, path }: HeldRow<'variable'>, secrets: readonly HeldRow<'secret'>[]): VariableView {
  return {
    ...row,
    parentPath: path,
    values: row.values.map((value) => {
      if ('value' in value) return value
      const secret = secrets.find((held) => held.row.name === value.secretName && isAtOrAbove(held.path, path))
      return secret === undefined ? value : { ...value, matchingSecretParentPath: secret.path }
    }),
  }
}

function getVariable(tx: Reading, { parent, path }: PlacedHolder, name: string): VariableRow {
  const variable = findHeld(tx, 'variable', parent.id, name)
  if (variable === undefined) throw notFound('variable_not_found', `variable of ${path}`, name)
  return variable
}

function checkFree(tx: Reading, { parent, path }: PlacedHolder, name: string): void {
  if (findHeld(tx, 'variable', parent.id, name) !== undefined)
    throw new SlipwayError('variable_exists', `${path} has a variable ${name}`)
}

function checkValues(name: string, values: readonly VariableValue[]): void {
  const max = limits.variableBytes.value
  const problem =
    values.length === 0
      ? 'it has no value'
      : Buffer.byteLength(JSON.stringify(values)) > max
        ? `its values and conditions have more than ${max} bytes`
        : values.map(problemOf).find((found) => found !== undefined)
  if (problem !== undefined) throw new SlipwayError('variable_invalid', `variable ${name}: ${problem}`)
}

function problemOf(value: VariableValue): string | undefined {
  const hasText = 'value' in value
  const hasSecret = 'secretName' in value && 'secretVar' in value
  if (hasText === hasSecret) return 'a value is either out of a secret (secretName and secretVar) or a text'
  if (hasText ? typeof value.value !== 'string' : value.secretName === '' || value.secretVar === '')
    return 'a name of a secret or of its value is missing'
  return value.when && whenProblem(value.when)
}

/** Only what belongs to it. */
function normalValue(value: VariableValue): VariableValue {
  const when = value.when && { when: normalWhen(value.when) }
  if ('value' in value) return { value: value.value, ...when }
  return { secretName: value.secretName, secretVar: value.secretVar, ...when }
}

function normalWhen(when: When): When {
  const normal = ({ type, match }: Condition): Condition => ({ type, match })
  return Object.fromEntries(
    Object.entries(given(when)).map(([section, { include, exclude }]) => [
      section,
      { include: include.map(normal), exclude: exclude.map(normal) },
    ]),
  )
}

function whenProblem(when: When): string | undefined {
  for (const [section, conditions] of Object.entries(given(when))) {
    if (!['branch', 'tag', 'ref'].includes(section)) return `when has branch, tag and ref, not ${section}`
    if (!Array.isArray(conditions.include) || !Array.isArray(conditions.exclude))
      return `${section} has a list of includes and one of excludes`
    for (const condition of [...conditions.include, ...conditions.exclude]) {
      const problem = conditionProblem(condition)
      if (problem !== undefined) return problem
    }
  }
  return undefined
}

function conditionProblem({ type, match }: Condition): string | undefined {
  if (type === 'simple') return undefined
  if (type !== 'regexp') return `a condition is simple or regexp, not ${type as string}`
  const parsed = parseRegexpCondition(match)
  return parsed.ok ? undefined : parsed.message
}
