// Each kind of dialog and menu, open, in light and dark, on a desk and on a phone: nothing that axe finds, and all of it in the window.

import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { axe } from './axe.ts'
import type { Look } from './browser.ts'
import { openUi } from './ui-world.ts'

let waiting: number
let failed: number

const ui = openUi(async ({ world, projectId }) => {
  await world.client.call('createToken', { params: { userRef: 'ann' }, body: { name: 'laptop', scope: 'read' } })
  const bad = await world.createRun(projectId, { build: { run: 'exit 1' } }, { branch: 'topic' })
  const run = await world.createRun(projectId, { deploy: { run: 'true', approval: true } })
  await world.untilPhase(run.id, 'running')
  await world.untilFinished(bad.id)
  failed = bad.number
  waiting = run.number
})

type Opened = {
  readonly path: () => string
  readonly open: (page: Page) => Promise<void>
  readonly role?: 'dialog' | 'alertdialog' | 'menu'
}

const press = (name: string | RegExp) => async (page: Page) =>
  await page
    .getByRole('button', { name, exact: typeof name === 'string' })
    .first()
    .click()

const run = (number: number, view = 'tasks') => `/projects/user.ann.web/runs/${number}?view=${view}`
const project = (section: string) => () => `/projects/user.ann.web/settings/${section}`

const opened: Readonly<Record<string, Opened>> = {
  'remove a project': { path: project('general'), open: press('Remove the project') },
  'new secret': { path: project('secrets'), open: press('New secret'), role: 'dialog' },
  'new variable': { path: project('variables'), open: press('New variable'), role: 'dialog' },
  'stop a run': { path: () => run(waiting), open: press('Stop') },
  'restart a run': { path: () => run(failed), open: press('Restart'), role: 'menu' },
  'revoke a token': { path: () => '/account/tokens', open: press('Revoke laptop') },
  'new remote source': { path: () => '/admin/sources', open: press('New remote source'), role: 'dialog' },
  'new organization': { path: () => '/organizations', open: press('New organization'), role: 'dialog' },
  'menu of a user': { path: () => '/organizations', open: press(/^Menu of/), role: 'menu' },
  palette: { path: () => '/organizations', open: press(/Go to/), role: 'dialog' },
}

test.each([
  { theme: 'light', size: 'desktop' },
  { theme: 'dark', size: 'phone' },
] satisfies Look[])('dialogs in $theme on a $size', { timeout: 180_000 }, async (look) => {
  await ui.withPage(async (page) => {
    const found: Record<string, readonly string[]> = {}
    for (const [name, { path, open, role = 'alertdialog' }] of Object.entries(opened)) {
      await page.goto(path())
      await open(page)
      const dialog = page.getByRole(role)
      await dialog.waitFor()
      // Around a menu stand guards that hand the focus on; they are hidden and focusable, which axe takes for a mistake.
      const problems = await axe(page, role === 'menu' ? '.menu' : 'html')
      if (problems.length > 0) found[name] = problems
      const [box, window] = [(await dialog.boundingBox())!, page.viewportSize()!]
      expect(box.x, `${name} begins in the window`).toBeGreaterThanOrEqual(0)
      expect(box.x + box.width, `${name} ends in the window`).toBeLessThanOrEqual(window.width)
      expect(box.y + box.height, `${name} ends in the window`).toBeLessThanOrEqual(window.height)
      await page.keyboard.press('Escape')
      await dialog.waitFor({ state: 'detached' })
    }
    expect(found).toEqual({})
  }, look)
})
