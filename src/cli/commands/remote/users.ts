// `slipway user`, `slipway token`: users and the tokens they work with.

import { type Command, Option } from 'commander'
import type { ResponseOf } from '../../../contract/route.ts'
import type { ApiRoutes } from '../../../contract/routes.ts'
import { type Column, printItem, printList } from '../../remote/print.ts'
import { ask, readStdin } from '../../remote/read-secret.ts'
import { type AddRemote, allPages, type Remote } from '../../remote/remote-command.ts'
import { addAccountCommands } from './accounts.ts'

type User = ResponseOf<ApiRoutes['getCurrentUser']>
type Token = ResponseOf<ApiRoutes['listTokens']>['items'][number]

const userColumns: readonly Column<User>[] = [
  ['name', ({ name }) => name],
  ['id', ({ id }) => id],
  ['administrator', ({ isAdmin }) => isAdmin],
  ['password', ({ hasPassword }) => hasPassword],
  ['created', ({ createdAt }) => createdAt],
]

const tokenColumns: readonly Column<Token>[] = [
  ['name', ({ name }) => name],
  ['scope', ({ scope }) => scope],
  ['projects', ({ projectIds }) => projectIds?.join(' ')],
  ['expires', ({ expiresAt }) => expiresAt ?? 'never'],
  ['last used', ({ lastUsedAt }) => lastUsedAt],
  ['id', ({ id }) => id],
]

export function addUserCommands(program: Command, add: AddRemote): void {
  const user = program.command('user').summary('users of the server')
  add(user.command('list').summary('all users (administrators)'), async ({ client, io, format }) => {
    printList(await allPages((query) => client.call('listUsers', { query })), userColumns, format, io)
  })
  add(
    user.command('show [user]').summary('a user (default: who you are)'),
    async ({ client, io, format }, _options, userRef: string | undefined) => {
      if (userRef === undefined) printItem(await client.call('getCurrentUser'), userColumns, format, io)
      else {
        const found = await client.call('getUser', { params: { userRef } })
        printItem(
          found,
          [
            ['name', ({ name }) => name],
            ['id', ({ id }) => id],
          ],
          format,
          io,
        )
      }
    },
  )
  add(
    user
      .command('create <name>')
      .summary('make a user (administrators)')
      .option('--admin', 'as an administrator')
      .option('--password-stdin', 'with the password from standard input, so that it can log in'),
    async ({ client, io, format }, options: { admin?: boolean; passwordStdin?: boolean }, name: string) => {
      const body = {
        name,
        ...(options.admin ? { isAdmin: true } : {}),
        ...(options.passwordStdin ? { password: await readStdin(io) } : {}),
      }
      printItem(await client.call('createUser', { body }), userColumns, format, io)
    },
  )
  add(
    user
      .command('update <user>')
      .summary('rename a user, or change whether it is an administrator')
      .option('--name <name>', 'its new name')
      .addOption(new Option('--admin <yes|no>', 'whether it is an administrator').choices(['yes', 'no'])),
    async ({ client, io, format }, options: { name?: string; admin?: 'yes' | 'no' }, userRef: string) => {
      const body = {
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(options.admin === undefined ? {} : { isAdmin: options.admin === 'yes' }),
      }
      printItem(await client.call('updateUser', { params: { userRef }, body }), userColumns, format, io)
    },
  )
  add(
    user
      .command('delete <user>')
      .summary('remove a user with all that belongs to it')
      .option('--force', 'also when projects of others use its linked accounts'),
    async ({ client }, { force }: { force?: boolean }, userRef: string) => {
      await client.call('deleteUser', { params: { userRef }, query: force ? { force } : {} })
    },
  )
  add(
    user
      .command('password [user]')
      .summary('set a password (default: your own)')
      .option('--stdin', 'read the old one, when it is needed, and the new one as lines of standard input'),
    setPassword,
  )
  addAccountCommands(user, add)
  addTokenCommands(program, add)
}

function addTokenCommands(program: Command, add: AddRemote): void {
  const token = program.command('token').summary('tokens for programs')
  const ofUser = ['--user <user>', 'of this user (default: yours)'] as const
  add(
    token
      .command('list')
      .summary('tokens, without their values')
      .option(...ofUser),
    async (remote, { user }: { user?: string }) => {
      const { client, io, format } = remote
      const userRef = await userOr(remote, user)
      printList(
        await allPages((query) => client.call('listTokens', { params: { userRef }, query })),
        tokenColumns,
        format,
        io,
      )
    },
  )
  add(
    token
      .command('create <name>')
      .summary('make a token; its value is shown once')
      .addOption(new Option('--scope <scope>', 'what it may do').choices(['read', 'run', 'admin']).default('run'))
      .option('--project <project...>', 'only for these projects')
      .option('--expires <time>', 'when it expires: a time like 2027-01-31T00:00:00Z')
      .option(...ofUser),
    async (
      remote,
      options: { scope: 'read' | 'run' | 'admin'; project?: string[]; expires?: string; user?: string },
      name: string,
    ) => {
      const { client, io, format } = remote
      const created = await client.call('createToken', {
        params: { userRef: await userOr(remote, options.user) },
        body: {
          name,
          scope: options.scope,
          ...(options.project === undefined ? {} : { projects: options.project }),
          ...(options.expires === undefined ? {} : { expiresAt: options.expires }),
        },
      })
      if (format === 'json') printItem(created, [], format, io)
      else io.stdout.write(`${created.value}\n`)
    },
  )
  add(
    token
      .command('delete <token>')
      .summary('revoke a token, by name or id')
      .option(...ofUser),
    async (remote, { user }: { user?: string }, tokenRef: string) => {
      await remote.client.call('deleteToken', { params: { userRef: await userOr(remote, user), tokenRef } })
    },
  )
}

async function setPassword(
  { client, io }: Remote,
  { stdin }: { stdin?: boolean },
  given: string | undefined,
): Promise<undefined> {
  const me = await client.call('getCurrentUser')
  const isOwn = given === undefined || given === me.name || given === me.id
  const needsOld = isOwn && me.hasPassword
  const lines = stdin ? (await readStdin(io)).split(/\r?\n/) : []
  const next = async (question: string) => (stdin ? (lines.shift() ?? '') : await ask(question, io, { isSecret: true }))
  const currentPassword = needsOld ? await next('Old password: ') : undefined
  const newPassword = await next('New password: ')
  await client.call('setPassword', {
    params: { userRef: given ?? me.id },
    body: { newPassword, ...(currentPassword === undefined ? {} : { currentPassword }) },
  })
}

async function userOr({ client }: Remote, user: string | undefined): Promise<string> {
  return user ?? (await client.call('getCurrentUser')).id
}
