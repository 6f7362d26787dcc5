// Providers, deliveries and notifications, as people meet them.

import { expect, test } from 'vitest'
import { password } from '../server/test-server.ts'
import { axe } from './axe.ts'
import { expectHeading, logIn, openPage } from './browser.ts'
import { openUi } from './ui-world.ts'

const ui = openUi()

test('a remote source is made, changed and removed, and is on the login page meanwhile', {
  timeout: 90_000,
}, async () => {
  await ui.withPage(async (page) => {
    await page.goto('/admin/sources')
    await page.getByText('None yet').waitFor()
    await page.getByRole('button', { name: 'New remote source' }).click()
    const dialog = page.getByRole('dialog', { name: 'New remote source' })
    await dialog.getByLabel('Type').selectOption('gitlab')
    expect(await dialog.getByLabel('Address of its API').inputValue()).toBe('https://gitlab.com')
    await dialog.getByLabel('Name', { exact: true }).fill('hub')
    await dialog.getByLabel('Client id').fill('the-id')
    await dialog.getByLabel('Client secret').fill('the-secret')
    await dialog.getByText('/oauth2/callback').waitFor()
    await dialog.getByRole('button', { name: 'Make it' }).click()
    await page.getByRole('row', { name: /hub GitLab/ }).waitFor()

    const { page: visitor, context } = await openPage(ui.browser, ui.world.server.url)
    await visitor.goto('/login?error=login_failed&remoteSource=hub')
    await visitor.getByRole('button', { name: 'Log in with hub' }).waitFor()
    await visitor.getByText('Logging in with hub did not work.').waitFor()
    await visitor.goto('/register')
    await visitor.getByText('took longer than ten minutes').waitFor()
    await expectHeading(visitor, 'Log in')
    await context.close()

    await page.goto('/account/accounts?error=oauth2_refused&remoteSource=hub')
    await page.getByRole('button', { name: 'Link hub' }).waitFor()
    await page.getByText('It was refused there').waitFor()
    await page.goto('/new-project')
    await page.getByText('Link your account at hub').waitFor()
    await page.getByLabel('Repository from').selectOption('its address')
    await page.getByLabel('Repository', { exact: true }).waitFor()

    await page.goto('/admin/sources')
    await page.getByRole('button', { name: 'Change hub' }).click()
    const change = page.getByRole('dialog', { name: 'Remote source' })
    expect(await change.getByLabel('Client id').inputValue()).toBe('the-id')
    await change.getByLabel('People log in with it').uncheck()
    await change.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('row', { name: /hub GitLab their pages off off/ }).waitFor()
    await page.getByRole('button', { name: 'Remove hub' }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Remove it' }).click()
    await page.getByText('None yet').waitFor()
  })
})

test('an executor that is drained, and maintenance that others begin, are seen at once', {
  timeout: 60_000,
}, async () => {
  await ui.withPage(async (page) => {
    await page.goto('/admin/executors')
    const [executor] = (await ui.world.client.call('listExecutors')).items
    await page.getByRole('row', { name: /connected/ }).waitFor()
    const params = { executorId: executor!.id }
    await ui.world.client.call('drainExecutor', { params, body: { isDraining: true } })
    await page.getByRole('row', { name: /draining/ }).waitFor()
    await ui.world.client.call('drainExecutor', { params, body: { isDraining: false } })
    await page.getByRole('row', { name: /connected/ }).waitFor()
    await page.getByRole('link', { name: 'Maintenance' }).click()
    await page.getByText('Begin the maintenance first.').waitFor()
    await ui.world.client.call('startMaintenance', { body: { why: 'an upgrade' } })
    await page.getByText('In maintenance').first().waitFor()
    await page.getByLabel('File').waitFor()
    await ui.world.client.call('endMaintenance')
    await page.getByText('Begin the maintenance first.').waitFor()
  })
})

test('of the databases one sees the log, object storage, instances and what has waited too long', {
  timeout: 60_000,
}, async () => {
  await ui.withPage(async (page) => {
    await page.goto('/admin/databases')
    await page.getByText('in a file on this machine').waitFor()
    for (const service of ['configstore', 'runservice', 'notification', 'gateway'])
      await page.getByRole('group', { name: 'Databases' }).getByRole('row', { name: service }).waitFor()
    await page.getByText('Nothing. What is to be done beside requests is done.').waitFor()
    const { instances } = await ui.world.client.call('getDatabaseStatus')
    await page.getByRole('row', { name: instances[0]!.id.slice(0, 13) }).waitFor()
    expect(await axe(page)).toEqual([])
  })
})

test('what came about a repository is seen, and done again', { timeout: 90_000 }, async () => {
  await ui.withPage(async (page) => {
    await page.goto('/projects/user.ann.web/settings/deliveries')
    await page.getByText('Nothing came yet').waitFor()
    await page.getByRole('button', { name: 'Make a secret' }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Make it' }).click()
    await page.getByText('Address of the webhook').waitFor()
    await page.getByText(/\/webhooks\//).waitFor()
    // Setting the hook up has the repository looked at.
    await page.getByRole('link', { name: 'Secrets' }).click()
    await page.getByRole('link', { name: 'Deliveries' }).click()
    await page.getByRole('row', { name: /first look/ }).waitFor({ timeout: 20_000 })
  })
})

test('receivers are made, tried and changed, and what was told is seen', { timeout: 90_000 }, async () => {
  await ui.withPage(async (page) => {
    await page.goto('/projects/user.ann.web/settings/notifications')
    await page.getByText('Nobody yet').waitFor()
    await page.getByRole('button', { name: 'New receiver' }).click()
    const dialog = page.getByRole('dialog', { name: 'New receiver' })
    await dialog.getByLabel('Name').fill('chat-bot')
    await dialog.getByLabel('Address').fill('https://bot.example/hook')
    await dialog.getByLabel('queued').check()
    await dialog.getByRole('button', { name: 'Save' }).click()
    await page.getByText('shown here and never again').waitFor()
    await page.getByRole('button', { name: 'Done' }).click()
    await page.getByRole('row', { name: /chat-bot Webhook .*run\.queued/ }).waitFor()
    await page.getByRole('button', { name: 'Change chat-bot' }).click()
    const change = page.getByRole('dialog', { name: 'chat-bot' })
    await change.getByLabel('It is on').uncheck()
    await change.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('row', { name: /chat-bot off/ }).waitFor()
    await page.getByRole('button', { name: 'Remove chat-bot' }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Remove it' }).click()
    await page.getByText('Nobody yet').waitFor()
  })
})

test('somebody else sees a public project without what is not for him', { timeout: 60_000 }, async () => {
  await ui.world.client
    .call('createUser', { body: { name: 'bob', password: 'correct horse battery' } })
    .catch(() => undefined)
  const { may } = await ui.world.client.call('getProject', { params: { projectRef: ui.projectId } })
  expect(may).toEqual({ change: true, run: true })
  const { page, context } = await openPage(ui.browser, ui.world.server.url)
  await page.goto('/login')
  await page.getByLabel('Name').fill('bob')
  await page.getByLabel('Password').fill('correct horse battery')
  await page.getByRole('button', { name: 'Log in' }).click()
  await expectHeading(page, 'Home')
  await page.goto('/projects/user.ann.web')
  await expectHeading(page, 'web')
  await page.getByRole('link', { name: 'Runs', exact: true }).waitFor()
  expect(await page.getByRole('link', { name: /^(Settings|Secrets|Deliveries)$/ }).count()).toBe(0)
  await context.close()
})

test('members of an organization are offered nothing that only its owners may do', { timeout: 180_000 }, async () => {
  const { client, server } = ui.world
  await client.call('createOrganization', { body: { name: 'guild', visibility: 'public' } })
  await client.call('createUser', { body: { name: 'mia', password } })
  await client.call('createOrganization', { body: { name: 'crew', visibility: 'public', ownerRef: 'mia' } })
  const params = { orgRef: 'guild', userRef: 'mia' }
  const member = await client.call('setMember', { params, body: { role: 'member' } })
  const { page, context, complaints } = await openPage(ui.browser, server.url)
  await logIn(page, 'mia')

  await page.goto('/organizations/guild')
  await page.getByRole('row', { name: 'mia member' }).waitFor()
  expect(await page.getByRole('main').getByRole('button').count()).toBe(0)
  expect(await axe(page)).toEqual([])
  await page.getByRole('link', { name: 'Projects' }).last().click()
  await page.getByText('Nothing in here yet').waitFor()
  const offers = page.getByRole('main').getByRole('link', { name: /^(New group|New project|Settings)$/ })
  expect(await offers.count()).toBe(0)
  expect(await axe(page)).toEqual([])
  await page.getByRole('link', { name: 'Secrets' }).click()
  await page.getByText('No secrets here or above').waitFor()
  expect(await page.getByRole('button', { name: 'New secret' }).count()).toBe(0)
  await page.goto('/groups/org.guild/settings/general')
  await page.getByText('Only its owners change this group').waitFor()
  await page.goto('/new-group')
  await expectHeading(page, 'New group')
  await expect.poll(() => page.getByLabel('In').locator('option').allTextContents()).toEqual(['user/mia', 'org/crew'])

  await client.call('setMember', { params, body: { role: 'owner' }, ifMatch: member.version })
  await page.goto('/groups/org.guild')
  await offers.nth(2).waitFor()
  await page.goto('/organizations/guild')
  await page.getByRole('button', { name: 'Remove the organization' }).waitFor()
  expect(await axe(page)).toEqual([])
  expect(complaints).toEqual([])
  await context.close()
})
