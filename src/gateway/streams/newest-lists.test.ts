// Lists that are told as they change: what came about a repository, and what was told of its runs.

import { expect, test } from 'vitest'
import { aProject } from '../../configstore/configstore-fixture.ts'
import type { ApiClient } from '../../contract/client.ts'
import { until } from '../../lib/until-fixture.ts'
import { openTestGateway } from '../gateway-fixture.ts'

test('deliveries and notifications come to those who watch them, as the lists have them', async () => {
  await using gateway = await openTestGateway({ notification: true, areServicesRemote: true })
  const { configstore } = gateway
  await configstore.createUser({ name: 'ann' })
  await configstore.createUser({ name: 'eve' })
  const source = { kind: 'git', url: 'https://git.example/web.git', auth: 'none', pollIntervalMs: 0 } as const
  const params = { projectRef: (await aProject(configstore, 'user/ann/web', { source })).id }
  const ann = gateway.client(await gateway.tokenOf('ann'))
  await using deliveries = watch(ann, 'watchDeliveries', params)
  await using notifications = watch(ann, 'watchNotifications', params)
  /** Time passes by hand. */
  const soon = (condition: () => boolean) =>
    until(() => {
      gateway.clock.pass(200)
      return condition()
    })
  await soon(() => deliveries.newest() !== undefined && notifications.newest() !== undefined)
  expect([deliveries.newest(), notifications.newest()]).toEqual([{ items: [] }, { items: [] }])

  await ann.call('createWebhookSecret', { params })
  await soon(() => deliveries.newest()?.items.length === 1)
  expect(deliveries.newest()).toMatchObject({ items: [{ event: 'first look' }] })

  const body = { name: 'chat', kind: 'webhook', url: 'https://chat.example/hook' } as const
  const { id: receiverId } = await ann.call('createReceiver', { params, body })
  await ann.call('testReceiver', { params: { ...params, receiverId } })
  await soon(() => notifications.newest()?.items.length === 1)
  expect(notifications.newest()).toMatchObject({ items: [{ event: 'test' }] })

  const eve = gateway.client(await gateway.tokenOf('eve'))
  for (const operation of ['watchDeliveries', 'watchNotifications'] as const)
    await expect(Array.fromAsync(eve.events(operation, { params }))).rejects.toMatchObject({ status: 403 })
})

type Watched = 'watchDeliveries' | 'watchNotifications'

function watch(client: ApiClient, operation: Watched, params: { readonly projectRef: string }) {
  const stop = new AbortController()
  let newest: { readonly items: readonly unknown[] } | undefined
  const reading = (async () => {
    for await (const { data } of client.events(operation, { params, signal: stop.signal })) newest = data
  })().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error
  })
  return {
    newest: () => newest,
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await reading
    },
  }
}
