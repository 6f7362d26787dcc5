// Projects and groups have the same settings pages for secrets and variables; what differs are the operations.

import { call } from '../../api/client.ts'
import type { Secret, Variable } from '../../api/types.ts'

export type Place = {
  readonly kind: 'project' | 'group' /** Path or id. */
  readonly ref: string
  readonly path: string
  /** One may look, not change. */
  readonly isReadOnly?: boolean
}

export type SecretInput = { readonly name: string; readonly data: Record<string, string> }
export type VariableInput = { readonly name: string; readonly values: Variable['values'] }

type List<T> = Promise<{ readonly items: readonly T[] }>

export type PlaceOperations = {
  readonly listSecrets: (inherited: boolean) => List<Secret>
  readonly createSecret: (input: SecretInput) => Promise<unknown>
  readonly updateSecret: (name: string, input: Partial<SecretInput>, ifMatch: number) => Promise<unknown>
  readonly deleteSecret: (name: string, ifMatch: number) => Promise<unknown>
  readonly listVariables: (inherited: boolean) => List<Variable>
  readonly createVariable: (input: VariableInput) => Promise<unknown>
  readonly updateVariable: (name: string, input: Partial<VariableInput>, ifMatch: number) => Promise<unknown>
  readonly deleteVariable: (name: string, ifMatch: number) => Promise<unknown>
}

export function operationsOf({ kind, ref }: Place): PlaceOperations {
  if (kind === 'project') {
    const params = { projectRef: ref }
    return {
      listSecrets: (inherited) => call('listProjectSecrets', { params, query: { inherited } }),
      createSecret: (body) => call('createProjectSecret', { params, body }),
      updateSecret: (secretName, body, ifMatch) =>
        call('updateProjectSecret', { params: { ...params, secretName }, body, ifMatch }),
      deleteSecret: (secretName, ifMatch) =>
        call('deleteProjectSecret', { params: { ...params, secretName }, ifMatch }),
      listVariables: (inherited) => call('listProjectVariables', { params, query: { inherited } }),
      createVariable: (body) => call('createProjectVariable', { params, body: withoutViews(body) }),
      updateVariable: (variableName, body, ifMatch) =>
        call('updateProjectVariable', { params: { ...params, variableName }, body: withoutViews(body), ifMatch }),
      deleteVariable: (variableName, ifMatch) =>
        call('deleteProjectVariable', { params: { ...params, variableName }, ifMatch }),
    }
  }
  const params = { projectGroupRef: ref }
  return {
    listSecrets: (inherited) => call('listProjectGroupSecrets', { params, query: { inherited } }),
    createSecret: (body) => call('createProjectGroupSecret', { params, body }),
    updateSecret: (secretName, body, ifMatch) =>
      call('updateProjectGroupSecret', { params: { ...params, secretName }, body, ifMatch }),
    deleteSecret: (secretName, ifMatch) =>
      call('deleteProjectGroupSecret', { params: { ...params, secretName }, ifMatch }),
    listVariables: (inherited) => call('listProjectGroupVariables', { params, query: { inherited } }),
    createVariable: (body) => call('createProjectGroupVariable', { params, body: withoutViews(body) }),
    updateVariable: (variableName, body, ifMatch) =>
      call('updateProjectGroupVariable', { params: { ...params, variableName }, body: withoutViews(body), ifMatch }),
    deleteVariable: (variableName, ifMatch) =>
      call('deleteProjectGroupVariable', { params: { ...params, variableName }, ifMatch }),
  }
}

/** The server tells which secret a value comes from; it is not told back. */
function withoutViews<T extends Partial<VariableInput>>(body: T): T {
  if (body.values === undefined) return body
  const values = body.values.map((value) => {
    if (!('secretName' in value)) return value
    const { matchingSecretParentPath: _, ...rest } = value
    return rest
  })
  return { ...body, values }
}
