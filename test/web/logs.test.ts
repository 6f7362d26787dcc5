// Logs as people read them: long ones, parts of them, what broke in them.

import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { password } from '../server/test-server.ts'
import { openUi } from './ui-world.ts'

const paths = new Map<string, string>()

/** More than browsers scroll as it is; errors, groups and colours are in it. */
const scripts = {
  long: 'seq -f "%.0f: a line of a very long log" 500000; echo "error: only here"; seq -f "%.0f: the rest" 100000',
  parts: [
    'echo before',
    'echo "::group::Install packages"; seq -f "package %.0f" 40; echo "::endgroup::"',
    'echo between',
    'echo "##[group]Test"; echo "fatal: no such test"; echo "##[endgroup]"',
    'printf "\\033[31mred\\nstill red\\033[0m\\n10%%\\r50%%\\r100%%\\n"',
  ].join('; '),
  large: [
    'seq -f "%.0f: a line of quite a long log" 400000',
    'echo "::group::At last"; seq -f "late %.0f" 20; echo "::endgroup::"',
  ].join('; '),
  nested: [
    'echo "::group::Build"; echo compiling',
    'echo "::group::Link"; seq -f "object %.0f" 30; echo "::endgroup::"',
    'echo built; echo "::endgroup::"; echo after',
  ].join('; '),
  shell: 'set -x; echo one; echo two',
} as const

const ui = openUi(async (ui) => {
  const tasks = Object.fromEntries(Object.entries(scripts).map(([name, run]) => [name, { run }]))
  const { id, number } = await ui.world.createRun(ui.projectId, tasks)
  const run = await ui.world.untilFinished(id)
  expect(run.result).toBe('success')
  for (const task of run.tasks) paths.set(task.name, `/projects/user.ann.web/runs/${number}/tasks/${task.id}?step=0`)
})

async function withLog(name: keyof typeof scripts, act: (page: Page) => Promise<void>, place = ''): Promise<void> {
  await ui.withPage(async (page) => {
    await page.goto(`${paths.get(name)}${place}`)
    await page.locator('.log-line').first().waitFor()
    await act(page)
  })
}

const inSight = (page: Page, text: string) => page.locator('.log-line').getByText(text, { exact: true })

test('a log of 600,001 lines opens at its end, and goes to its beginning, its middle and its only error', {
  timeout: 60_000,
}, async () => {
  await withLog('long', async (page) => {
    await inSight(page, '100000: the rest').waitFor()
    await page.getByText('600,001 lines ·').waitFor()
    await page.evaluate('document.querySelector(".log-scroll").scrollTop = 0')
    await inSight(page, '1: a line of a very long log').waitFor()
    await page.evaluate(
      '(() => { const e = document.querySelector(".log-scroll"); e.scrollTop = e.scrollHeight / 2 })()',
    )
    await page
      .locator('.log-line')
      .getByText(/^(299|300|301)\d{3}: a line of a very long log$/)
      .first()
      .waitFor()
    await page.getByRole('button', { name: 'First error' }).click()
    await page.locator('.log-line[data-current]').getByText('error: only here').waitFor()
    await page.getByRole('button', { name: 'End' }).click()
    await inSight(page, '100000: the rest').waitFor()
    expect(await page.locator('.log-line').count()).toBeLessThan(200)
  })
})

test('in a very long log the wheel moves by lines', { timeout: 60_000 }, async () => {
  await withLog(
    'long',
    async (page) => {
      await inSight(page, '250000: a line of a very long log').waitFor()
      await page.locator('.log-scroll').hover()
      const first = () =>
        page.evaluate<number>(`(() => {
          const frame = document.querySelector('.log-scroll').getBoundingClientRect()
          const lines = [...document.querySelectorAll('.log-line')]
          const shown = lines.find((line) => line.getBoundingClientRect().top >= frame.top)
          return Number(shown.querySelector('a').textContent)
        })()`)
      const bar = () => page.evaluate<number>('document.querySelector(".log-scroll").scrollTop')
      const before = await first()
      const barBefore = await bar()
      await page.mouse.wheel(0, 200)
      await expect.poll(first).toBe(before + 10)
      // It goes by parts of the log: when it has settled it has moved by less than the lines have.
      await expect.poll(async () => (await bar()) - barBefore).toBeLessThan(199)
      await expect.poll(first).toBe(before + 10)
      await page.mouse.wheel(0, -400)
      await expect.poll(first).toBe(before - 10)
    },
    '#L250000',
  )
})

test('a search finds all there is and steps through it', { timeout: 60_000 }, async () => {
  await withLog('long', async (page) => {
    await page.locator('.log-scroll').press('/')
    await page.keyboard.type('12345: A LINE')
    await page.getByText('1 of 5', { exact: true }).waitFor()
    await page.locator('.log-line[data-current]').getByText('12345: a line of').waitFor()
    await page.keyboard.press('Enter')
    await page.locator('.log-line[data-current] a').getByText('112345').waitFor()
    await page.keyboard.press('Shift+Enter')
    await page.keyboard.press('Shift+Enter')
    await page.getByText('5 of 5', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Match case' }).click()
    await page.getByText('not found').waitFor()
    await page.keyboard.press('Escape')
  })
})

test('lines are chosen as a link, which leads there', { timeout: 60_000 }, async () => {
  await withLog('long', async (page) => {
    await page.locator('.log-line a', { hasText: /^599990$/ }).click()
    await expect.poll(() => page.url()).toMatch(/step=0#L599990$/)
    await page.locator('.log-line a', { hasText: /^599995$/ }).click({ modifiers: ['Shift'] })
    await expect.poll(() => page.url()).toMatch(/#L599990-L599995$/)
    expect(await page.locator('.log-line[data-chosen]').count()).toBe(6)
    await page.reload()
    await page.getByText('Lines 599990 to 599995, 6 of them').waitFor()
    await page.locator('.log-line[data-chosen]').getByText('99990: the rest').waitFor()
    expect(await page.locator('.log-line[data-chosen]').count()).toBe(6)
    await page.getByRole('button', { name: 'Clear' }).click()
    await expect.poll(() => page.url()).not.toContain('#L')
  })
})

test('groups begin folded, are opened by hand, and by what leads into them', { timeout: 60_000 }, async () => {
  await withLog('parts', async (page) => {
    await inSight(page, 'Install packages').waitFor()
    await inSight(page, 'between').waitFor()
    await expect.poll(() => inSight(page, 'package 3').count()).toBe(0)
    await page.getByRole('button', { name: 'Unfold 41 lines' }).click()
    await inSight(page, 'package 3').waitFor()
    await page.getByRole('button', { name: 'Fold 41 lines' }).click()
    await inSight(page, 'package 3').waitFor({ state: 'detached' })
    await page.getByLabel('Search the log').fill('package 17')
    await page.locator('.log-line[data-current]').getByText('package 17').waitFor()
    await page.getByRole('button', { name: 'First error' }).click()
    await inSight(page, 'fatal: no such test').waitFor()
  })
})

test('groups are inside of others, and folded with them', { timeout: 60_000 }, async () => {
  await ui.withPage(async (page) => {
    await page.goto(paths.get('nested')!)
    await inSight(page, 'after').waitFor()
    await page.getByRole('button', { name: 'Unfold 35 lines' }).click()
    await inSight(page, 'built').waitFor()
    expect(await inSight(page, 'object 7').count()).toBe(0)
    await page.getByRole('button', { name: 'Unfold 31 lines' }).click()
    await inSight(page, 'object 7').waitFor()
    await page.getByRole('button', { name: 'Fold 35 lines' }).click()
    await inSight(page, 'object 7').waitFor({ state: 'detached' })
    await page.getByLabel('Search the log').fill('object 12')
    await page.locator('.log-line[data-current]').getByText('object 12').waitFor()
  })
})

test('parts of a log far larger than a page are found wherever they are', { timeout: 120_000 }, async () => {
  await withLog('large', async (page) => {
    await page.getByRole('button', { name: 'Unfold 21 lines' }).click()
    await inSight(page, 'late 7').waitFor()
  })
})

test('colours last over lines, progress shows its last state, and times are shown as one likes', {
  timeout: 60_000,
}, async () => {
  await withLog('parts', async (page) => {
    expect(await inSight(page, 'still red').getAttribute('class')).toBe('c1')
    await inSight(page, '100%').waitFor()
    await page.getByRole('button', { name: 'Times' }).click()
    await page
      .locator('.log-time')
      .getByText(/^0:\d\d\.\d$/)
      .first()
      .waitFor()
    await page.getByRole('button', { name: 'Times: elapsed' }).click()
    await page
      .locator('.log-time')
      .getByText(/^\d\d:\d\d:\d\d$/)
      .first()
      .waitFor()
    await page.reload()
    await page.locator('.log-time').first().waitFor()
  })
})

test('commands that the shell tells can be folded, and begin open', { timeout: 60_000 }, async () => {
  await withLog('shell', async (page) => {
    await inSight(page, 'one').waitFor()
    await page.getByRole('button', { name: 'Fold 1 line' }).first().click()
    await inSight(page, 'one').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Fold all' }).click()
    await inSight(page, 'two').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Unfold all' }).click()
    await inSight(page, 'two').waitFor()
  })
})

test('a log is downloaded as the step printed it', { timeout: 60_000 }, async () => {
  await withLog('parts', async (page) => {
    const begun = page.waitForEvent('download')
    await page.getByRole('link', { name: 'Download' }).click()
    // Steps have a terminal, which ends lines so.
    const text = readFileSync(await (await begun).path(), 'utf8').replaceAll('\r\n', '\n')
    expect(text).toContain('before\n::group::Install packages\npackage 1\n')
    expect(text).toContain('\u001b[31mred\nstill red\u001b[0m\n10%\r50%\r100%\n')
  })
})

test('a log is removed by an owner, who is asked first; those of other steps stay', { timeout: 90_000 }, async () => {
  const secret = [
    { type: 'run', name: 'leak', command: 'echo not for everybody' },
    { type: 'run', name: 'rest', command: 'echo for everybody' },
  ]
  const { id, number } = await ui.world.createRun(ui.projectId, { build: { steps: secret } })
  const { tasks } = await ui.world.untilFinished(id)
  const path = `/projects/user.ann.web/runs/${number}/tasks/${tasks[0]!.id}`
  await ui.withPage(async (page) => {
    await page.goto(`${path}?step=0`)
    await inSight(page, 'not for everybody').waitFor()
    await page.getByRole('button', { name: 'Remove this log' }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Remove it' }).click()
    await page.getByText('The log was removed.').waitFor()
    await page.reload()
    await page.getByText('its log was removed').waitFor()
    await page.getByRole('navigation', { name: 'Steps' }).getByRole('link', { name: 'rest' }).click()
    await inSight(page, 'for everybody').waitFor()
  })
  await ui.world.client.call('createUser', { body: { name: 'bob', password, isAdmin: false } })
  await ui.withPage(
    async (page) => {
      await page.goto(`${path}?step=1`)
      await inSight(page, 'for everybody').waitFor()
      expect(await page.getByRole('button', { name: 'Remove this log' }).count()).toBe(0)
    },
    { username: 'bob' },
  )
})
