// `slipway remote-source`, `slipway executors`, `slipway queue`: what concerns the installation.

import { type Command, Option } from 'commander'
import type { ResponseOf } from '../../../contract/route.ts'
import type { ApiRoutes } from '../../../contract/routes.ts'
import { SlipwayError } from '../../../lib/errors.ts'
import { type Column, printItem, printList } from '../../remote/print.ts'
import { readSecretFile } from '../../remote/read-secret.ts'
import { type AddRemote, allPages } from '../../remote/remote-command.ts'

type RemoteSource = ResponseOf<ApiRoutes['listRemoteSources']>['items'][number]
type Executor = ResponseOf<ApiRoutes['listExecutors']>['items'][number]
type ExecutorToken = ResponseOf<ApiRoutes['listExecutorTokens']>['items'][number]
type QueueEntry = ResponseOf<ApiRoutes['listQueue']>['items'][number]

const sourceColumns: readonly Column<RemoteSource>[] = [
  ['name', ({ name }) => name],
  ['type', ({ type }) => type],
  ['authentication', ({ authType }) => authType],
  ['login', ({ loginEnabled }) => loginEnabled],
  ['registration', ({ registrationEnabled }) => registrationEnabled],
  ['id', ({ id }) => id],
]
const repositoryColumns: readonly Column<ResponseOf<ApiRoutes['listRemoteRepositories']>['items'][number]>[] = [
  ['path', ({ path }) => path],
  ['branch', ({ defaultBranch }) => defaultBranch],
  ['private', ({ isPrivate }) => isPrivate],
  ['archived', ({ isArchived }) => isArchived],
  ['id', ({ id }) => id],
]
const executorColumns: readonly Column<Executor>[] = [
  ['id', ({ id }) => id],
  ['name', ({ name }) => name],
  ['state', ({ state, isHeld }) => (state === 'connected' && !isHeld ? 'away' : state)],
  ['slots', ({ slotsUsed, taskLimit }) => `${slotsUsed}/${taskLimit === 0 ? 'unlimited' : taskLimit}`],
  ['drivers', ({ drivers }) => drivers.join(' ')],
  ['archs', ({ archs }) => archs.join(' ')],
  [
    'labels',
    ({ labels }) =>
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(' '),
  ],
  ['version', ({ version }) => version],
  ['last seen', ({ lastSeenAt }) => lastSeenAt],
]
const tokenColumns: readonly Column<ExecutorToken>[] = [
  ['name', ({ name }) => name],
  ['executor', ({ executorId }) => executorId],
  [
    'labels',
    ({ labels }) =>
      Object.entries(labels ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .join(' '),
  ],
  ['created', ({ createdAt }) => createdAt],
  ['id', ({ id }) => id],
]
const queueColumns: readonly Column<QueueEntry>[] = [
  ['position', ({ position }) => position],
  ['run', ({ run }) => `${run.name} #${run.number}`],
  ['task', ({ task }) => task?.name],
  ['since', ({ since }) => since],
  ['waits for', ({ reason }) => reason.message],
]

type SourceOptions = {
  readonly type: 'github' | 'gitlab' | 'gitea' | 'forgejo' | 'git'
  readonly auth: 'oauth2' | 'password' | 'none'
  readonly url?: string
  readonly name?: string
  readonly clientId?: string
  readonly clientSecretFile?: string
  readonly skipVerify?: boolean
  readonly sshHostKeyFile?: string
  readonly skipSshHostKeyCheck?: boolean
  readonly login?: 'yes' | 'no'
  readonly registration?: 'yes' | 'no'
}

export function addAdministrationCommands(program: Command, add: AddRemote): void {
  addRemoteSourceCommands(program, add)
  const executors = program.command('executors').summary('executors of the server (slipway executor runs one)')
  add(
    executors.command('list').summary('all that are known').option('--removed', 'also those that were removed'),
    async ({ client, io, format }, { removed }: { removed?: boolean }) => {
      const { items } = await client.call('listExecutors')
      printList(
        items.filter(({ state }) => removed || state !== 'removed'),
        executorColumns,
        format,
        io,
      )
    },
  )
  const drain =
    (isDraining: boolean) =>
    async ({ client, io, format }: Parameters<Parameters<AddRemote>[1]>[0], _options: object, executorId: string) => {
      printItem(
        await client.call('drainExecutor', { params: { executorId }, body: { isDraining } }),
        executorColumns,
        format,
        io,
      )
      return undefined
    }
  add(executors.command('drain <executor>').summary('give it no further tasks'), drain(true))
  add(executors.command('resume <executor>').summary('give it tasks again'), drain(false))
  add(
    executors.command('remove <executor>').summary('remove it; its tasks fail'),
    async ({ client }, _options, executorId: string) => {
      await client.call('removeExecutor', { params: { executorId } })
    },
  )
  addExecutorTokenCommands(executors, add)
  add(
    program.command('queue').summary('what waits, and why').option('-n, --limit <number>', 'at most so many', '50'),
    async ({ client, io, format }, { limit }: { limit: string }) => {
      printList(await allPages((query) => client.call('listQueue', { query }), Number(limit)), queueColumns, format, io)
    },
  )
}

function addExecutorTokenCommands(executors: Command, add: AddRemote): void {
  const token = executors.command('token').summary('tokens that executors come with')
  add(token.command('list').summary('tokens, without their values'), async ({ client, io, format }) => {
    printList((await client.call('listExecutorTokens')).items, tokenColumns, format, io)
  })
  add(
    token
      .command('create <name>')
      .summary('make a token for an executor; its value is shown once')
      .option('--executor <id>', 'another token for an executor that has one')
      .option('--label <name=value...>', 'the executor has exactly these labels then'),
    async ({ client, io, format }, options: { executor?: string; label?: string[] }, name: string) => {
      const labels = options.label?.map((text) => [text.split('=', 1)[0]!, text.slice(text.indexOf('=') + 1)] as const)
      const created = await client.call('createExecutorToken', {
        body: {
          name,
          ...(options.executor === undefined ? {} : { executorId: options.executor }),
          ...(labels === undefined ? {} : { labels: Object.fromEntries(labels) }),
        },
      })
      if (format === 'json') printItem(created, [], format, io)
      else io.stdout.write(`${created.value}\n`)
    },
  )
  add(token.command('delete <id>').summary('revoke a token'), async ({ client }, _options, tokenId: string) => {
    await client.call('deleteExecutorToken', { params: { tokenId } })
  })
}

function addRemoteSourceCommands(program: Command, add: AddRemote): void {
  const source = program.command('remote-source').summary('where repositories and accounts can come from')
  add(source.command('list').summary('all of them'), async ({ client, io, format }) => {
    printList(await allPages((query) => client.call('listRemoteSources', { query })), sourceColumns, format, io)
  })
  add(
    source.command('show <source>').summary('one of them'),
    async ({ client, io, format }, _options, remoteSourceRef: string) => {
      printItem(await client.call('getRemoteSource', { params: { remoteSourceRef } }), sourceColumns, format, io)
    },
  )
  add(
    withDetails(
      source
        .command('create <name>')
        .summary('make one (administrators)')
        .addOption(
          new Option('--type <type>', 'what it is')
            .choices(['github', 'gitlab', 'gitea', 'forgejo', 'git'])
            .makeOptionMandatory(),
        )
        .addOption(
          new Option('--auth <kind>', 'how people log in there')
            .choices(['oauth2', 'password', 'none'])
            .default('oauth2'),
        )
        .option('--url <url>', 'its address: https://git.example.org (default for github: https://api.github.com)'),
    ),
    async ({ client, io, format }, options: SourceOptions, name: string) => {
      const apiUrl = options.url ?? (options.type === 'github' ? 'https://api.github.com' : undefined)
      if (apiUrl === undefined) throw new SlipwayError('usage', `--url is needed with --type ${options.type}`)
      const known = knownHostKeys[new URL(apiUrl).host]
      const sshHostKey = known === undefined ? {} : { sshHostKey: known }
      const body = {
        name,
        type: options.type,
        authType: options.auth,
        apiUrl,
        ...sshHostKey,
        ...detailsOf(options, io),
      }
      printItem(await client.call('createRemoteSource', { body }), sourceColumns, format, io)
    },
  )
  add(
    withDetails(
      source
        .command('update <source>')
        .summary('change one (administrators)')
        .option('--name <name>', 'its new name')
        .option('--url <url>', 'address of its API'),
    ),
    async ({ client, io, format }, options: Partial<SourceOptions>, remoteSourceRef: string) => {
      const body = {
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(options.url === undefined ? {} : { apiUrl: options.url }),
        ...detailsOf(options, io),
      }
      printItem(
        await client.call('updateRemoteSource', { params: { remoteSourceRef }, body }),
        sourceColumns,
        format,
        io,
      )
    },
  )
  add(
    source
      .command('repositories <source> [search]')
      .summary('the repositories there that you may make projects of')
      .option('-n, --limit <number>', 'at most so many', '50'),
    async ({ client, io, format }, { limit }: { limit: string }, remoteSourceRef: string, search?: string) => {
      const matching = search === undefined ? {} : { search }
      const items = await allPages(
        (query) =>
          client.call('listRemoteRepositories', { params: { remoteSourceRef }, query: { ...query, ...matching } }),
        Number(limit),
      )
      printList(items, repositoryColumns, format, io)
    },
  )
  add(
    source.command('delete <source>').summary('remove one that nothing uses'),
    async ({ client }, _options, remoteSourceRef: string) => {
      await client.call('deleteRemoteSource', { params: { remoteSourceRef } })
    },
  )
}

/** Of the public providers, as they publish them; others show theirs at the first connection, or are given. */
const knownHostKeys: Readonly<Record<string, string>> = {
  'api.github.com': 'github.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SaG6UOoqKLsabgH5C9okWi0dh2l9GKJl',
  'gitlab.com': 'gitlab.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf',
}

function withDetails(command: Command): Command {
  return command
    .option('--client-id <id>', 'of the OAuth2 application')
    .option('--client-secret-file <file>', 'a file with its secret')
    .option('--skip-verify', 'take any TLS certificate')
    .option('--ssh-host-key-file <file>', 'a file with the keys of its ssh server, lines as in known_hosts')
    .option('--skip-ssh-host-key-check', 'take any key of its ssh server')
    .addOption(new Option('--login <yes|no>', 'whether people may log in with it').choices(['yes', 'no']))
    .addOption(new Option('--registration <yes|no>', 'whether people may register with it').choices(['yes', 'no']))
}

function detailsOf(options: Partial<SourceOptions>, io: Parameters<typeof readSecretFile>[1]) {
  return {
    ...(options.clientId === undefined ? {} : { oauth2ClientId: options.clientId }),
    ...(options.clientSecretFile === undefined
      ? {}
      : { oauth2ClientSecret: readSecretFile(options.clientSecretFile, io) }),
    ...(options.skipVerify ? { skipVerify: true } : {}),
    ...(options.sshHostKeyFile === undefined ? {} : { sshHostKey: readSecretFile(options.sshHostKeyFile, io) }),
    ...(options.skipSshHostKeyCheck ? { skipSshHostKeyCheck: true } : {}),
    ...(options.login === undefined ? {} : { loginEnabled: options.login === 'yes' }),
    ...(options.registration === undefined ? {} : { registrationEnabled: options.registration === 'yes' }),
  }
}
