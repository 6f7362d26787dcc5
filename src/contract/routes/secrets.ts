// Secrets and variables. Projects and project groups have the same operations, so both are made from one description.

import { type TObject, Type } from 'typebox'
import { defineRoute } from '../route.ts'
import { listOf, Name, object, ProjectGroupRef, ProjectRef } from '../schemas/common.ts'
import { NewSecret, NewVariable, Secret, SecretChange, Variable, VariableChange } from '../schemas/projects.ts'

const listing = object({
  inherited: Type.Optional(Type.Boolean({ description: 'Also those of all groups above, nearest first.' })),
  withoutOverridden: Type.Optional(Type.Boolean({ description: 'Only the nearest of each name.' })),
})

function secretRoutes<P extends TObject, S extends TObject, V extends TObject>(
  base: `/${string}`,
  params: { readonly parent: P; readonly secret: S; readonly variable: V },
) {
  const secrets = `${base}/secrets` as const
  const variables = `${base}/variables` as const
  return {
    listSecrets: defineRoute({
      method: 'GET',
      path: secrets,
      tag: 'secrets',
      summary: 'Names of secrets and of their keys; values never leave.',
      auth: 'required',
      params: params.parent,
      query: listing,
      responses: { 200: listOf(Secret) },
      never: ['forbidden', 'token_scope'],
      errors: [],
    }),
    createSecret: defineRoute({
      method: 'POST',
      path: secrets,
      tag: 'secrets',
      summary: 'Makes a secret.',
      auth: 'required',
      params: params.parent,
      body: NewSecret,
      responses: { 201: Secret },
      versioned: true,
      repeatable: true,
      errors: ['name_invalid', 'secret_exists', 'secret_invalid', 'owner_changed', 'limit_exceeded'],
    }),
    updateSecret: defineRoute({
      method: 'PATCH',
      path: `${secrets}/:secretName`,
      tag: 'secrets',
      summary: 'Renames a secret, or replaces its data as a whole.',
      auth: 'required',
      params: params.secret,
      body: SecretChange,
      responses: { 200: Secret },
      versioned: true,
      errors: [
        'secret_not_found',
        'name_invalid',
        'secret_exists',
        'secret_invalid',
        'owner_changed',
        'version_conflict',
      ],
    }),
    deleteSecret: defineRoute({
      method: 'DELETE',
      path: `${secrets}/:secretName`,
      tag: 'secrets',
      summary: 'Removes a secret.',
      auth: 'required',
      params: params.secret,
      responses: { 204: undefined },
      versioned: true,
      errors: ['secret_not_found', 'owner_changed', 'version_conflict'],
    }),
    listVariables: defineRoute({
      method: 'GET',
      path: variables,
      tag: 'variables',
      summary: 'Variables, and which secrets give their values.',
      auth: 'required',
      params: params.parent,
      query: listing,
      responses: { 200: listOf(Variable) },
      never: ['forbidden', 'token_scope'],
      errors: [],
    }),
    createVariable: defineRoute({
      method: 'POST',
      path: variables,
      tag: 'variables',
      summary: 'Makes a variable.',
      auth: 'required',
      params: params.parent,
      body: NewVariable,
      responses: { 201: Variable },
      versioned: true,
      repeatable: true,
      errors: ['name_invalid', 'variable_exists', 'variable_invalid', 'owner_changed', 'limit_exceeded'],
    }),
    updateVariable: defineRoute({
      method: 'PATCH',
      path: `${variables}/:variableName`,
      tag: 'variables',
      summary: 'Renames a variable, or replaces its values as a whole.',
      auth: 'required',
      params: params.variable,
      body: VariableChange,
      responses: { 200: Variable },
      versioned: true,
      errors: [
        'variable_not_found',
        'name_invalid',
        'variable_exists',
        'variable_invalid',
        'owner_changed',
        'version_conflict',
      ],
    }),
    deleteVariable: defineRoute({
      method: 'DELETE',
      path: `${variables}/:variableName`,
      tag: 'variables',
      summary: 'Removes a variable.',
      auth: 'required',
      params: params.variable,
      responses: { 204: undefined },
      versioned: true,
      errors: ['variable_not_found', 'owner_changed', 'version_conflict'],
    }),
  } as const
}

const project = { projectRef: ProjectRef }
const group = { projectGroupRef: ProjectGroupRef }

const ofProject = secretRoutes('/projects/:projectRef', {
  parent: object(project),
  secret: object({ ...project, secretName: Name }),
  variable: object({ ...project, variableName: Name }),
})
const ofGroup = secretRoutes('/project-groups/:projectGroupRef', {
  parent: object(group),
  secret: object({ ...group, secretName: Name }),
  variable: object({ ...group, variableName: Name }),
})

export const projectSecretRoutes = {
  listProjectSecrets: ofProject.listSecrets,
  createProjectSecret: ofProject.createSecret,
  updateProjectSecret: ofProject.updateSecret,
  deleteProjectSecret: ofProject.deleteSecret,
  listProjectVariables: ofProject.listVariables,
  createProjectVariable: ofProject.createVariable,
  updateProjectVariable: ofProject.updateVariable,
  deleteProjectVariable: ofProject.deleteVariable,
  listProjectGroupSecrets: ofGroup.listSecrets,
  createProjectGroupSecret: ofGroup.createSecret,
  updateProjectGroupSecret: ofGroup.updateSecret,
  deleteProjectGroupSecret: ofGroup.deleteSecret,
  listProjectGroupVariables: ofGroup.listVariables,
  createProjectGroupVariable: ofGroup.createVariable,
  updateProjectGroupVariable: ofGroup.updateVariable,
  deleteProjectGroupVariable: ofGroup.deleteVariable,
} as const
