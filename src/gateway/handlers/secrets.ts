// Secrets and variables of projects and of project groups: the same operations on two kinds of holders.

import type { Configstore, HolderRef } from '../../configstore/api.ts'
import { invariant } from '../../lib/errors.ts'
import type { HandlerContext, HandlersOf } from '../routes/handler.ts'
import { secretView, variableView } from '../views/stored.ts'
import { accessOf, defined, treeGuardOf, written } from './common.ts'

type Kinds = 'Secret' | 'Variable'
type Ids =
  | `list${'Project' | 'ProjectGroup'}${Kinds}s`
  | `${'create' | 'update' | 'delete'}${'Project' | 'ProjectGroup'}${Kinds}`

export function secretHandlers({ configstore }: { readonly configstore: Configstore }): HandlersOf<Ids> {
  const listSecrets: HandlersOf<Ids>['listProjectSecrets'] & HandlersOf<Ids>['listProjectGroupSecrets'] = async (
    { query },
    context,
  ) => {
    const { items } = await configstore.listSecrets({ parent: parentOf(context), ...treeOf(query) }, context.call)
    return { items: items.map(secretView) }
  }
  const createSecret: HandlersOf<Ids>['createProjectSecret'] & HandlersOf<Ids>['createProjectGroupSecret'] = async (
    { body },
    context,
  ) => {
    const input = { parent: parentOf(context), ...body, ...treeGuardOf(context) }
    return secretView(written(context, await configstore.createSecret(input, context.call)))
  }
  const updateSecret: HandlersOf<Ids>['updateProjectSecret'] & HandlersOf<Ids>['updateProjectGroupSecret'] = async (
    { params, body },
    context,
  ) => {
    const { name: newName, data } = body
    const input = { parent: parentOf(context), name: params.secretName, ...defined({ newName, data }) }
    const changed = await configstore.updateSecret({ ...input, ...treeGuardOf(context) }, context.call)
    return secretView(written(context, changed))
  }
  const deleteSecret: HandlersOf<Ids>['deleteProjectSecret'] & HandlersOf<Ids>['deleteProjectGroupSecret'] = async (
    { params },
    context,
  ) => {
    const input = { parent: parentOf(context), name: params.secretName, ...treeGuardOf(context) }
    written(context, await configstore.deleteSecret(input, context.call))
  }
  const listVariables: HandlersOf<Ids>['listProjectVariables'] & HandlersOf<Ids>['listProjectGroupVariables'] = async (
    { query },
    context,
  ) => {
    const { items } = await configstore.listVariables({ parent: parentOf(context), ...treeOf(query) }, context.call)
    return { items: items.map(variableView) }
  }
  const createVariable: HandlersOf<Ids>['createProjectVariable'] & HandlersOf<Ids>['createProjectGroupVariable'] =
    async ({ body }, context) => {
      const input = { parent: parentOf(context), name: body.name, values: body.values.map(givenValue) }
      const made = await configstore.createVariable({ ...input, ...treeGuardOf(context) }, context.call)
      return variableView(written(context, made))
    }
  const updateVariable: HandlersOf<Ids>['updateProjectVariable'] & HandlersOf<Ids>['updateProjectGroupVariable'] =
    async ({ params, body }, context) => {
      const changes = defined({ newName: body.name, values: body.values?.map(givenValue) })
      const input = { parent: parentOf(context), name: params.variableName, ...changes, ...treeGuardOf(context) }
      return variableView(written(context, await configstore.updateVariable(input, context.call)))
    }
  const deleteVariable: HandlersOf<Ids>['deleteProjectVariable'] & HandlersOf<Ids>['deleteProjectGroupVariable'] =
    async ({ params }, context) => {
      const input = { parent: parentOf(context), name: params.variableName, ...treeGuardOf(context) }
      written(context, await configstore.deleteVariable(input, context.call))
    }
  return {
    listProjectSecrets: listSecrets,
    listProjectGroupSecrets: listSecrets,
    createProjectSecret: createSecret,
    createProjectGroupSecret: createSecret,
    updateProjectSecret: updateSecret,
    updateProjectGroupSecret: updateSecret,
    deleteProjectSecret: deleteSecret,
    deleteProjectGroupSecret: deleteSecret,
    listProjectVariables: listVariables,
    listProjectGroupVariables: listVariables,
    createProjectVariable: createVariable,
    createProjectGroupVariable: createVariable,
    updateProjectVariable: updateVariable,
    updateProjectGroupVariable: updateVariable,
    deleteProjectVariable: deleteVariable,
    deleteProjectGroupVariable: deleteVariable,
  }
}

function parentOf(context: HandlerContext): HolderRef {
  const { type, id } = accessOf(context)
  invariant(type === 'project' || type === 'projectgroup', `a ${type} holds no secrets`)
  return { type, ref: id }
}

function treeOf(query: { readonly inherited?: boolean; readonly withoutOverridden?: boolean }) {
  return {
    ...(query.inherited === true ? { tree: true } : {}),
    ...(query.withoutOverridden === true ? { withoutOverridden: true } : {}),
  }
}

type GivenConditions = { readonly include?: readonly Condition[]; readonly exclude?: readonly Condition[] }
type Condition = { readonly type: 'simple' | 'regexp'; readonly match: string }
type GivenWhen = { readonly branch?: GivenConditions; readonly tag?: GivenConditions; readonly ref?: GivenConditions }
type GivenValue = { readonly when?: GivenWhen } & (
  | { readonly secretName: string; readonly secretVar: string }
  | { readonly value: string }
)

/** Lists of conditions may be left out outside. */
function givenValue({ when, ...value }: GivenValue) {
  return { ...value, ...(when === undefined ? {} : { when: whenOf(when) }) }
}

function whenOf(when: GivenWhen) {
  const conditions = ({ include = [], exclude = [] }: GivenConditions) => ({ include, exclude })
  return {
    ...(when.branch === undefined ? {} : { branch: conditions(when.branch) }),
    ...(when.tag === undefined ? {} : { tag: conditions(when.tag) }),
    ...(when.ref === undefined ? {} : { ref: conditions(when.ref) }),
  }
}
