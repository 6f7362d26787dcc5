// Going back to an export, by somebody who has nothing but a browser.

import { expect, test } from 'vitest'
import { TestServer } from '../server/test-server.ts'
import { temporaryDirectory } from '../support/git-repository.ts'
import { axe } from './axe.ts'
import { expectHeading, logIn, openBrowser, openPage } from './browser.ts'
import { buildWebUi } from './ui-world.ts'

test('an installation is exported, put in maintenance, and goes back to what was exported', {
  timeout: 240_000,
}, async () => {
  buildWebUi()
  using directory = temporaryDirectory('export')
  await using browser = await openBrowser()
  await using server = await TestServer.start()
  const client = await server.setUp()
  await client.call('createUser', { body: { name: 'before' } })
  const { page, context, complaints } = await openPage(browser, server.url)
  await logIn(page)
  await page.goto('/admin/maintenance')
  await page.getByText('Begin the maintenance first.').waitFor()
  const download = page.waitForEvent('download')
  await page.getByRole('link', { name: 'Export' }).click()
  const file = `${directory.path}/export`
  await (await download).saveAs(file)
  await client.call('createUser', { body: { name: 'after' } })

  await page.getByLabel('Why').fill('something went wrong')
  await page.getByRole('button', { name: 'Begin maintenance' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Begin it' }).click()
  await page.getByText('In maintenance, begun by you: something went wrong.').waitFor()
  await page.getByText('Every instance has entered it.').waitFor()
  expect(await axe(page)).toEqual([])

  await page.getByLabel('File').setInputFiles(file)
  await page.getByRole('button', { name: 'Import' }).click()
  const dialog = page.getByRole('alertdialog', { name: 'Replace everything?' })
  const replace = dialog.getByRole('button', { name: 'Replace everything' })
  expect(await replace.isEnabled()).toBe(false)
  await dialog.getByLabel(/^Type replace/).fill('replace')
  await replace.click()
  await page.getByText('Imported. End the maintenance when you have looked at it.').waitFor()
  expect(await axe(page)).toEqual([])

  await page.getByRole('button', { name: 'End the maintenance' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'End it' }).click()
  await page.getByText('Begin the maintenance first.').waitFor()
  await page.getByRole('link', { name: 'Users' }).click()
  await page.getByRole('row', { name: /^before/ }).waitFor()
  expect(await page.getByRole('row', { name: /^after/ }).count()).toBe(0)
  await page.goto('/')
  await expectHeading(page, 'Home')
  expect(complaints).toEqual([])
  await context.close()
})
