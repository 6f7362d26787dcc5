// `slipway user link`, `unlink`, `accounts`: accounts of users at remote sources.

import type { Command } from 'commander'
import type { ResponseOf } from '../../../contract/route.ts'
import type { ApiRoutes } from '../../../contract/routes.ts'
import { SlipwayError } from '../../../lib/errors.ts'
import { type Column, printItem, printList } from '../../remote/print.ts'
import { ask, readStdin } from '../../remote/read-secret.ts'
import { type AddRemote, allPages, type Remote } from '../../remote/remote-command.ts'

type Account = ResponseOf<ApiRoutes['linkAccount']>
type Source = ResponseOf<ApiRoutes['listRemoteSources']>['items'][number]

const accountColumns = (sources: readonly Source[]): readonly Column<Account>[] => [
  ['source', ({ remoteSourceId }) => sources.find(({ id }) => id === remoteSourceId)?.name ?? remoteSourceId],
  ['name there', ({ remoteUserName }) => remoteUserName],
  ['trouble', ({ trouble }) => trouble?.message],
  ['id', ({ id }) => id],
]

export function addAccountCommands(user: Command, add: AddRemote): void {
  add(
    user.command('accounts [user]').summary('accounts at remote sources (default: your own)'),
    async (remote, _options, given: string | undefined) => {
      const { client, io, format } = remote
      const userRef = given ?? (await client.call('getCurrentUser')).id
      const { items } = await client.call('listLinkedAccounts', { params: { userRef } })
      printList(items, accountColumns(await sourcesOf(remote)), format, io)
    },
  )
  add(
    user
      .command('link <source>')
      .summary('link your account at a remote source, or renew it')
      .option('-u, --username <name>', 'your name there, where one logs in by password (default: asks)')
      .option('--password-stdin', 'read the password there from standard input'),
    linkAccount,
  )
  add(
    user
      .command('unlink <source>')
      .summary('forget your account at a remote source')
      .option('--force', 'also when projects use it'),
    async (remote, { force }: { force?: boolean }, name: string) => {
      const { client } = remote
      const userRef = (await client.call('getCurrentUser')).id
      const source = await findSource(remote, name)
      const { items } = await client.call('listLinkedAccounts', { params: { userRef } })
      const account = items.find(({ remoteSourceId }) => remoteSourceId === source.id)
      if (account === undefined)
        throw new SlipwayError('linked_account_not_found', `you have no linked account at ${source.name}`)
      const params = { userRef, linkedAccountId: account.id }
      await client.call('deleteLinkedAccount', { params, query: force ? { force } : {} })
    },
  )
}

async function linkAccount(
  remote: Remote,
  { username, passwordStdin }: { username?: string; passwordStdin?: boolean },
  name: string,
): Promise<undefined> {
  const { client, io, format } = remote
  const source = await findSource(remote, name)
  if (source.authType !== 'password') {
    // The provider has to see the person, in the browser that is logged in here.
    const address = new URL('/oauth2/link', client.url)
    address.searchParams.set('source', source.name)
    io.stdout.write(`Open this in a browser that is logged in at the server:\n${address.href}\n`)
    return
  }
  const login = username ?? (await ask(`User name at ${source.name}: `, io, { isSecret: false }))
  const password = passwordStdin ? await readStdin(io) : await ask('Password: ', io, { isSecret: true })
  const body = { remoteSourceRef: source.id, username: login, password }
  printItem(await client.call('linkAccount', { body }), accountColumns([source]), format, io)
}

async function sourcesOf({ client }: Remote): Promise<readonly Source[]> {
  return await allPages((query) => client.call('listRemoteSources', { query }))
}

async function findSource(remote: Remote, name: string): Promise<Source> {
  const found = (await sourcesOf(remote)).find((source) => source.name === name || source.id === name)
  if (found === undefined) throw new SlipwayError('remote_source_not_found', `there is no remote source ${name}`)
  return found
}
