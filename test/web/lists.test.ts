// What lists show: projects as a tree with how each stands, and of the runs of a project those one asks for.

import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { definition } from '../cli/command.ts'
import { password } from '../server/test-server.ts'
import { testRepository } from '../support/git-repository.ts'
import { axe } from './axe.ts'
import { expectHeading, openPage } from './browser.ts'
import { openUi } from './ui-world.ts'

const good = { build: { run: 'true' } } as const
const bad = { build: { run: 'exit 1' } } as const
/** Never ends by itself, and takes no slot of an executor. */
const waiting = { build: { run: 'true', approval: true } } as const

const ui = openUi(async ({ world }) => {
  await world.client.call('createUser', { body: { name: 'bob', password } })
  await world.client.call('createProjectGroup', {
    body: { name: 'tools', parentRef: 'user/ann', visibility: 'public' },
  })
})

const runRow = (page: Page, number: number) =>
  page.locator('.run-row').filter({ hasText: new RegExp(`#${number}(?!\\d)`) })

test('the tree of projects opens group by group and shows how each project stands, now and after the next run', {
  timeout: 90_000,
}, async () => {
  const { world } = ui
  const linter = await world.createProject('linter', 'user/ann/tools')
  await world.createProject('idle', 'user/ann/tools')
  await world.untilFinished((await world.createRun(linter, bad)).id)
  await ui.withPage(async (page) => {
    await page.goto('/projects')
    await page.getByRole('button', { name: 'What is in tools' }).click()
    const row = page.locator('.tree-row').filter({ hasText: 'linter' })
    await row.filter({ has: page.getByLabel('Failed') }).waitFor()
    await page.locator('.tree-row').filter({ hasText: 'idle' }).getByText('No runs yet').waitFor()
    expect(await axe(page)).toEqual([])
    await world.untilFinished((await world.createRun(linter, good)).id)
    await row.filter({ has: page.getByLabel('Succeeded') }).waitFor()
    await page.getByLabel('Search').fill('lint')
    await row.getByRole('link', { name: '#2 succeeded' }).click()
    await expectHeading(page, '#2 ci')
    await page.goto('/projects')
    await page.getByRole('button', { name: 'What is in tools' }).click()
    await row.waitFor()
    await page.getByRole('button', { name: 'What is in tools' }).click()
    await row.waitFor({ state: 'detached' })
  })
  await ui.withPage(
    async (page) => {
      await page.goto('/groups/user.ann.tools')
      await page
        .locator('.tree-row')
        .filter({ hasText: 'linter' })
        .getByRole('link', { name: '#2 succeeded' })
        .waitFor()
      await page.goto('/groups/user.ann')
      await page.getByRole('link', { name: 'Direct runs' }).click()
      await expectHeading(page, 'Direct runs of ann')
    },
    { username: 'bob' },
  )
})

test('runs are found by branch, tag and pull request, by state, by text and by all of them together, live', {
  timeout: 90_000,
}, async () => {
  const { world } = ui
  const project = await world.createProject('shop')
  const main = await world.createRun(project, good, { message: 'Round prices up' })
  const topic = await world.createRun(project, bad, { branch: 'topic', message: 'Round prices down' })
  const tag = await world.createRun(project, good, { tag: 'v1.0', message: 'Release 1.0' })
  const pull = await world.createRun(project, good, { pullRequest: '7', message: 'Pay with one click' })
  for (const { id } of [main, topic, tag, pull]) await world.untilFinished(id)
  await ui.withPage(async (page) => {
    const shown = async (...runs: readonly { readonly number: number }[]) => {
      for (const { number } of runs) await runRow(page, number).waitFor()
      await expect.poll(() => page.locator('.run-row').count()).toBe(runs.length)
    }
    await page.goto('/projects/user.ann.shop')
    await shown(pull, tag, topic, main)

    const kind = page.getByLabel('Of', { exact: true })
    await kind.selectOption('Branch')
    await shown(topic, main)
    await page.getByLabel('Name', { exact: true }).fill('topic')
    await shown(topic)
    await page.getByRole('button', { name: 'Clear' }).click()
    await kind.selectOption('Pull request')
    await shown(pull)
    await page.getByLabel('Number').fill('8')
    await page.getByText('No run is like that').waitFor()
    await page.getByLabel('Number').fill('7')
    await shown(pull)
    await page.getByRole('button', { name: 'Clear' }).click()
    await kind.selectOption('Tag')
    await shown(tag)
    await page.getByLabel('Name', { exact: true }).fill('v2.0')
    await page.getByText('No run is like that').waitFor()
    const next = await world.createRun(project, good, { tag: 'v2.0', message: 'Release 2.0' })
    await shown(next)
    await page.getByLabel('Name', { exact: true }).fill('')
    await shown(next, tag)
    const last = await world.createRun(project, good, { message: 'Not a release' })
    await world.untilFinished(last.id)
    const newest = await world.createRun(project, good, { tag: 'v3.0', message: 'Release 3.0' })
    await shown(newest, next, tag)

    await page.goto('/projects/user.ann.shop?state=failed&text=prices')
    await shown(topic)
    expect(await page.getByLabel('State').inputValue()).toBe('failed')
    await page.getByLabel('State').selectOption('Succeeded')
    await shown(main)
    await kind.selectOption('Tag')
    await page.getByText('No run is like that').waitFor()
    await page.getByLabel('Text').fill('release')
    await runRow(page, tag.number).waitFor()
    expect(await axe(page)).toEqual([])
  })
})

test('a run that waits for the one before it is cancelled, which stops nothing', { timeout: 90_000 }, async () => {
  const { world } = ui
  const project = await world.createProject('turns')
  const first = await world.createRun(project, waiting)
  await world.untilPhase(first.id, 'running')
  const second = await world.createRun(project, good)
  await ui.withPage(async (page) => {
    await page.goto('/projects/user.ann.turns')
    await runRow(page, second.number)
      .filter({ has: page.getByLabel('Queued') })
      .getByRole('link', { name: 'ci' })
      .click()
    await expectHeading(page, `#${second.number} ci`)
    const cancel = page.getByRole('button', { name: 'Cancel', exact: true })
    await cancel.waitFor()
    expect(await page.getByRole('button', { name: 'Stop', exact: true }).count()).toBe(0)
    await cancel.click()
    const dialog = page.getByRole('alertdialog', { name: `Cancel run #${second.number}?` })
    expect(await axe(page)).toEqual([])
    await dialog.getByRole('button', { name: 'Keep as it is' }).click()
    await dialog.waitFor({ state: 'detached' })
    await cancel.click()
    await dialog.getByRole('button', { name: 'Cancel the run' }).click()
    await page.locator('.run-facts').getByText('Cancelled').waitFor()
    await cancel.waitFor({ state: 'detached' })

    await page.goto('/projects/user.ann.turns')
    await page.getByLabel('State').selectOption('Cancelled')
    await runRow(page, second.number)
      .filter({ has: page.getByLabel('Cancelled') })
      .waitFor()
    await expect.poll(() => page.locator('.run-row').count()).toBe(1)
    const phaseOf = async (runId: string) => (await world.client.call('getRun', { params: { runId } })).phase
    expect([await phaseOf(first.id), await phaseOf(second.id)]).toEqual(['running', 'cancelled'])
  })
})

test('who is slower to cancel a run is told that it is', {
  timeout: 90_000,
}, async () => {
  const { world } = ui
  const project = await world.createProject('elsewhere')
  const first = await world.createRun(project, waiting)
  const second = await world.createRun(project, good)
  await ui.withPage(async (page) => {
    await page.goto(`/projects/user.ann.elsewhere/runs/${second.number}`)
    await page.getByRole('button', { name: 'Cancel', exact: true }).click()
    const dialog = page.getByRole('alertdialog', { name: `Cancel run #${second.number}?` })
    await dialog.waitFor()
    await world.client.call('cancelRun', { params: { runId: second.id } })
    await dialog.getByRole('button', { name: 'Cancel the run' }).click()
    await dialog.getByText('Somebody else was faster').waitFor()
    await dialog.getByRole('button', { name: 'Keep as it is' }).click()
    await page.locator('.run-facts').getByText('Cancelled').waitFor()
  })
  await world.client.call('stopRun', { params: { runId: first.id } })
})

test('the runs of a public project are for those who are logged in, a run of it for everybody', {
  timeout: 60_000,
}, async () => {
  const { number } = await ui.world.createRun(ui.projectId, good)
  const { page, context } = await openPage(ui.browser, ui.world.server.url)
  await page.goto(`/projects/user.ann.web/runs/${number}`)
  await expectHeading(page, `#${number} ci`)
  await page.goto('/projects/user.ann.web')
  await expectHeading(page, 'Log in')
  await context.close()
})

test('a direct run stands with its user, with its task and its log', { timeout: 90_000 }, async () => {
  using repository = testRepository({
    '.slipway/config.json': definition({ show: { steps: [{ clone: {} }, { run: 'cat uncommitted' }] } }),
  })
  repository.commit('first')
  repository.write({ uncommitted: 'what nobody has pushed\n' })
  const { status } = await ui.world.server.slipway(['directrun', 'start'], { cwd: repository.dir })
  expect(status).toBe(0)
  await ui.withPage(async (page) => {
    await page.goto('/users/ann/runs')
    await expectHeading(page, 'Direct runs of ann')
    await runRow(page, 1).getByRole('link').first().click()
    await expectHeading(page, '#1 ci')
    await page.getByRole('link', { name: /^show / }).click()
    await page.locator('.log-line').getByText('what nobody has pushed').waitFor()
    expect(await axe(page)).toEqual([])
  })
})

test('a long list of runs goes on to its oldest when one goes to its end', { timeout: 120_000 }, async () => {
  const { world } = ui
  const project = await world.createProject('old')
  const count = 60
  for (let number = 1; number <= count; number++) await world.createRun(project, waiting, { branch: `b${number}` })
  await ui.withPage(async (page) => {
    await page.goto('/projects/user.ann.old')
    await runRow(page, count).waitFor()
    expect(await runRow(page, 1).count()).toBe(0)
    await expect
      .poll(async () => {
        await page.mouse.wheel(0, 4000)
        return await runRow(page, 1).count()
      })
      .toBeGreaterThan(0)
  })
})
