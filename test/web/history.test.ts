// What a run is compared with, what it was made of, and why one could not be set up.

import { expect, test } from 'vitest'
import { GitServer } from '../server/test-server.ts'
import { expectHeading, logIn, openPage } from './browser.ts'
import { openUi } from './ui-world.ts'

const ui = openUi()

test('a run is compared with the last good one, and its attempts lead to each other', { timeout: 90_000 }, async () => {
  const good = await ui.world.createRun(ui.projectId, { build: { run: 'true' }, lint: { run: 'true' } })
  await ui.world.untilFinished(good.id)
  const bad = await ui.world.createRun(ui.projectId, { build: { run: 'echo other; exit 1' }, test: { run: 'true' } })
  await ui.world.untilFinished(bad.id)
  const again = await ui.world.client.call('restartRun', { params: { runId: bad.id }, body: { fromStart: true } })
  await ui.world.untilFinished(again.id)
  const { page, context, complaints } = await openPage(ui.browser, ui.world.server.url)
  await logIn(page)
  await page.goto(`/projects/user.ann.web/runs/${bad.number}`)
  await page.getByText('attempt 1 of 2').waitFor()
  await page.getByRole('button', { name: 'Changes' }).click()
  await page.getByRole('heading', { name: 'Since the last success' }).waitFor()
  await page.getByRole('link', { name: `#${good.number} ci` }).waitFor()
  await page.getByText('the same commit').waitFor()
  await page.locator('.diff-line[data-kind="added"]').getByText('exit 1').waitFor()
  await page.getByRole('row', { name: /^build its definition changed/ }).waitFor()
  await page.getByRole('row', { name: /^test new/ }).waitFor()
  await page.getByRole('row', { name: /^lint gone/ }).waitFor()
  await page.getByRole('button', { name: 'Definition' }).click()
  await page.locator('.source').first().getByText('echo other; exit 1').waitFor()
  await page.getByRole('link', { name: /Next attempt/ }).click()
  await expectHeading(page, `#${again.number} ci`)
  await page.getByText('attempt 2 of 2').waitFor()
  await page.getByRole('link', { name: /Previous attempt/ }).waitFor()
  expect(complaints).toEqual([])
  await context.close()
})

test('a run is done again from the start, all of it', { timeout: 90_000 }, async () => {
  const bad = await ui.world.createRun(ui.projectId, { build: { run: 'true' }, test: { run: 'exit 1' } })
  await ui.world.untilFinished(bad.id)
  await ui.withPage(async (page) => {
    await page.goto(`/projects/user.ann.web/runs/${bad.number}`)
    await page.getByRole('button', { name: 'Restart' }).click()
    await page
      .getByRole('menuitem', { name: /From the start/ })
      .getByText('all 2 tasks again')
      .click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Restart' }).click()
    await expectHeading(page, `#${bad.number + 1} ci`)
    await page.getByText('attempt 2 of 2').waitFor()
    await page.locator('.run-facts').getByText('Failed').waitFor()
  })
  const { items } = await ui.world.client.call('listProjectRuns', {
    params: { projectRef: ui.projectId },
    query: { limit: 1 },
  })
  const again = await ui.world.client.call('getRun', { params: { runId: items[0]!.id } })
  expect(again.tasks.map(({ name, status }) => [name, status]).toSorted()).toEqual([
    ['build', 'success'],
    ['test', 'failed'],
  ])
})

test('setup errors stand beside the text of the definition, at their lines', { timeout: 90_000 }, async () => {
  const config =
    'runs:\n  - name: ci\n    tasks:\n      - name: build\n        runtime: { containers: [{ image: busybox }] }\n        steps:\n          - run: 5\n'
  await using git = await GitServer.start({ '.slipway/config.yml': config })
  const source = { kind: 'git', url: git.url, auth: 'none', pollIntervalMs: 0 } as const
  const { id } = await ui.world.client.call('createProject', {
    body: { name: 'broken', parentRef: 'user/ann', source, visibility: 'public' },
  })
  const branch = git.repository.git('rev-parse', '--abbrev-ref', 'HEAD')
  const { runs } = await ui.world.client.call('createProjectRuns', { params: { projectRef: id }, body: { branch } })
  const { page, context, complaints } = await openPage(ui.browser, ui.world.server.url)
  await logIn(page)
  await page.goto(`/projects/user.ann.broken/runs/${runs[0]!.number}`)
  await page.getByRole('heading', { name: 'The definition has an error' }).waitFor()
  await page.getByRole('heading', { name: '.slipway/config.yml' }).waitFor()
  expect(await page.locator('.source-line[data-marked]').innerText()).toContain('- run: 5')
  await page.locator('.source-problem').first().waitFor()
  expect(complaints).toEqual([])
  await context.close()
})

test('who may not act is offered nothing', { timeout: 60_000 }, async () => {
  const run = await ui.world.createRun(ui.projectId, { wait: { run: 'true', approval: true } })
  const { page, context } = await openPage(ui.browser, ui.world.server.url)
  await page.goto(`/projects/user.ann.web/runs/${run.number}?view=tasks`)
  await page.locator('.task-row').first().waitFor()
  expect(await page.getByRole('button', { name: /Approve|Stop|Restart|Cancel/ }).count()).toBe(0)
  await context.close()
})
