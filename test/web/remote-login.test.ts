// Somebody who has nothing but an account at a provider: from its login to a run that a push started and the status at the commit, at
// each kind of provider, in a browser.

import { expect, test } from 'vitest'
import { until } from '../../src/lib/until-fixture.ts'
import { forgejoFlavour } from '../providers/gitea-server.ts'
import { githubFlavour } from '../providers/github-server.ts'
import { gitlabFlavour } from '../providers/gitlab-server.ts'
import { addRemoteSource, openProviderScene } from '../server/provider-scene.ts'
import { TestServer } from '../server/test-server.ts'
import { axe } from './axe.ts'
import { expectHeading, openBrowser, openPage } from './browser.ts'
import { buildWebUi } from './ui-world.ts'

test.each([
  ['GitHub', githubFlavour],
  ['GitLab', gitlabFlavour],
  ['Forgejo', forgejoFlavour],
] as const)(
  'with an account at %s one registers, finds a repository, and sees a push run',
  { timeout: 240_000 },
  async (_, flavour) => {
    buildWebUi()
    await using scene = await openProviderScene(flavour)
    const { provider, repository, user } = scene
    await provider.createRepository('acme/docs', { administrator: user, files: { 'README.md': '#' } })
    await using server = await TestServer.start()
    await addRemoteSource(await server.setUp(), server.url, scene)
    await using browser = await openBrowser()
    const { page, context, complaints } = await openPage(browser, server.url, { provider: provider.url })
    const atProvider = async () => {
      await page.getByRole('button', { name: 'Log in with hub' }).click()
      await page.getByLabel('Login').fill(user.login)
      await page.getByLabel('Password').fill(user.password)
      await page.getByRole('button', { name: 'Authorize' }).click()
    }

    await page.goto('/login')
    await atProvider()
    await expectHeading(page, 'Register')
    await page.getByText(`hub knows you as ${user.login}`).waitFor()
    expect(await axe(page)).toEqual([])
    await page.getByLabel('Name').fill('cy')
    await page.getByRole('button', { name: 'Register' }).click()
    await expectHeading(page, 'Home')
    await page.getByRole('button', { name: 'Menu of cy' }).click()
    await page.getByRole('menuitem', { name: 'Log out' }).click()
    await expectHeading(page, 'Log in')
    await atProvider()
    await expectHeading(page, 'Home')
    await page.goto('/account/accounts')
    await page.getByRole('row', { name: new RegExp(`${user.login} hub`) }).waitFor()

    await page.goto('/new-project')
    await page.getByRole('radio', { name: 'acme/docs' }).waitFor()
    await page.getByLabel('Search at hub').fill('we')
    await page.getByRole('radio', { name: 'acme/docs' }).waitFor({ state: 'detached' })
    await page.getByRole('radio', { name: new RegExp(`${repository.path} private`) }).check()
    await page.getByRole('button', { name: 'Make the project' }).click()
    await expectHeading(page, 'web')
    expect([repository.hooks.length, repository.keys.length]).toEqual([1, 1])

    const sha = await repository.commit({ files: { 'other.txt': 'x' }, message: 'Seen as it runs' })
    const row = page.locator('.run-row').filter({ hasText: 'Seen as it runs' })
    await row.filter({ has: page.getByLabel('Succeeded') }).waitFor()
    await until(() => repository.statusesOf(sha).at(-1)?.state === 'success')
    await page.getByRole('link', { name: 'Notifications' }).click()
    await page.getByRole('row', { name: /^commit status: success/ }).waitFor()
    expect(complaints).toEqual([])
    await context.close()
  },
)
