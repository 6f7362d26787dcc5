// `slipway secret`, `slipway variable`: of projects and of groups.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { BodyOf, ResponseOf } from '../../../contract/route.ts'
import type { ApiRoutes } from '../../../contract/routes.ts'
import { errorMessage, SlipwayError } from '../../../lib/errors.ts'
import type { Io } from '../../io.ts'
import { type Column, printItem, printList } from '../../remote/print.ts'
import { readStdin } from '../../remote/read-secret.ts'
import type { AddRemote } from '../../remote/remote-command.ts'

type Secret = ResponseOf<ApiRoutes['createProjectSecret']>
type Variable = ResponseOf<ApiRoutes['createProjectVariable']>
type SecretData = BodyOf<ApiRoutes['createProjectSecret']>['data']
type VariableValues = BodyOf<ApiRoutes['createProjectVariable']>['values']

/** Where it hangs: exactly one. */
type Place = { readonly project?: string; readonly group?: string }

const secretColumns: readonly Column<Secret>[] = [
  ['name', ({ name }) => name],
  ['in', ({ parentPath }) => parentPath],
  ['keys', ({ keys }) => keys.join(' ')],
  ['changed', ({ updatedAt }) => updatedAt],
]
const variableColumns: readonly Column<Variable>[] = [
  ['name', ({ name }) => name],
  ['in', ({ parentPath }) => parentPath],
  [
    'values',
    ({ values }) =>
      values.map((value) => ('value' in value ? 'text' : `${value.secretName}.${value.secretVar}`)).join(' '),
  ],
  ['changed', ({ updatedAt }) => updatedAt],
]

const fileHelp = `
The file is YAML or JSON, - is standard input. A secret: a mapping of keys to texts. A variable: a list of values, the first whose
\`when\` matches is taken; each has secret_name and secret_var, or value for what is not secret.

  - secret_name: db-prod
    secret_var: password
    when: { branch: main, tag: '/^v.*/' }
  - value: plain text`

export function addSecretCommands(program: Command, add: AddRemote): void {
  const secret = program.command('secret').summary('secrets of projects and groups; values never come back')
  add(
    withListing(secret.command('list').summary('names of secrets and of their keys')),
    async ({ client, io, format }, options: Place & Listing) => {
      const query = queryOf(options)
      const { items } = await at(options, {
        project: (projectRef) => client.call('listProjectSecrets', { params: { projectRef }, query }),
        group: (projectGroupRef) => client.call('listProjectGroupSecrets', { params: { projectGroupRef }, query }),
      })
      printList(items, secretColumns, format, io)
    },
  )
  add(
    withFile(secret.command('create <name>').summary('make a secret')),
    async ({ client, io, format }, options: Place & { file: string }, name: string) => {
      const body = { name, data: await readSecretData(options.file, io) }
      const created = await at(options, {
        project: (projectRef) => client.call('createProjectSecret', { params: { projectRef }, body }),
        group: (projectGroupRef) => client.call('createProjectGroupSecret', { params: { projectGroupRef }, body }),
      })
      printItem(created, secretColumns, format, io)
    },
  )
  add(
    withFile(secret.command('update <name>').summary('rename a secret, or replace its data as a whole'), {
      isOptional: true,
    }).option('--name <name>', 'its new name'),
    async ({ client, io, format }, options: Place & { file?: string; name?: string }, secretName: string) => {
      const body = {
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(options.file === undefined ? {} : { data: await readSecretData(options.file, io) }),
      }
      const updated = await at(options, {
        project: (projectRef) => client.call('updateProjectSecret', { params: { projectRef, secretName }, body }),
        group: (projectGroupRef) =>
          client.call('updateProjectGroupSecret', { params: { projectGroupRef, secretName }, body }),
      })
      printItem(updated, secretColumns, format, io)
    },
  )
  add(
    withPlace(secret.command('delete <name>').summary('remove a secret')),
    async ({ client }, options: Place, secretName: string) => {
      await at(options, {
        project: (projectRef) => client.call('deleteProjectSecret', { params: { projectRef, secretName } }),
        group: (projectGroupRef) =>
          client.call('deleteProjectGroupSecret', { params: { projectGroupRef, secretName } }),
      })
    },
  )
  addVariableCommands(program, add)
}

function addVariableCommands(program: Command, add: AddRemote): void {
  const variable = program.command('variable').summary('variables of projects and groups')
  add(
    withListing(variable.command('list').summary('variables, and which secrets give their values')),
    async ({ client, io, format }, options: Place & Listing) => {
      const query = queryOf(options)
      const { items } = await at(options, {
        project: (projectRef) => client.call('listProjectVariables', { params: { projectRef }, query }),
        group: (projectGroupRef) => client.call('listProjectGroupVariables', { params: { projectGroupRef }, query }),
      })
      printList(items, variableColumns, format, io)
    },
  )
  add(
    withFile(variable.command('create <name>').summary('make a variable')),
    async ({ client, io, format }, options: Place & { file: string }, name: string) => {
      const body = { name, values: await readVariableValues(options.file, io) }
      const created = await at(options, {
        project: (projectRef) => client.call('createProjectVariable', { params: { projectRef }, body }),
        group: (projectGroupRef) => client.call('createProjectGroupVariable', { params: { projectGroupRef }, body }),
      })
      printItem(created, variableColumns, format, io)
    },
  )
  add(
    withFile(variable.command('update <name>').summary('rename a variable, or replace its values as a whole'), {
      isOptional: true,
    }).option('--name <name>', 'its new name'),
    async ({ client, io, format }, options: Place & { file?: string; name?: string }, variableName: string) => {
      const body = {
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(options.file === undefined ? {} : { values: await readVariableValues(options.file, io) }),
      }
      const updated = await at(options, {
        project: (projectRef) => client.call('updateProjectVariable', { params: { projectRef, variableName }, body }),
        group: (projectGroupRef) =>
          client.call('updateProjectGroupVariable', { params: { projectGroupRef, variableName }, body }),
      })
      printItem(updated, variableColumns, format, io)
    },
  )
  add(
    withPlace(variable.command('delete <name>').summary('remove a variable')),
    async ({ client }, options: Place, variableName: string) => {
      await at(options, {
        project: (projectRef) => client.call('deleteProjectVariable', { params: { projectRef, variableName } }),
        group: (projectGroupRef) =>
          client.call('deleteProjectGroupVariable', { params: { projectGroupRef, variableName } }),
      })
    },
  )
}

type Listing = { readonly inherited?: boolean; readonly all?: boolean }

const queryOf = ({ inherited, all }: Listing) =>
  inherited || all ? { inherited: true, ...(all ? {} : { withoutOverridden: true }) } : {}

function withPlace(command: Command): Command {
  return command
    .addOption(new Option('-p, --project <project>', 'of this project').conflicts('group'))
    .addOption(new Option('-g, --group <group>', 'of this group'))
}

function withListing(command: Command): Command {
  return withPlace(command)
    .option('--inherited', 'also those of the groups above; of each name the nearest')
    .option('--all', 'also those that nearer ones hide')
}

function withFile(command: Command, { isOptional = false } = {}): Command {
  const file = new Option('-f, --file <file>', 'a file with the values').makeOptionMandatory(!isOptional)
  return withPlace(command).addOption(file).addHelpText('after', fileHelp)
}

function at<T>(
  place: Place,
  calls: { readonly project: (ref: string) => Promise<T>; readonly group: (ref: string) => Promise<T> },
): Promise<T> {
  if (place.project !== undefined) return calls.project(place.project)
  if (place.group !== undefined) return calls.group(place.group)
  throw new SlipwayError('usage', 'of which project or group? give --project or --group')
}

async function readFile(file: string, io: Io): Promise<string> {
  if (file === '-') return await readStdin(io)
  try {
    return readFileSync(resolve(io.cwd, file), 'utf8')
  } catch (cause) {
    throw new SlipwayError('usage', `read ${file}: ${errorMessage(cause)}`, { cause })
  }
}

// What reads YAML is loaded when there is some: no other command waits for it.

async function readSecretData(file: string, io: Io): Promise<SecretData> {
  return (await import('../../remote/secret-data.ts')).parseSecretData(await readFile(file, io), file)
}

async function readVariableValues(file: string, io: Io): Promise<VariableValues> {
  return (await import('../../remote/variable-values.ts')).parseVariableValues(await readFile(file, io), file)
}
