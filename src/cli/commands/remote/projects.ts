// `slipway project`, `slipway group`: projects and the groups they are in.

import { type Command, Option } from 'commander'
import type { BodyOf, ResponseOf } from '../../../contract/route.ts'
import type { ApiRoutes } from '../../../contract/routes.ts'
import { SlipwayError } from '../../../lib/errors.ts'
import { type Column, printItem, printList } from '../../remote/print.ts'
import { readSecretFile } from '../../remote/read-secret.ts'
import { type AddRemote, allPages, type Remote } from '../../remote/remote-command.ts'

type Project = ResponseOf<ApiRoutes['getProject']>
type Delivery = ResponseOf<ApiRoutes['listDeliveries']>['items'][number]
type Group = ResponseOf<ApiRoutes['getProjectGroup']>

const projectColumns: readonly Column<Project>[] = [
  ['path', ({ path }) => path],
  ['visibility', ({ globalVisibility }) => globalVisibility],
  [
    'repository',
    ({ source }) =>
      source?.kind === 'git' ? source.url : source?.kind === 'remotesource' ? source.repositoryPath : undefined,
  ],
  ['branch', ({ defaultBranch }) => defaultBranch],
  ['id', ({ id }) => id],
]
const groupColumns: readonly Column<Group>[] = [
  ['path', ({ path }) => path],
  ['visibility', ({ globalVisibility }) => globalVisibility],
  ['id', ({ id }) => id],
]

const deliveryColumns: readonly Column<Delivery>[] = [
  ['received', ({ receivedAt }) => receivedAt],
  ['from', ({ source }) => source],
  ['event', ({ event }) => event],
  ['ref', ({ ref }) => ref],
  ['state', ({ state }) => state],
  ['why', ({ message }) => message],
  ['id', ({ id }) => id],
]
const hookColumns: readonly Column<ResponseOf<ApiRoutes['createWebhookSecret']>>[] = [
  ['webhook', ({ webhookUrl }) => webhookUrl],
  ['secret', ({ secret }) => secret],
  ['or the hook', ({ hookUrl }) => hookUrl],
]

const yesNo = (flags: string, description: string) => new Option(flags, description).choices(['yes', 'no'])

type ProjectOptions = {
  readonly parent?: string
  readonly name?: string
  readonly from?: string
  readonly git?: string
  readonly gitUser?: string
  readonly gitPasswordFile?: string
  readonly sshKey?: boolean
  readonly pollSeconds?: string
  readonly visibility?: 'public' | 'private'
  readonly branch?: string
  readonly cacheGroup?: string
  readonly forkRuns?: 'default' | 'always' | 'approval' | 'never'
  readonly passVariablesToForks?: 'yes' | 'no'
  readonly membersMayRun?: 'yes' | 'no'
  readonly cancelSuperseded?: 'yes' | 'no'
  readonly deployKeyInTasks?: 'yes' | 'no'
}

function withSettings(command: Command): Command {
  return command
    .option('--parent <group>', 'the group it is in: org/acme/team (default: your own)')
    .option('--git <url>', 'the repository: https, ssh or git')
    .option('--git-user <name>', 'who logs in there')
    .option('--git-password-file <file>', 'a file with the password or token for it')
    .option('--ssh-key', 'log in there with a key that is made for the project; `project show` tells its public part')
    .option('--poll-seconds <number>', 'look for new commits so often; 0 for never')
    .addOption(new Option('--visibility <who>', 'who may see it').choices(['public', 'private']))
    .option('--branch <name>', 'its default branch')
    .option('--cache-group <name>', 'share caches with other projects of its owner that name the same group')
    .addOption(
      new Option('--fork-runs <when>', 'whether runs of forks start').choices([
        'default',
        'always',
        'approval',
        'never',
      ]),
    )
    .addOption(yesNo('--pass-variables-to-forks <yes|no>', 'whether runs of forks get variables'))
    .addOption(yesNo('--members-may-run <yes|no>', 'whether members may restart, stop and cancel runs'))
    .addOption(yesNo('--cancel-superseded <yes|no>', 'whether a newer push of a pull request cancels the older runs'))
    .addOption(yesNo('--deploy-key-in-tasks <yes|no>', 'whether tasks find the deploy key in their environment'))
}

export function addProjectCommands(program: Command, add: AddRemote): void {
  const project = program.command('project').summary('projects')
  add(
    project.command('list [group]').summary('the projects of a group (default: your own)'),
    async (remote, _options, group: string | undefined) => {
      const { client, io, format } = remote
      const projectGroupRef = group ?? (await ownGroup(remote))
      const items = await allPages((query) => client.call('listProjects', { params: { projectGroupRef }, query }))
      printList(items, projectColumns, format, io)
    },
  )
  add(
    project.command('show <project>').summary('a project'),
    async ({ client, io, format }, _options, projectRef: string) => {
      const settings: readonly Column<Project>[] = [
        ...projectColumns,
        ['runs of forks', ({ effectiveForkRuns }) => effectiveForkRuns],
        ['variables to forks', ({ passVariablesToForks }) => passVariablesToForks],
        ['members may run', ({ membersCanPerformRunActions }) => membersCanPerformRunActions],
        ['cancel superseded', ({ cancelSuperseded }) => cancelSuperseded],
        ['cache group', ({ cacheGroup }) => cacheGroup],
        ['deploy key', ({ deployKeyPublic }) => deployKeyPublic],
        [
          'trouble',
          ({ isSourceBroken, sourceTrouble }) =>
            sourceTrouble ??
            (isSourceBroken
              ? 'its linked account is gone or refused: link it again, or slipway project take-over'
              : undefined),
        ],
      ]
      printItem(await client.call('getProject', { params: { projectRef } }), settings, format, io)
    },
  )
  add(
    withSettings(
      project
        .command('create <name>')
        .summary('make a project of a repository')
        .addOption(
          new Option(
            '--from <source:path>',
            'a repository at a remote source, with webhook and deploy key: github:acme/web',
          ).conflicts(['git']),
        ),
    ),
    async ({ client, io, format }, options: ProjectOptions, name: string) => {
      const source = fromRemote(options) ?? sourceOf(options) ?? { kind: 'none' as const }
      const body = { name, source, ...settingsOf(options, io) }
      printItem(await client.call('createProject', { body }), projectColumns, format, io)
    },
  )
  add(
    withSettings(project.command('update <project>').summary('rename, move or change a project')).option(
      '--name <name>',
      'its new name',
    ),
    async ({ client, io, format }, options: ProjectOptions, projectRef: string) => {
      const source = sourceOf(options)
      const body = {
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(source === undefined ? {} : { source }),
        ...settingsOf(options, io),
      }
      printItem(await client.call('updateProject', { params: { projectRef }, body }), projectColumns, format, io)
    },
  )
  add(
    project
      .command('reconfigure <project>')
      .summary('set up webhook and deploy key at the provider again, and look what became of the repository'),
    async ({ client, io, format }, _options, projectRef: string) => {
      printItem(await client.call('reconfigureProject', { params: { projectRef } }), projectColumns, format, io)
    },
  )
  add(
    project
      .command('take-over <project>')
      .summary('the project works with your account at its remote source from now on'),
    async ({ client, io, format }, _options, projectRef: string) => {
      printItem(await client.call('setProjectAccount', { params: { projectRef } }), projectColumns, format, io)
    },
  )
  add(
    project
      .command('set-repository <project> <source:path>')
      .summary('the project goes on with another repository, with new key and webhook: github:acme/web')
      .addOption(
        new Option('--visibility <visibility>', 'needed when a public project gets a private repository').choices([
          'public',
          'private',
        ]),
      ),
    async ({ client, io, format }, { visibility }: ProjectOptions, projectRef: string, from: string) => {
      const { kind: _, ...repository } = repositoryOf(from, '<source:path>')
      const body = { ...repository, ...(visibility === undefined ? {} : { visibility }) }
      printItem(await client.call('setProjectRepository', { params: { projectRef }, body }), projectColumns, format, io)
    },
  )
  add(
    project.command('delete <project>').summary('remove a project with its runs, logs and caches'),
    async ({ client }, _options, projectRef: string) => {
      await client.call('deleteProject', { params: { projectRef } })
    },
  )
  addDeliveryCommands(project, add)
  addGroupCommands(program, add)
}

function addDeliveryCommands(project: Command, add: AddRemote): void {
  add(
    project
      .command('deliveries <project>')
      .summary('what came about its repository, and why it started runs or did not')
      .option('-n, --limit <number>', 'at most so many', '25'),
    async ({ client, io, format }, options: { limit: string }, projectRef: string) => {
      const params = { projectRef }
      const items = await allPages((query) => client.call('listDeliveries', { params, query }), Number(options.limit))
      printList(items, deliveryColumns, format, io)
    },
  )
  add(
    project.command('redeliver <project> <delivery>').summary('do again what a delivery was about'),
    async ({ client, io, format }, _options, projectRef: string, deliveryId: string) => {
      const delivery = await client.call('redeliver', { params: { projectRef, deliveryId } })
      printItem(delivery, deliveryColumns, format, io)
    },
  )
  add(
    project
      .command('hook <project>')
      .summary('make a new secret for webhooks, and tell the addresses to set them up with; they are told only now'),
    async ({ client, io, format }, _options, projectRef: string) => {
      const made = await client.call('createWebhookSecret', { params: { projectRef } })
      const absolute = (address: string) => new URL(address, client.url).href
      const told = { ...made, webhookUrl: absolute(made.webhookUrl), hookUrl: absolute(made.hookUrl) }
      printItem(told, hookColumns, format, io)
    },
  )
}

function addGroupCommands(program: Command, add: AddRemote): void {
  const group = program.command('group').summary('project groups')
  const visibility = () => new Option('--visibility <who>', 'who may see what is in it').choices(['public', 'private'])
  add(
    group.command('list [group]').summary('the groups in a group (default: your own)'),
    async (remote, _options, given: string | undefined) => {
      const { client, io, format } = remote
      const projectGroupRef = given ?? (await ownGroup(remote))
      const items = await allPages((query) => client.call('listSubgroups', { params: { projectGroupRef }, query }))
      printList(items, groupColumns, format, io)
    },
  )
  add(
    group.command('show <group>').summary('a group'),
    async ({ client, io, format }, _options, projectGroupRef: string) => {
      printItem(await client.call('getProjectGroup', { params: { projectGroupRef } }), groupColumns, format, io)
    },
  )
  add(
    group
      .command('create <name>')
      .summary('make a group')
      .option('--parent <group>', 'the group it is in (default: your own)')
      .addOption(visibility()),
    async ({ client, io, format }, options: { parent?: string; visibility?: 'public' | 'private' }, name: string) => {
      const body = {
        name,
        ...(options.parent === undefined ? {} : { parentRef: options.parent }),
        ...(options.visibility === undefined ? {} : { visibility: options.visibility }),
      }
      printItem(await client.call('createProjectGroup', { body }), groupColumns, format, io)
    },
  )
  add(
    group
      .command('update <group>')
      .summary('rename or move a group, or change who may see it')
      .option('--name <name>', 'its new name')
      .option('--parent <group>', 'the group it moves into')
      .addOption(visibility()),
    async (
      { client, io, format },
      options: { name?: string; parent?: string; visibility?: 'public' | 'private' },
      projectGroupRef: string,
    ) => {
      const body = {
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(options.parent === undefined ? {} : { parentRef: options.parent }),
        ...(options.visibility === undefined ? {} : { visibility: options.visibility }),
      }
      printItem(
        await client.call('updateProjectGroup', { params: { projectGroupRef }, body }),
        groupColumns,
        format,
        io,
      )
    },
  )
  add(
    group.command('delete <group>').summary('remove a group with everything in it'),
    async ({ client }, _options, projectGroupRef: string) => {
      await client.call('deleteProjectGroup', { params: { projectGroupRef } })
    },
  )
}

function fromRemote({ from }: ProjectOptions) {
  return from === undefined ? undefined : repositoryOf(from, '--from')
}

function repositoryOf(text: string, what: string) {
  const [, remoteSourceRef, repositoryPath] = /^([^:]+):(.+)$/.exec(text) ?? []
  if (remoteSourceRef === undefined || repositoryPath === undefined)
    throw new SlipwayError('usage', `${what}: a remote source and a repository are expected, like github:acme/web`)
  return { kind: 'remotesource' as const, remoteSourceRef, repositoryPath }
}

function sourceOf({ git, gitUser, gitPasswordFile, sshKey, pollSeconds }: ProjectOptions) {
  if (git === undefined) return undefined
  return {
    kind: 'git' as const,
    url: git,
    auth: sshKey ? ('sshkey' as const) : gitPasswordFile === undefined ? ('none' as const) : ('password' as const),
    ...(gitUser === undefined ? {} : { userName: gitUser }),
    pollIntervalMs: Number(pollSeconds ?? 60) * 1000,
  }
}

function settingsOf(
  options: ProjectOptions,
  io: Remote['io'],
): Omit<BodyOf<ApiRoutes['updateProject']>, 'name' | 'source'> {
  const flag = (value: 'yes' | 'no' | undefined) => (value === undefined ? undefined : value === 'yes')
  const given = {
    parentRef: options.parent,
    gitPassword: options.gitPasswordFile === undefined ? undefined : readSecretFile(options.gitPasswordFile, io),
    visibility: options.visibility,
    defaultBranch: options.branch,
    cacheGroup: options.cacheGroup,
    forkRuns: options.forkRuns,
    passVariablesToForks: flag(options.passVariablesToForks),
    membersCanPerformRunActions: flag(options.membersMayRun),
    cancelSuperseded: flag(options.cancelSuperseded),
    deployKeyInTasks: flag(options.deployKeyInTasks),
  }
  // What was not given is not sent, so it stays as it is.
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

async function ownGroup({ client }: Remote): Promise<string> {
  return `user/${(await client.call('getCurrentUser')).name}`
}
