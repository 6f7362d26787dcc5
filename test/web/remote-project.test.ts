// From an account at a provider to a run that a push started, what came of its webhook, and who was told: all of it in a browser.

import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../src/lib/until-fixture.ts'
import { giteaFlavour } from '../providers/gitea-server.ts'
import type { ServerRepository } from '../providers/server-repository.ts'
import {
  addRemoteSource,
  definitionFile,
  openProviderScene,
  type ProviderScene,
  theDefinition,
} from '../server/provider-scene.ts'
import { TestServer } from '../server/test-server.ts'
import { openWebhookReceiver } from '../server/webhook-receiver.ts'
import { axe } from './axe.ts'
import { expectHeading, openBrowser, withPage } from './browser.ts'
import { buildWebUi } from './ui-world.ts'

let browser: Browser & AsyncDisposable
let scene: ProviderScene
let server: TestServer
let docs: ServerRepository
let receiver: Awaited<ReturnType<typeof openWebhookReceiver>>
const opened = new AsyncDisposableStack()

beforeAll(async () => {
  buildWebUi()
  browser = opened.use(await openBrowser())
  scene = opened.use(await openProviderScene(giteaFlavour))
  receiver = opened.use(await openWebhookReceiver())
  receiver.answer()
  server = opened.use(await TestServer.start({ SLIPWAY_NOTIFICATION_ALLOW_PRIVATE_ADDRESSES: 'true' }))
  await addRemoteSource(await server.setUp(), server.url, scene)
  const files = { 'README.md': '#', [definitionFile]: theDefinition, 'hello.txt': 'hello\n' }
  docs = await scene.provider.createRepository('acme/docs', { administrator: scene.user, files })
  await scene.provider.createRepository('acme/api', { administrator: scene.user, files })
}, 120_000)
afterAll(() => opened.disposeAsync(), 60_000)

const withAnn = (act: (page: Page) => Promise<void>) =>
  withPage(browser, server.url, act, { provider: scene.provider.url })

test('an account is linked, a repository found and chosen, a push seen as it runs, and its webhook done again', {
  timeout: 240_000,
}, async () => {
  const { provider, repository, user } = scene
  await withAnn(async (page) => {
    await page.getByRole('link', { name: 'Make the first project' }).click()
    await page.getByRole('button', { name: 'Link it' }).click()
    await page.getByLabel('Login').fill(user.login)
    await page.getByLabel('Password').fill(user.password)
    const stream = page.waitForResponse((response) => new URL(response.url()).pathname.endsWith('/run-changes'))
    await page.getByRole('button', { name: 'Authorize' }).click()
    await page.waitForURL(`${server.url}/new-project`)
    await stream

    const choices = page.getByRole('radio')
    await page.getByRole('radio', { name: 'acme/docs' }).waitFor()
    expect(await choices.count()).toBe(3)
    await page.getByLabel('Search at hub').fill('nothing-like-it')
    await page.getByText('None that your account may administer').waitFor()
    await page.getByLabel('Search at hub').fill('we')
    await page.getByRole('radio', { name: /acme\/web private/ }).check()
    expect(await choices.count()).toBe(1)
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('web')
    expect(await axe(page)).toEqual([])
    await page.getByRole('button', { name: 'Make the project' }).click()
    await expectHeading(page, 'web')
    await page.getByText('No runs yet').waitFor()
    expect([repository.hooks.length, repository.keys.length]).toEqual([1, 1])

    const sha = await repository.commit({ files: { 'other.txt': 'x' }, message: 'Seen as it runs' })
    expect(provider.deliveries.at(-1)!.status).toBe(202)
    const row = page.locator('.run-row').filter({ hasText: 'Seen as it runs' })
    await row.filter({ has: page.getByLabel('Succeeded') }).waitFor()
    expect(await axe(page)).toEqual([])
    await until(() => repository.statusesOf(sha).at(-1)?.state === 'success')

    await page.getByRole('link', { name: 'Deliveries' }).click()
    const push = page.getByRole('row', { name: new RegExp(`push main ${sha.slice(0, 8)}`) })
    const started = push.filter({ hasText: 'started runs' })
    await started.waitFor()
    expect(await started.count()).toBe(1)
    expect(await axe(page)).toEqual([])
    await started.getByRole('button', { name: 'Again' }).click()
    const again = push.filter({ hasText: 'again, on request' })
    await again.filter({ hasText: 'started runs' }).waitFor()
    expect(await push.count()).toBe(2)

    await page.getByRole('link', { name: 'Runs', exact: true }).click()
    await expect.poll(() => row.filter({ has: page.getByLabel('Succeeded') }).count()).toBe(2)

    await page.getByRole('link', { name: 'Settings' }).click()
    await page.getByRole('button', { name: 'Use my account' }).click()
    const dialog = page.getByRole('alertdialog', { name: 'Work with your account for user/ann/web?' })
    expect(await axe(page)).toEqual([])
    await dialog.getByRole('button', { name: 'Use my account' }).click()
    await page.getByText('It is yours now.').waitFor()
    expect([repository.hooks.length, repository.keys.length]).toEqual([1, 1])
  })
})

test('a project goes on with another repository, and with a private one only when it is said who sees its runs', {
  timeout: 240_000,
}, async () => {
  const client = server.client()
  const params = { projectRef: 'user/ann/web' }
  await withAnn(async (page) => {
    await page.goto('/projects/user.ann.web/settings/general')
    await page.getByRole('button', { name: 'Set it up again' }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Set it up again' }).click()
    await page.getByText('It is set up.').waitFor()
    expect(scene.repository.hooks).toHaveLength(1)

    const dialog = page.getByRole('dialog', { name: 'Another repository for user/ann/web' })
    const choose = async (path: string) => {
      await page.getByRole('button', { name: 'Another repository' }).click()
      await dialog.getByLabel('Search at hub').fill(path.slice('acme/'.length))
      await dialog.getByRole('radio', { name: new RegExp(`^${path}`) }).check()
    }
    await choose('acme/docs')
    await dialog.getByText('Those at acme/web are removed').waitFor()
    expect(await dialog.getByLabel(/are seen by$/).count()).toBe(0)
    expect(await axe(page)).toEqual([])
    await dialog.getByRole('button', { name: 'Go on with it' }).click()
    await page.getByText('It goes on with acme/docs.').waitFor()
    expect([docs.hooks.length, docs.keys.length]).toEqual([1, 1])
    await until(() => scene.repository.hooks.length + scene.repository.keys.length === 0)

    await docs.commit({ files: { 'other.txt': 'y' }, message: 'Seen at the other' })
    await page.getByRole('link', { name: 'Runs', exact: true }).click()
    const row = page.locator('.run-row').filter({ hasText: 'Seen at the other' })
    await row.filter({ has: page.getByLabel('Succeeded') }).waitFor()

    expect((await client.call('getProject', { params })).visibility).toBe('private')
    await client.call('updateProject', { params, body: { visibility: 'public' } })
    await page.goto('/projects/user.ann.web/settings/general')
    await choose(scene.repository.path)
    await dialog.getByLabel(/are seen by$/).waitFor()
    expect(await axe(page)).toEqual([])
    await dialog.getByRole('button', { name: 'Go on with it' }).click()
    await page.getByText(`It goes on with ${scene.repository.path}.`).waitFor()
    expect(await client.call('getProject', { params })).toMatchObject({
      visibility: 'private',
      source: { repositoryPath: scene.repository.path },
    })
  })
})

test('a receiver is made, its test arrives, the page says so, and sends the same once more', {
  timeout: 180_000,
}, async () => {
  await withAnn(async (page) => {
    await page.goto('/new-project')
    await page.getByLabel('Repository from').selectOption('its address')
    await page.getByLabel('Name', { exact: true }).fill('told')
    await page.getByLabel('Repository', { exact: true }).fill('https://git.example/told.git')
    await page.getByRole('button', { name: 'Make the project' }).click()
    await expectHeading(page, 'told')
    await page.getByRole('link', { name: 'Notifications' }).click()
    await page.getByText('Nobody yet').waitFor()
    await page.getByText('Nothing was told yet').waitFor()
    await page.getByRole('button', { name: 'New receiver' }).click()
    const dialog = page.getByRole('dialog', { name: 'New receiver' })
    await dialog.getByLabel('Name').fill('chat-bot')
    await dialog.getByLabel('Address').fill(receiver.url)
    expect(await axe(page)).toEqual([])
    await dialog.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('button', { name: 'Done' }).click()

    await page.getByRole('button', { name: 'Test chat-bot' }).click()
    await page.getByRole('row', { name: /^test Webhook sent answered 200/ }).waitFor()
    expect(receiver.told).toMatchObject([{ event: 'test' }])
    expect(await axe(page)).toEqual([])
    await page.getByRole('button', { name: 'Again' }).click()
    await until(() => receiver.told.length === 2)
    expect(receiver.told[1]).toMatchObject({ event: 'test', eventId: receiver.told[0]!.eventId })
    await expect.poll(() => page.getByRole('row', { name: /^test Webhook sent answered 200/ }).count()).toBe(2)
  })
})

test('an account that a project works with is forgotten only when one asks for it again', {
  timeout: 120_000,
}, async () => {
  await withAnn(async (page) => {
    await page.goto('/account/accounts')
    await page.getByRole('button', { name: `Forget ${scene.user.login}` }).click()
    const dialog = page.getByRole('alertdialog', { name: `Forget the account ${scene.user.login}?` })
    await dialog.getByRole('button', { name: 'Forget it', exact: true }).click()
    await dialog
      .getByText(/user\/ann\/web|project/)
      .last()
      .waitFor()
    expect(await axe(page)).toEqual([])
    await dialog.getByRole('button', { name: 'Forget it all the same' }).click()
    await dialog.waitFor({ state: 'detached' })
    await page.getByRole('button', { name: `Forget ${scene.user.login}` }).waitFor({ state: 'detached' })
  })
})
