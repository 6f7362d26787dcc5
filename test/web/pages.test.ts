// Every page, in light and dark, on a desk and on a phone: nothing that axe finds, nothing the browser complains of, nothing that
// leaves the installation; and how much and how long it takes.

import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { axe } from './axe.ts'
import { expectHeading, type Look, logIn, openPage } from './browser.ts'
import { openUi, type TestTask } from './ui-world.ts'

/** With SLIPWAY_SCREENSHOTS pictures of the main pages are written to docs/. */
const picturesDirectory = resolve(import.meta.dirname, '../../docs/screenshots')
const firstLoadBytesMax = 200 * 1024

let numbers: { success: number; failed: number; live: number; wide: number; long: number }

const ui = openUi(async ({ world, projectId: web }) => {
  await world.client.call('createOrganization', { body: { name: 'acme', visibility: 'public' } })
  const api = await world.createProject('api', 'org/acme')
  const graph: Record<string, TestTask> = {
    build: { run: 'echo built' },
    lint: { run: 'echo "0 problems"' },
    unit: { run: 'echo "212 passed"', depends: ['build'] },
    browser: {
      run: 'printf "\\033[1;32m✓\\033[0m logs in\\n\\033[1;31m✗\\033[0m pays\\n\\nerror: expected 200, got 500\\n  at pay.spec.ts:41\\n"; exit 1',
      depends: ['build'],
    },
    package: { run: 'true', depends: ['unit', 'lint'] },
    deploy: { run: 'true', depends: ['package', 'browser'] },
  }
  const { browser: _, ...good } = graph
  const success = await world.createRun(
    web,
    { ...good, deploy: { run: 'true', depends: ['package'] } },
    { message: 'Pay with one click' },
  )
  const failed = await world.createRun(web, graph, { message: 'Round prices up' })
  await world.createRun(api, { test: { run: 'true' } }, { message: 'Answer faster' })
  const wide = await world.createRun(web, wideGraph(), { branch: 'matrix', message: 'Try everything' })
  const long = await world.createRun(
    web,
    { noise: { run: 'seq -f "%.0f: a line of a long log, with some words in it" 100000' } },
    { branch: 'noise', message: 'Say much' },
  )
  const live = await world.createRun(
    web,
    { ...good, deploy: { run: 'true', approval: true, depends: ['package'] } },
    { branch: 'release', message: 'Release 2.4' },
  )
  for (const run of [success, failed, long]) await world.untilFinished(run.id)
  numbers = { success: success.number, failed: failed.number, live: live.number, wide: wide.number, long: long.number }
})

/** 200 tasks in four levels; those of the later ones wait for an approval that never comes. */
function wideGraph(): Record<string, TestTask> {
  const names = Array.from({ length: 99 }, (_, index) => String(index))
  return {
    prepare: { run: 'true', approval: true },
    ...Object.fromEntries(names.map((name) => [`test-${name}`, { run: 'true', depends: ['prepare'] }])),
    ...Object.fromEntries(names.map((name) => [`report-${name}`, { run: 'true', depends: [`test-${name}`] }])),
    end: { run: 'true', depends: names.map((name) => `report-${name}`) },
  }
}

type Shown = {
  readonly path: () => string
  readonly heading: string | RegExp
  readonly ready: string
  readonly picture?: string
}

const shown: Readonly<Record<string, Shown>> = {
  home: { path: () => '/', heading: 'Home', ready: '.project-card .mark', picture: 'home' },
  projects: { path: () => '/projects', heading: 'Projects', ready: '.tree-row' },
  project: { path: () => '/projects/user.ann.web', heading: 'web', ready: '.run-row', picture: 'project' },
  'run that failed': {
    path: () => `/projects/user.ann.web/runs/${numbers.failed}`,
    heading: /ci/,
    ready: '.excerpt',
    picture: 'run',
  },
  timeline: {
    path: () => `/projects/user.ann.web/runs/${numbers.success}?view=timeline`,
    heading: /ci/,
    ready: '.timeline-row',
    picture: 'timeline',
  },
  tasks: { path: () => `/projects/user.ann.web/runs/${numbers.failed}?view=tasks`, heading: /ci/, ready: '.task-row' },
  changes: {
    path: () => `/projects/user.ann.web/runs/${numbers.failed}?view=changes`,
    heading: /ci/,
    ready: '.diff',
    picture: 'changes',
  },
  definition: {
    path: () => `/projects/user.ann.web/runs/${numbers.failed}?view=definition`,
    heading: /ci/,
    ready: '.source',
  },
  deliveries: { path: () => '/projects/user.ann.web/settings/deliveries', heading: 'web', ready: '.empty' },
  notifications: { path: () => '/projects/user.ann.web/settings/notifications', heading: 'web', ready: '.empty' },
  'linked accounts': { path: () => '/account/accounts', heading: 'ann', ready: '.empty' },
  'remote sources': { path: () => '/admin/sources', heading: 'Administration', ready: '.empty' },
  settings: { path: () => '/projects/user.ann.web/settings/general', heading: 'web', ready: 'form' },
  secrets: { path: () => '/projects/user.ann.web/settings/secrets', heading: 'web', ready: '.empty' },
  variables: { path: () => '/groups/org.acme/settings/variables', heading: 'acme', ready: '.empty' },
  'new project': { path: () => '/new-project', heading: 'New project', ready: 'form' },
  tokens: { path: () => '/account/tokens', heading: 'ann', ready: 'table' },
  organization: { path: () => '/organizations/acme', heading: 'acme', ready: 'table' },
  executors: { path: () => '/admin/executors', heading: 'Administration', ready: 'table' },
  databases: { path: () => '/admin/databases', heading: 'Administration', ready: 'table' },
  keys: { path: () => '/admin/keys', heading: 'Administration', ready: 'table' },
  queue: { path: () => '/admin/queue', heading: 'Administration', ready: 'table' },
  users: { path: () => '/admin/users', heading: 'Administration', ready: 'table' },
  maintenance: { path: () => '/admin/maintenance', heading: 'Administration', ready: 'table' },
  'nothing there': { path: () => '/nowhere', heading: 'There is nothing here', ready: 'h1' },
}

test.each([
  { theme: 'light', size: 'desktop' },
  { theme: 'dark', size: 'phone' },
  { theme: 'dark', size: 'desktop' },
  { theme: 'light', size: 'phone' },
] satisfies Look[])('pages in $theme on a $size', { timeout: 180_000 }, async (look) => {
  const { page, context, complaints } = await openPage(ui.browser, ui.world.server.url, look)
  const found: Record<string, readonly string[]> = {}
  await logIn(page)
  for (const [name, { path, heading, ready, picture }] of Object.entries(shown)) {
    await page.goto(path())
    await expectHeading(page, heading)
    await page.locator(ready).first().waitFor()
    const problems = await axe(page)
    if (problems.length > 0) found[name] = problems
    expect(
      await page.evaluate<boolean>('document.documentElement.scrollWidth <= innerWidth'),
      `${name} is wider than the window`,
    ).toBe(true)
    if (picture !== undefined) await takePicture(page, `${picture}-${look.theme}-${look.size}`)
  }
  await page.goto(`/projects/user.ann.web/runs/${numbers.failed}?view=tasks`)
  await page.locator('.task-row').getByRole('link', { name: 'browser' }).click()
  await page.locator('.log-line').first().waitFor()
  await takePicture(page, `log-${look.theme}-${look.size}`)
  const log = await axe(page)
  if (log.length > 0) found.log = log
  expect(found).toEqual({})
  expect(complaints).toEqual([])
  await context.close()
})

/** The others are tested as well; two show what there is to see. */
const pictured = /-(?:light-desktop|dark-phone)$/

async function takePicture(page: Page, name: string): Promise<void> {
  if (process.env.SLIPWAY_SCREENSHOTS === undefined || !pictured.test(name)) return
  mkdirSync(picturesDirectory, { recursive: true })
  await page.locator('.skeleton').first().waitFor({ state: 'detached' })
  await page.screenshot({ path: join(picturesDirectory, `${name}.png`) })
}

test('the first load takes at most 200 KiB of compressed scripts', { timeout: 120_000 }, async () => {
  const { page, context } = await openPage(ui.browser, ui.world.server.url)
  const sizes: number[] = []
  const names: string[] = []
  const waiting: Promise<void>[] = []
  await logIn(page)
  page.on('response', (response) => {
    if (!response.url().endsWith('.js')) return
    waiting.push(
      response.body().then((body) => {
        sizes.push(gzipSync(body).length)
        names.push(`${new URL(response.url()).pathname} ${gzipSync(body).length}`)
      }),
    )
  })
  await page.goto('/')
  await expectHeading(page, 'Home')
  await page.locator('.project-card .mark').first().waitFor()
  await Promise.all(waiting)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  console.log(`first load: ${(total / 1000).toFixed(1)} kB of scripts, gzipped, in ${sizes.length} files`)
  expect(sizes.length, names.join(', ')).toBeGreaterThan(2)
  expect(total, names.join(', ')).toBeLessThan(firstLoadBytesMax)
  await context.close()
})

test('200 tasks are drawn, all of them in the frame, and zoomed', {
  timeout: 60_000,
}, async () => {
  const { page, context, complaints } = await openPage(ui.browser, ui.world.server.url)
  await logIn(page)
  await page.goto(`/projects/user.ann.web/runs/${numbers.wide}`)
  await page.locator('.node').first().waitFor()
  expect(await page.locator('.node').count()).toBe(200)
  const box = await page.locator('.graph').boundingBox()
  for (const which of ['first', 'last'] as const) {
    const node = await page.locator('.node')[which]().boundingBox()
    expect(node!.x).toBeGreaterThanOrEqual(box!.x)
    expect(node!.x + node!.width).toBeLessThanOrEqual(box!.x + box!.width)
  }
  await page.getByRole('button', { name: 'Zoom in' }).click()
  await page.getByRole('button', { name: 'Fit into view' }).click()
  expect(complaints).toEqual([])
  await context.close()
})

test('on a phone 200 tasks begin as a list, no wider than the window', { timeout: 90_000 }, async () => {
  const { page, context, complaints } = await openPage(ui.browser, ui.world.server.url, { size: 'phone' })
  await logIn(page)
  await page.goto(`/projects/user.ann.web/runs/${numbers.wide}`)
  await page.locator('.task-row').first().waitFor()
  expect(await page.locator('.task-row').count()).toBe(200)
  const isWithin = () => page.evaluate<boolean>('document.documentElement.scrollWidth <= innerWidth')
  expect(await isWithin()).toBe(true)
  await page.getByRole('button', { name: 'Graph' }).click()
  await page.locator('.node').first().waitFor()
  expect(await isWithin()).toBe(true)
  expect(complaints).toEqual([])
  await context.close()
})

test('what runs turns, and nothing moves for who asks the system for less motion', { timeout: 90_000 }, async () => {
  const { id, number } = await ui.world.createRun(ui.projectId, { wait: { run: 'sleep 300' } }, { branch: 'waiting' })
  await ui.withPage(async (page) => {
    const turning = () => page.evaluate<number>("document.querySelector('.run-facts .mark').getAnimations().length")
    await page.goto(`/projects/user.ann.web/runs/${number}`)
    await page.locator('.run-facts .mark[data-state="running"]').waitFor()
    expect(await page.evaluate<number>('document.getAnimations().length')).toBe(0)
    await page.emulateMedia({ reducedMotion: 'no-preference' })
    await expect.poll(turning).toBe(1)
  })
  await ui.world.client.call('stopRun', { params: { runId: id } })
  await ui.world.untilFinished(id)
})

test('on the narrowest of phones the rows of tables are folded: nothing scrolls sideways', {
  timeout: 120_000,
}, async () => {
  await ui.withPage(
    async (page) => {
      await page.setViewportSize({ width: 360, height: 740 })
      for (const name of [
        'tokens',
        'organization',
        'executors',
        'databases',
        'keys',
        'queue',
        'users',
        'maintenance',
      ]) {
        await page.goto(shown[name]!.path())
        await page.locator('table').first().waitFor()
        for (const table of await page.locator('.table-scroll').all())
          expect(
            await table.evaluate((one) => one.scrollWidth <= one.clientWidth),
            `${name}, ${await table.getAttribute('aria-label')}`,
          ).toBe(true)
      }
      await page.goto('/admin/users')
      await page.locator('table').first().waitFor()
      const headOfRole = () =>
        page.evaluate<string>("getComputedStyle(document.querySelector('tbody td:nth-child(2)'), '::before').content")
      expect(await headOfRole()).toBe('"Role"')
      await page.setViewportSize({ width: 1280, height: 800 })
      expect(await headOfRole()).toBe('none')
    },
    { size: 'phone' },
  )
})

test('a log of 100,000 lines: its first screen, its end, a search', { timeout: 90_000 }, async () => {
  const { page, context, complaints } = await openPage(ui.browser, ui.world.server.url)
  await logIn(page)
  await page.goto(`/projects/user.ann.web/runs/${numbers.long}?view=tasks`)
  await page.locator('.task-row').getByRole('link', { name: 'noise' }).click()
  await page.getByText('100,000 lines ·').waitFor()
  await page.locator('.log-line').getByText('100000: a line', { exact: false }).waitFor()
  expect(await page.locator('.log-line').count()).toBeLessThan(200)
  await page.getByLabel('Search the log').fill('77777: a')
  await page.getByText('1 of 1', { exact: true }).waitFor()
  await page.locator('.log-line[data-current]').getByText('77777: a line').waitFor()
  expect(complaints).toEqual([])
  await context.close()
})
