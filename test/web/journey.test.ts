// What people do, from the first visit on, in a real browser against a real server with real runs.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { GitServer, password, TestServer } from '../server/test-server.ts'
import { expectHeading, openPage } from './browser.ts'
import { buildWebUi, openUi } from './ui-world.ts'

const ui = openUi()

test('from the one-time link to a first project, without a command line', { timeout: 60_000 }, async () => {
  buildWebUi()
  await using server = await TestServer.start()
  await using git = await GitServer.start({ a: '' })
  const { page, context, complaints } = await openPage(ui.browser, server.url)
  await page.goto('/')
  await expectHeading(page, 'Nobody lives here yet')
  await page.goto(readFileSync(join(server.dataDir, 'first-administrator'), 'utf8').trim())
  await expectHeading(page, 'Make the first administrator')
  await page.getByLabel('Name').fill('eve')
  await page.getByLabel('Password').fill('short')
  await page.getByRole('button', { name: 'Make it' }).click()
  await page.getByText('At least 10 characters.').first().waitFor()
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Make it' }).click()
  await expectHeading(page, 'Home')
  await page.getByRole('link', { name: 'Make the first project' }).click()
  await page.getByLabel('Name').fill('not a name')
  await page.getByText('Only letters, digits and hyphens.').waitFor()
  await page.getByLabel('Name').fill('site')
  await page.getByLabel('Repository').fill(git.url)
  await page.getByRole('button', { name: 'Make the project' }).click()
  await expectHeading(page, 'site')
  await page.getByText('No runs yet').waitFor()
  await page.goto('/setup#token=used')
  await expectHeading(page, 'This link was used')
  expect(complaints).toEqual([])
  await context.close()
})

test('a login that fails says so; one that succeeds leads to where one wanted to go', async () => {
  const { page, context } = await openPage(ui.browser, ui.world.server.url)
  await page.goto('/projects/user.ann.web')
  await expectHeading(page, 'Log in')
  await page.getByLabel('Name').fill('ann')
  await page.getByLabel('Password').fill('wrong password')
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByText('do not belong together').waitFor()
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Log in' }).click()
  await expectHeading(page, 'web')
  await context.close()
})

test('the failing step of a broken run is two clicks from Home, with why and the end of its log on the way', {
  timeout: 60_000,
}, async () => {
  const { id } = await ui.world.createRun(ui.projectId, {
    build: { run: 'seq 1000; echo "error: no such file"; exit 3' },
    deploy: { run: 'true', depends: ['build'] },
  })
  await ui.world.untilFinished(id)
  await ui.withPage(async (page) => {
    await page
      .getByRole('region')
      .or(page.locator('section'))
      .filter({ hasText: 'Broken' })
      .getByRole('link', { name: /web · ci/ })
      .first()
      .click()
    await page.getByRole('heading', { name: 'What broke' }).waitFor()
    await page.locator('.excerpt').getByText('error: no such file').waitFor()
    expect(await page.getByText('exit status 3').count()).toBeGreaterThan(0)
    expect(await page.title()).toMatch(/^✗ · #\d+ ci · web · Slipway$/)
    expect(await page.locator('link[rel=icon]').getAttribute('href')).toMatch(/^data:image\/svg/)
    await page.getByRole('link', { name: /Whole log/ }).click()
    await expectHeading(page, 'build')
    await page.getByRole('button', { name: 'First error' }).click()
    await page.locator('.log-text', { hasText: 'error: no such file' }).waitFor()
  })
})

test('runs come, change and end in an open list, without a reload', { timeout: 60_000 }, async () => {
  await ui.withPage(async (page) => {
    await page.goto('/projects/user.ann.web')
    await page.locator('.run-row').first().waitFor()
    const { id, number } = await ui.world.createRun(
      ui.projectId,
      { wait: { run: 'sleep 4' } },
      { message: 'Seen at once' },
    )
    const row = page.locator('.run-row').filter({ hasText: `#${number}` })
    await row.filter({ has: page.getByLabel(/Queued|Running/) }).waitFor({ timeout: 20_000 })
    await ui.world.untilFinished(id)
    await row.filter({ has: page.getByLabel('Succeeded') }).waitFor({ timeout: 20_000 })
    await page.getByLabel('State').selectOption('failed')
    await row.waitFor({ state: 'detached' })
    await page.locator('.run-row[data-state="failed"]').first().waitFor()
    await page.getByLabel('State').selectOption('')
    await page.getByLabel('Text').fill('seen at')
    await expect.poll(() => page.locator('.run-row').count()).toBe(1)
    await page.getByLabel('By', { exact: true }).fill('nobody')
    await page.getByText('No run is like that').waitFor()
    await page.getByRole('button', { name: 'Clear' }).click()
    await page.getByRole('button', { name: 'By branch' }).click()
    await page.locator('.run-group').first().waitFor()
    expect(await page.locator('.run-group').count()).toBe(1)
  })
})

test('a log is followed to its end, through the death of the server, without gap or double', {
  timeout: 90_000,
}, async () => {
  const { id, number } = await ui.world.createRun(ui.projectId, {
    count: { run: 'i=0; while [ $i -lt 400 ]; do echo "line $i"; i=$((i+1)); sleep 0.04; done' },
  })
  await ui.withPage(async (page) => {
    await page.goto(`/projects/user.ann.web/runs/${number}`)
    await page.getByRole('link', { name: /^count / }).click()
    await page
      .locator('.log-text', { hasText: /^line \d+$/ })
      .first()
      .waitFor({ timeout: 20_000 })
    await ui.world.server.stop('SIGKILL')
    await page.getByText('The connection is lost').first().waitFor({ timeout: 20_000 })
    await ui.world.server.start()
    expect((await ui.world.untilFinished(id)).result).toBe('success')
    await page.getByText('line 399', { exact: true }).waitFor({ timeout: 90_000 })
    await page.getByText('400 lines ·').waitFor()
    await page.getByRole('button', { name: 'End' }).waitFor()
    await page.getByLabel('Search the log').fill('line 1')
    await page.getByText('1 of 111').waitFor()
    await page.locator('.log-line a', { hasText: /^2$/ }).first().click()
    await expect.poll(() => page.url()).toMatch(/#L2$/)
    await page.reload()
    await page.locator('.log-line[data-chosen]').getByText('line 1', { exact: true }).waitFor()
  })
})

test('an approval, given by one of two: the other is told that somebody was faster', { timeout: 60_000 }, async () => {
  const { id, number } = await ui.world.createRun(ui.projectId, {
    build: { run: 'true' },
    deploy: { run: 'echo deployed', approval: true, depends: ['build'] },
  })
  await ui.withPage(async (page) => {
    await page.getByText('Waits for approval').first().waitFor({ timeout: 20_000 })
    await page.goto(`/projects/user.ann.web/runs/${number}?view=tasks`)
    await page.getByRole('button', { name: 'Approve' }).first().click()
    const dialog = page.getByRole('alertdialog', { name: 'Approve deploy?' })
    await dialog.waitFor()
    const { tasks } = await ui.world.client.call('getRun', { params: { runId: id } })
    await ui.world.client.call('approveTask', {
      params: { runId: id, taskId: tasks.find(({ name }) => name === 'deploy')!.id },
    })
    await dialog.getByRole('button', { name: 'Approve' }).click()
    await dialog.getByText('Somebody else was faster').waitFor()
    await dialog.getByRole('button', { name: 'Keep as it is' }).click()
    await page.getByText('Succeeded').first().waitFor({ timeout: 20_000 })
  })
})

test('a run is stopped after one was told what that does, and restarted', { timeout: 180_000 }, async () => {
  const { id, number } = await ui.world.createRun(ui.projectId, {
    first: { run: 'true' },
    endless: { run: 'sleep 60', depends: ['first'] },
    never: { run: 'true', depends: ['endless'] },
  })
  await ui.world.untilPhase(id, 'running')
  await ui.withPage(async (page) => {
    await page.goto(`/projects/user.ann.web/runs/${number}`)
    await page.getByRole('link', { name: /^endless .*Running/ }).waitFor({ timeout: 20_000 })
    await page.getByRole('button', { name: 'Stop' }).click()
    await page
      .getByText('1 task running now is asked to end and killed if it does not; 1 task will not begin.')
      .waitFor()
    await page.getByRole('button', { name: 'Stop the run' }).click()
    await page.locator('.run-facts').getByText('Stopped').waitFor({ timeout: 20_000 })
    await page.getByRole('button', { name: 'Restart' }).click()
    await page
      .getByRole('menuitem', { name: /What did not succeed/ })
      .getByText('2 tasks again; 1 task kept')
      .click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Restart' }).click()
    await expectHeading(page, `#${number + 1} ci`)
    await page.getByText('attempt 2 of 2').waitFor()
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.getByRole('button', { name: 'Stop the run' }).click()
    await page.locator('.run-facts').getByText('Stopped').waitFor({ timeout: 20_000 })
  })
})

test('when the session ends one logs in where one is, and what was typed is still there', {
  timeout: 90_000,
}, async () => {
  await ui.withPage(async (page) => {
    await page.goto('/new-project')
    await page.getByLabel('Name').fill('typed')
    await page.context().clearCookies()
    await page.getByLabel('Repository').fill(ui.world.git.url)
    await page.getByRole('button', { name: 'Make the project' }).click()
    const dialog = page.getByRole('dialog', { name: 'Your session has ended' })
    await dialog.getByLabel('Name').fill('ann')
    await dialog.getByLabel('Password').fill(password)
    await dialog.getByRole('button', { name: 'Log in' }).click()
    await dialog.waitFor({ state: 'detached' })
    expect(await page.getByLabel('Name').inputValue()).toBe('typed')
    await page.getByRole('button', { name: 'Make the project' }).click()
    await expectHeading(page, 'typed')
  })
})

test('everything is reached by keys: the palette finds projects, runs and actions', { timeout: 90_000 }, async () => {
  await ui.withPage(async (page) => {
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox').fill('web 1')
    await page.getByRole('option', { name: /user\/ann\/web 1/ }).waitFor()
    await page.keyboard.press('Enter')
    await expectHeading(page, '#1 ci')
    await page.keyboard.press('Control+k')
    await page.keyboard.type('theme dark')
    await page.keyboard.press('Enter')
    expect(await page.locator('html').getAttribute('data-theme')).toBe('dark')
    await page.keyboard.press('Control+k')
    await page.keyboard.type('queue')
    await page.keyboard.press('Enter')
    await page.getByText('Nothing waits').waitFor()
  })
})

test('secrets go in and never come out; a variable takes its value from one', { timeout: 90_000 }, async () => {
  await ui.withPage(async (page) => {
    await page.goto('/projects/user.ann.web/settings/secrets')
    await page.getByRole('button', { name: 'New secret' }).click()
    const secret = page.getByRole('dialog', { name: 'New secret' })
    await secret.getByLabel('Name').fill('registry')
    await secret.getByLabel('Key', { exact: true }).fill('password')
    await secret.getByLabel('Value').fill('hunter2hunter2')
    await secret.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('cell', { name: 'registry', exact: true }).waitFor()
    expect(await page.content()).not.toContain('hunter2')
    await page.getByRole('navigation', { name: 'Project' }).getByRole('link', { name: 'Variables' }).click()
    await page.getByRole('button', { name: 'New variable' }).click()
    const variable = page.getByRole('dialog', { name: 'New variable' })
    await variable.getByLabel('Name', { exact: true }).fill('registry-password')
    await variable.getByLabel('Is', { exact: true }).selectOption('secret')
    await variable.getByLabel('Secret', { exact: true }).fill('registry')
    await variable.getByLabel('Key', { exact: true }).fill('password')
    await variable.getByLabel('When', { exact: true }).fill('sometimes')
    await variable.getByRole('button', { name: 'Save' }).click()
    await variable.getByText('expected “branch NAME”').waitFor()
    await variable.getByLabel('When', { exact: true }).fill('branch main')
    await variable.getByRole('button', { name: 'Save' }).click()
    await page
      .getByRole('row', { name: /registry-password/ })
      .getByText('branch main')
      .waitFor()
    await page.getByRole('button', { name: 'Remove registry-password' }).click()
    await page.getByRole('button', { name: 'Remove it' }).click()
    await page.getByText('No variables here or above').waitFor()
  })
})
