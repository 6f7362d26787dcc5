// What a receiver may be, and what is kept secret of it.

import { expect, test } from 'vitest'
import { limits } from '../lib/limits.ts'
import { newSealingKey } from '../lib/sealing.ts'
import type { NewReceiver, ReceiverInput } from './api.ts'
import { openNotificationWorld } from './notification-fixture.ts'
import type { SmtpSettings } from './send/email.ts'

const smtp: SmtpSettings = { host: 'mail', port: 25, security: 'none', from: 'ci@example.org', recipientDomains: [] }
const url = 'https://hooks.example.org/T0/B0/secret'

test.each<readonly [string, Pick<NewReceiver, 'kind'> & ReceiverInput, RegExp]>([
  ['a url of another kind', { kind: 'webhook', url: 'ftp://example.org' }, /https:\/\//],
  ['a url with a password', { kind: 'webhook', url: 'https://ann:x@example.org' }, /no user and password/],
  ['a url that is too long', { kind: 'webhook', url: `https://example.org/${'x'.repeat(2000)}` }, /2000 characters/],
  ['no url', { kind: 'webhook' }, /url is missing/],
  ['no events', { kind: 'webhook', url, events: [] }, /one or more of run\.queued/],
  ['an unknown event', { kind: 'webhook', url, events: ['run.paused'] as never }, /one or more of/],
  ['recipients of a webhook', { kind: 'webhook', url, recipients: ['ann@example.org'] }, /has no recipients/],
  ['a format of a message', { kind: 'slack', url, format: 'cloudevents' }, /has no format/],
  ['no address', { kind: 'email' }, /recipients is missing/],
  ['no addresses', { kind: 'email', recipients: [] }, /1 to 20 addresses/],
  [
    'too many recipients',
    { kind: 'email', recipients: Array.from({ length: 21 }, (_, i) => `a${i}@b.org`) },
    /1 to 20/,
  ],
  ['a header in an address', { kind: 'email', recipients: ['ann@example.org\r\nBcc: eve@example.org'] }, /no address/],
  ['two addresses in one', { kind: 'email', recipients: ['ann@example.org,eve@example.org'] }, /no address/],
  ['a name in an address', { kind: 'email', recipients: ['Ann <ann@example.org>'] }, /no address/],
  ['an address without domain', { kind: 'email', recipients: ['root@localhost'] }, /no address/],
  ['a control character in a branch', { kind: 'slack', url, branches: ['a\nb'] }, /branches are at most/],
  ['a control character in the name', { kind: 'slack', url, name: 'a\nb' }, /a name has/],
])('%s is refused', async (_, input, message) => {
  await using world = await openNotificationWorld({ settings: { smtp } })
  await expect(world.receiver(input)).rejects.toMatchObject({
    code: 'receiver_invalid',
    message: expect.stringMatching(message),
  })
})

test('mail needs an SMTP server, and goes to the domains that an administrator allows', async () => {
  await using none = await openNotificationWorld()
  const email = { kind: 'email', recipients: ['ann@example.org'] } as const
  await expect(none.receiver(email)).rejects.toMatchObject({ code: 'receiver_invalid' })
  await using some = await openNotificationWorld({
    settings: { smtp: { ...smtp, recipientDomains: ['acme.example'] } },
  })
  await expect(some.receiver(email)).rejects.toThrow('mail to acme.example only')
  const { receiver } = await some.receiver({ kind: 'email', recipients: ['Ann@Acme.Example', 'Ann@Acme.Example'] })
  expect(receiver.settings).toEqual({
    kind: 'email',
    recipients: ['Ann@Acme.Example'],
    changes: ['broken', 'fixed'],
    branches: [],
  })
})

test('a receiver is changed by what is given, by one at a time', async () => {
  await using world = await openNotificationWorld()
  const { receiver, secret } = await world.receiver({ kind: 'webhook', name: 'chat', url })
  expect(secret).toMatch(/^[\w-]{43}$/)
  expect(receiver).toMatchObject({ version: 1, isEnabled: true, settings: { format: 'slipway' } })
  const of = { projectId: 'p1', id: receiver.id }
  const changed = await world.notification.updateReceiver({ ...of, events: ['run.failed'], isEnabled: false })
  expect(changed.receiver).toMatchObject({ version: 2, isEnabled: false, settings: { url, events: ['run.failed'] } })
  expect(changed).not.toHaveProperty('secret')
  await expect(world.notification.updateReceiver({ ...of, expectedVersion: 1 })).rejects.toMatchObject({
    code: 'version_conflict',
    currentVersion: 2,
  })
  await expect(world.receiver({ kind: 'slack', name: 'chat', url })).rejects.toMatchObject({ code: 'receiver_exists' })
  await expect(world.notification.getReceiver({ ...of, projectId: 'p2' })).rejects.toMatchObject({
    code: 'receiver_not_found',
  })
  await world.notification.deleteReceiver({ ...of, expectedVersion: 2 })
  expect((await world.notification.listReceivers({ projectId: 'p1' })).items).toEqual([])
  await expect(world.notification.deleteReceiver(of)).rejects.toMatchObject({ code: 'receiver_not_found' })
})

test('a project has at most 20 receivers', async () => {
  await using world = await openNotificationWorld()
  for (let index = 0; index < limits.receiversPerProject.value; index++) await world.receiver({ kind: 'slack', url })
  await expect(world.receiver({ kind: 'slack', url })).rejects.toMatchObject({ code: 'limit_exceeded' })
  await world.receiver({ kind: 'slack', url, projectId: 'p2' })
})

test('secrets and addresses of messages are stored sealed and never told again', async () => {
  await using world = await openNotificationWorld()
  const { secret } = await world.receiver({ kind: 'webhook', url })
  await world.receiver({ kind: 'slack', url })
  const stored = world.database.view((tx) => JSON.stringify([tx.list('receiver'), tx.list('receiversecret')]))
  expect(stored).not.toContain(secret)
  const { items } = await world.notification.listReceivers({ projectId: 'p1' })
  const slack = items.find(({ settings }) => settings.kind === 'slack')
  expect(slack?.settings).toMatchObject({ origin: 'https://hooks.example.org' })
  expect(JSON.stringify(slack)).not.toContain('/T0/')
})

test('a request that comes again makes one receiver, and tells the same secret', async () => {
  await using world = await openNotificationWorld()
  const input = { projectId: 'p1', kind: 'webhook', name: 'chat', url } as const
  const made = await world.notification.createReceiver(input, { transactionId: 't1' })
  expect(await world.notification.createReceiver(input, { transactionId: 't1' })).toEqual(made)
  expect((await world.notification.listReceivers({ projectId: 'p1' })).items).toHaveLength(1)
})

test('after a change of the installation key all is under the new one', async () => {
  await using first = await openNotificationWorld()
  const { database } = first
  const [older, newer] = [newSealingKey(), newSealingKey()]
  {
    await using world = await openNotificationWorld({ database, keys: [older] })
    await world.receiver({ kind: 'webhook', url })
  }
  {
    await using world = await openNotificationWorld({ database, keys: [newer, older] })
    expect(
      world.database.view((tx) => tx.list('receiversecret').every(({ body }) => body.sealed.includes(newer.id))),
    ).toBe(true)
  }
  await expect(openNotificationWorld({ database, keys: [older] })).rejects.toMatchObject({ code: 'key_wrong' })
})
