// One's own password and sessions, secrets and variables that are changed, and where the state of a commit leads.

import { expect, test } from 'vitest'
import { password } from '../server/test-server.ts'
import { axe } from './axe.ts'
import { expectHeading } from './browser.ts'
import { openUi } from './ui-world.ts'

const ui = openUi(async ({ world }) => {
  await world.client.call('createUser', { body: { name: 'bob', password } })
})

test('a session in another browser is ended, and a password changed by who knows the old one', {
  timeout: 90_000,
}, async () => {
  await ui.withPage(
    async (other) => {
      await ui.withPage(
        async (page) => {
          await page.goto('/account/sessions')
          await page.getByRole('row').filter({ hasText: 'this one' }).waitFor()
          expect(await axe(page)).toEqual([])
          await page.getByRole('button', { name: 'End' }).click()
          await page.getByRole('alertdialog').getByRole('button', { name: 'End it' }).click()
          await page.getByRole('button', { name: 'End' }).waitFor({ state: 'detached' })
          await other.goto('/projects')
          await expectHeading(other, 'Log in')

          await page.goto('/account/password')
          await page.getByLabel('Now').fill('not the password')
          await page.getByLabel('New').fill('another one altogether')
          await page.getByRole('button', { name: 'Change it' }).click()
          await page.getByRole('alert').waitFor()
          await page.getByLabel('Now').fill(password)
          await page.getByRole('button', { name: 'Change it' }).click()
          await page.getByText('Changed.').waitFor()
          expect(await axe(page)).toEqual([])
        },
        { username: 'bob' },
      )
    },
    { username: 'bob' },
  )
})

test('a secret is replaced and a variable edited, key by key and value by value', { timeout: 90_000 }, async () => {
  const params = { projectRef: ui.projectId }
  const { client } = ui.world
  await client.call('createProjectSecret', { params, body: { name: 'registry', data: { user: 'x', password: 'y' } } })
  await client.call('createProjectVariable', { params, body: { name: 'colour', values: [{ value: 'red' }] } })
  await ui.withPage(async (page) => {
    const dialog = page.getByRole('dialog')
    await page.goto('/projects/user.ann.web/settings/secrets')
    await page.getByRole('button', { name: 'Replace registry' }).click()
    await dialog.getByRole('button', { name: 'Leave out this key' }).first().click()
    await dialog.getByRole('button', { name: 'Another key' }).click()
    await dialog.getByLabel('Key', { exact: true }).last().fill('token')
    await dialog.getByRole('button', { name: 'Save' }).click()
    await dialog.waitFor({ state: 'detached' })
    const { items } = await client.call('listProjectSecrets', { params, query: {} })
    expect(items[0]!.keys).toHaveLength(2)
    expect(items[0]!.keys).toContain('token')

    await page.goto('/projects/user.ann.web/settings/variables')
    await page.getByRole('button', { name: 'Edit colour' }).click()
    expect(await dialog.getByLabel('Text', { exact: true }).inputValue()).toBe('red')
    await dialog.getByLabel('When', { exact: true }).fill('branch main')
    await dialog.getByRole('button', { name: 'Another value' }).click()
    await dialog.getByLabel('Text', { exact: true }).last().fill('blue')
    await dialog.getByRole('button', { name: 'Save' }).click()
    const row = page.getByRole('row', { name: /^colour/ })
    await row.getByText('branch main').waitFor()
    await row.getByText('blue').waitFor()
  })
})

test('the address that states of commits lead to is that of the run, by id and by path of the project', {
  timeout: 60_000,
}, async () => {
  const { number } = await ui.world.createRun(ui.projectId, { build: { run: 'true' } })
  await ui.withPage(async (page) => {
    for (const reference of [ui.projectId, 'user/ann/web']) {
      await page.goto(`/run?projectref=${encodeURIComponent(reference)}&runnumber=${number}`)
      await expectHeading(page, `#${number} ci`)
      expect(new URL(page.url()).pathname).toBe(`/projects/user.ann.web/runs/${number}`)
    }
  })
})
