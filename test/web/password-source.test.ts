// A provider without pages to log in at: its accounts are linked, and people log in, with their name and password there.

import { expect, test } from 'vitest'
import { forgejoFlavour, giteaFlavour } from '../providers/gitea-server.ts'
import { openProviderScene } from '../server/provider-scene.ts'
import { TestServer } from '../server/test-server.ts'
import { axe } from './axe.ts'
import { expectHeading, logIn, openBrowser, openPage } from './browser.ts'
import { buildWebUi } from './ui-world.ts'

test.each([
  ['Gitea', giteaFlavour],
  ['Forgejo', forgejoFlavour],
] as const)(
  'with name and password at %s an account is linked, people log in, and others register',
  { timeout: 240_000 },
  async (_, flavour) => {
    buildWebUi()
    await using scene = await openProviderScene(flavour)
    const { provider, repository, user } = scene
    const other = provider.createUser('cy-there')
    await using server = await TestServer.start()
    await server.setUp()
    await using browser = await openBrowser()
    const { page, context, complaints } = await openPage(browser, server.url)
    const logInAt = async ({ login, password }: typeof user) => {
      await page.getByRole('button', { name: 'Log in with hub' }).click()
      const form = page.getByRole('form', { name: 'Log in with hub' })
      await form.getByLabel('Name at hub').fill(login)
      await form.getByLabel('Password at hub').fill(password)
      await form.getByRole('button', { name: 'Log in with hub' }).click()
    }
    const logOut = async (name: string) => {
      await page.getByRole('button', { name: `Menu of ${name}` }).click()
      await page.getByRole('menuitem', { name: 'Log out' }).click()
      await expectHeading(page, 'Log in')
    }
    await logIn(page)

    await page.goto('/admin/sources')
    await page.getByRole('button', { name: 'New remote source' }).click()
    const source = page.getByRole('dialog', { name: 'New remote source' })
    await source.getByLabel('Type').selectOption(flavour.name)
    await source.getByLabel('Name', { exact: true }).fill('hub')
    await source.getByLabel('Address of its API').fill(provider.url)
    await source.getByLabel('Accounts are linked by').selectOption('name and password')
    expect(await source.getByLabel('Client id').count()).toBe(0)
    await source.getByLabel('Whoever has an account there may register here').check()
    await source.getByText('Servers of one’s own').click()
    await source.getByLabel('SSH host key', { exact: true }).fill(provider.sshHostKey!)
    expect(await axe(page)).toEqual([])
    await source.getByRole('button', { name: 'Make it' }).click()
    await page.getByRole('row', { name: `hub ${flavour.name} name and password on on` }).waitFor()

    await page.goto('/new-project')
    await page.getByRole('button', { name: 'Link it' }).click()
    const link = page.getByRole('dialog', { name: 'Link your account at hub' })
    await link.getByLabel('Name there').fill(user.login)
    await link.getByLabel('Password there').fill('guessed')
    await link.getByRole('button', { name: 'Link it' }).click()
    await link.getByRole('alert').waitFor()
    expect(await axe(page)).toEqual([])
    await link.getByLabel('Password there').fill(user.password)
    await link.getByRole('button', { name: 'Link it' }).click()
    await link.waitFor({ state: 'detached' })
    await page.getByRole('radio', { name: new RegExp(`^${repository.path}`) }).check()
    await page.getByRole('button', { name: 'Make the project' }).click()
    await expectHeading(page, 'web')
    expect([repository.hooks.length, repository.keys.length]).toEqual([1, 1])
    await page.goto('/account/accounts')
    await page.getByRole('row', { name: `${user.login} hub works` }).waitFor()

    await logOut('ann')
    await logInAt({ ...user, password: 'guessed' })
    await page.getByText('Logging in with hub did not work.').waitFor()
    expect(await axe(page)).toEqual([])
    await page.getByLabel('Password at hub').fill(user.password)
    await page.getByRole('form').getByRole('button', { name: 'Log in with hub' }).click()
    await expectHeading(page, 'Home')
    await page.getByRole('button', { name: 'Menu of ann' }).waitFor()

    await logOut('ann')
    await logInAt(other)
    await expectHeading(page, 'Register')
    await page.getByText(`hub knows you as ${other.login}`).waitFor()
    await page.getByLabel('Name').fill('cy')
    await page.getByRole('button', { name: 'Register' }).click()
    await expectHeading(page, 'Home')
    await page.goto('/account/accounts')
    await page.getByRole('row', { name: `${other.login} hub works` }).waitFor()
    expect(complaints).toEqual([])
    await context.close()
  },
)
