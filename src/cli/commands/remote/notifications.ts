// `slipway notification`: who hears of the runs of a project, and what was told (docs/notifications.md).

import { type Command, Option } from 'commander'
import type { BodyOf, ResponseOf } from '../../../contract/route.ts'
import type { ApiRoutes } from '../../../contract/routes.ts'
import { SlipwayError } from '../../../lib/errors.ts'
import { type Column, printItem, printList } from '../../remote/print.ts'
import { readSecretFile } from '../../remote/read-secret.ts'
import { type AddRemote, allPages, type Remote } from '../../remote/remote-command.ts'

type Receiver = ResponseOf<ApiRoutes['getReceiver']>
type WithSecret = ResponseOf<ApiRoutes['createReceiver']>
type Notification = ResponseOf<ApiRoutes['getNotification']>
type Change = BodyOf<ApiRoutes['updateReceiver']>

const receiverColumns: readonly Column<Receiver>[] = [
  ['name', ({ name }) => name],
  ['kind', ({ kind }) => kind],
  ['to', ({ url, origin, recipients }) => url ?? origin ?? recipients?.join(', ')],
  ['gets', ({ events, changes }) => (events ?? changes)?.join(', ')],
  ['branches', ({ branches }) => branches?.join(', ')],
  ['on', ({ isEnabled }) => isEnabled],
  ['id', ({ id }) => id],
]
const secretColumns: readonly Column<WithSecret>[] = [...receiverColumns, ['secret', ({ secret }) => secret]]

const notificationColumns: readonly Column<Notification>[] = [
  ['created', ({ createdAt }) => createdAt],
  ['kind', ({ kind }) => kind],
  ['event', ({ event }) => event],
  ['run', ({ runNumber }) => (runNumber === undefined ? undefined : `#${runNumber}`)],
  ['state', ({ state }) => state],
  ['attempts', ({ attemptCount }) => attemptCount],
  ['how', ({ message }) => message],
  ['id', ({ id }) => id],
]
const detailColumns: readonly Column<Notification>[] = [
  ...notificationColumns,
  ['next attempt', ({ nextAttemptAt }) => nextAttemptAt],
  ['status', ({ attempts }) => attempts.at(-1)?.httpStatus],
  ['took', ({ attempts }) => (attempts.length === 0 ? undefined : `${attempts.at(-1)?.durationMs} ms`)],
  ['answer', ({ attempts }) => attempts.at(-1)?.excerpt],
  ['context', ({ status }) => status?.context],
  ['says', ({ status }) => (status === undefined ? undefined : `${status.state}: ${status.description}`)],
]

type ReceiverOptions = {
  readonly webhook?: string
  readonly slackFile?: string
  readonly email?: string
  readonly format?: 'slipway' | 'cloudevents'
  readonly events?: string
  readonly changes?: string
  readonly branches?: string
  readonly name?: string
  readonly enabled?: 'yes' | 'no'
  readonly newSecret?: boolean
}

function withSettings(command: Command): Command {
  return command
    .option('--webhook <url>', 'a webhook: where it goes')
    .option('--slack-file <file>', 'a Slack-compatible receiver: a file with its address')
    .option('--email <addresses>', 'mail: to these addresses, with commas between them')
    .addOption(new Option('--format <format>', 'of a webhook').choices(['slipway', 'cloudevents']))
    .option('--events <events>', 'of a webhook: run.failed,run.success and so on (default: all)')
    .option('--changes <changes>', 'of mail and Slack: broken,still_broken,fixed (default: broken,fixed)')
    .option('--branches <names>', 'of mail and Slack: only of these (default: all)')
}

export function addNotificationCommands(program: Command, add: AddRemote): void {
  const notification = program.command('notification').summary('who hears of the runs of a project, and what was told')
  add(
    notification.command('receivers <project>').summary('who hears of its runs'),
    async ({ client, io, format }, _options, projectRef: string) => {
      const { items } = await client.call('listReceivers', { params: { projectRef } })
      printList(items, receiverColumns, format, io)
    },
  )
  add(
    withSettings(
      notification.command('add <project> <name>').summary('add a receiver; the secret of a webhook is told only now'),
    ),
    async ({ client, io, format }, options: ReceiverOptions, projectRef: string, name: string) => {
      const body = { name, kind: kindOf(options), ...settingsOf(options, io) }
      printItem(await client.call('createReceiver', { params: { projectRef }, body }), secretColumns, format, io)
    },
  )
  add(
    withSettings(notification.command('change <project> <receiver>').summary('change a receiver'))
      .option('--name <name>', 'its new name')
      .addOption(new Option('--enabled <yes|no>', 'whether it gets anything').choices(['yes', 'no']))
      .option('--new-secret', 'make a new secret; for a day webhooks are signed with the one before as well'),
    async (remote, options: ReceiverOptions, projectRef: string, receiver: string) => {
      const { client, io, format } = remote
      const params = { projectRef, receiverId: await receiverIdOf(remote, projectRef, receiver) }
      const { name, enabled, newSecret } = options
      const body: Change = {
        ...settingsOf(options, io),
        ...(name === undefined ? {} : { name }),
        ...(enabled === undefined ? {} : { isEnabled: enabled === 'yes' }),
        ...(newSecret === undefined ? {} : { newSecret }),
      }
      printItem(await client.call('updateReceiver', { params, body }), secretColumns, format, io)
    },
  )
  add(
    notification.command('remove <project> <receiver>').summary('remove a receiver; what waits for it is not sent'),
    async (remote, _options, projectRef: string, receiver: string) => {
      const params = { projectRef, receiverId: await receiverIdOf(remote, projectRef, receiver) }
      await remote.client.call('deleteReceiver', { params })
    },
  )
  add(
    notification.command('test <project> <receiver>').summary('send a test to a receiver now'),
    async (remote, _options, projectRef: string, receiver: string) => {
      const { client, io, format } = remote
      const params = { projectRef, receiverId: await receiverIdOf(remote, projectRef, receiver) }
      printItem(await client.call('testReceiver', { params }), notificationColumns, format, io)
    },
  )
  addHistoryCommands(notification, add)
}

function addHistoryCommands(notification: Command, add: AddRemote): void {
  add(
    notification
      .command('list <project>')
      .summary('what was told and how it went, commit statuses as well, the newest first')
      .option('--receiver <receiver>', 'only to this one')
      .addOption(
        new Option('--state <state>', 'only those').choices(['waiting', 'sent', 'failed', 'superseded', 'dropped']),
      )
      .option('-n, --limit <number>', 'at most so many', '25'),
    async (
      remote,
      { receiver, state, limit }: { receiver?: string; state?: Notification['state']; limit: string },
      projectRef: string,
    ) => {
      const { client, io, format } = remote
      const filter = {
        ...(receiver === undefined ? {} : { receiverId: await receiverIdOf(remote, projectRef, receiver) }),
        ...(state === undefined ? {} : { state }),
      }
      const page = (query: { readonly limit: number; readonly cursor?: string }) =>
        client.call('listNotifications', { params: { projectRef }, query: { ...filter, ...query } })
      printList(await allPages(page, Number(limit)), notificationColumns, format, io)
    },
  )
  add(
    notification.command('show <project> <notification>').summary('one of them, with the last answer'),
    async ({ client, io, format }, _options, projectRef: string, notificationId: string) => {
      const found = await client.call('getNotification', { params: { projectRef, notificationId } })
      printItem(found, detailColumns, format, io)
    },
  )
  add(
    notification.command('resend <project> <notification>').summary('send the same again'),
    async ({ client, io, format }, _options, projectRef: string, notificationId: string) => {
      const sent = await client.call('resendNotification', { params: { projectRef, notificationId } })
      printItem(sent, notificationColumns, format, io)
    },
  )
}

function kindOf({ webhook, slackFile, email }: ReceiverOptions): Receiver['kind'] {
  const kinds = [
    ...(webhook === undefined ? [] : (['webhook'] as const)),
    ...(slackFile === undefined ? [] : (['slack'] as const)),
    ...(email === undefined ? [] : (['email'] as const)),
  ]
  const [kind] = kinds
  if (kind === undefined || kinds.length > 1)
    throw new SlipwayError('usage', 'say one of --webhook, --slack-file and --email')
  return kind
}

function settingsOf(options: ReceiverOptions, io: Remote['io']): Change {
  const list = (text: string | undefined) => text?.split(',').map((part) => part.trim())
  const { webhook, slackFile, email, format, events, changes, branches } = options
  const given = {
    url: webhook ?? (slackFile === undefined ? undefined : readSecretFile(slackFile, io)),
    format,
    // What is none of them is refused by the server, in words.
    events: list(events),
    changes: list(changes),
    branches: branches === '' ? [] : list(branches),
    recipients: list(email),
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

/** By name or id. */
async function receiverIdOf({ client }: Remote, projectRef: string, receiver: string): Promise<string> {
  const { items } = await client.call('listReceivers', { params: { projectRef } })
  return (items.find(({ name }) => name === receiver) ?? items.find(({ id }) => id === receiver))?.id ?? receiver
}
