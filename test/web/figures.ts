// How fast the UI is, in a real browser on a real server. `npm run figures:web` measures; other test runs leave it out, for figures of
// a machine that does something else tell nothing.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { until } from '../../src/lib/until-fixture.ts'
import { expectHeading } from './browser.ts'
import { openUi, type TestTask } from './ui-world.ts'

const repeats = 7

const ui = openUi()

function tell(name: string, unit: string, samples: readonly number[]): void {
  const sorted = samples.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
  console.log(`${name}: ${at(0.5).toFixed(1)} ${unit} (p95 ${at(0.95).toFixed(1)}, ${samples.length} samples)`)
}

test('the largest paint of Home', { timeout: 120_000 }, async () => {
  await ui.world.untilFinished((await ui.world.createRun(ui.projectId, { build: { run: 'true' } })).id)
  await ui.withPage(async (page) => {
    const paints: number[] = []
    for (let n = 0; n < repeats; n++) {
      await page.goto('/')
      await expectHeading(page, 'Home')
      await page.locator('.project-card .mark').waitFor()
      paints.push(
        await page.evaluate<number>(`new Promise((resolve) => {
          new PerformanceObserver((list) => resolve(list.getEntries().at(-1).startTime)).observe({
            type: 'largest-contentful-paint', buffered: true })
        })`),
      )
    }
    tell('largest paint of Home', 'ms', paints)
  })
})

const series = [1, 2, 3, 4, 5]

test.each(series)(
  'frames of a run with 200 tasks while they are executed, series %i',
  { timeout: 180_000 },
  async () => {
    const { id, number, begin } = await aLargeRun()
    await ui.withPage(async (page) => {
      await openRun(page, number)
      await begin()
      await tellFrames(page, '200 tasks, executed on the same machine')
    })
    await end(id)
  },
)

test.each(series)(
  'frames of a run with 200 tasks that are executed elsewhere, series %i',
  { timeout: 180_000 },
  async () => {
    const { id, number, begin } = await aLargeRun()
    const recorded: Recorded[] = []
    const recording = record(id, recorded)
    await begin()
    await sleep(framesMs)
    await end(id)
    await recording
    await ui.withPage(async (page) => {
      await replay(page, id, recorded)
      await openRun(page, number)
      expect(await unfinished(page)).toBeGreaterThan(100)
      await tellFrames(page, `200 tasks, ${recorded.length} changes from elsewhere`, recorded.at(-1)?.afterMs)
      // The last of them comes a moment after the frames, as the page was there a moment after the first.
      await until(async () => (await unfinished(page)) === 0)
    })
  },
)

/** With 200 tasks, none of which is executed before `begin`. */
async function aLargeRun(): Promise<{ readonly id: string; readonly number: number; begin(): Promise<void> }> {
  const names = Array.from({ length: 99 }, (_, index) => String(index))
  const tasks: Record<string, TestTask> = {
    prepare: { run: 'true', approval: true },
    ...Object.fromEntries(names.map((name) => [`test-${name}`, { run: 'true', depends: ['prepare'] }])),
    ...Object.fromEntries(names.map((name) => [`report-${name}`, { run: 'true', depends: [`test-${name}`] }])),
    end: { run: 'true', depends: names.map((name) => `report-${name}`) },
  }
  const { id, number } = await ui.world.createRun(ui.projectId, tasks)
  const begin = async () => {
    const run = await ui.world.client.call('getRun', { params: { runId: id } })
    const taskId = run.tasks.find(({ name }) => name === 'prepare')!.id
    await ui.world.client.call('approveTask', { params: { runId: id, taskId } })
  }
  return { id, number, begin }
}

async function end(runId: string): Promise<void> {
  await ui.world.client.call('stopRun', { params: { runId } }).catch(() => undefined)
  await ui.world.untilFinished(runId)
}

async function openRun(page: Page, number: number): Promise<void> {
  // As most people see it; other tests ask for less motion.
  await page.emulateMedia({ reducedMotion: 'no-preference' })
  await page.goto(`/projects/user.ann.web/runs/${number}`)
  await page.locator('.node').first().waitFor()
}

function unfinished(page: Page): Promise<number> {
  return page.locator('.node:not([data-state="success"])').count()
}

const framesMs = 8000

async function tellFrames(page: Page, what: string, ms = framesMs): Promise<void> {
  const { frames, longTasks } = await page.evaluate<{
    frames: number[]
    longTasks: number[]
  }>(`new Promise((resolve) => {
    const frames = [], longTasks = []
    new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((entry) => entry.duration)))
      .observe({ type: 'longtask' })
    let last = performance.now()
    const end = last + ${ms}
    const look = (now) => {
      frames.push(now - last)
      last = now
      now < end ? requestAnimationFrame(look) : resolve({ frames, longTasks })
    }
    requestAnimationFrame(look)
  })`)
  tell(`time between frames, ${what}`, 'ms', frames)
  console.log(`frames a second, ${what}: ${((frames.length * 1000) / ms).toFixed(1)}`)
  console.log(
    `long tasks in ${(ms / 1000).toFixed(1)} s: ${longTasks.length}, the longest ${Math.max(0, ...longTasks)} ms`,
  )
}

/** What a page was told of a run, and when. */
type Recorded = { readonly afterMs: number; readonly run: unknown }

/** Until the run has ended. */
async function record(runId: string, recorded: Recorded[]): Promise<void> {
  const start = performance.now()
  for await (const { event, data } of ui.world.client.events('watchRun', { params: { runId } }))
    if (event === 'run') recorded.push({ afterMs: performance.now() - start, run: data })
}

/** The page gets the run as it was at first, and its changes when they came, whatever it has become since. */
async function replay(page: Page, runId: string, recorded: readonly Recorded[]): Promise<void> {
  const changes = recorded.map(({ afterMs, run }) => [afterMs, `event: run\ndata: ${JSON.stringify(run)}\n\n`])
  await page.addInitScript(`{
    const changes = ${JSON.stringify(changes)}
    const plain = window.fetch
    window.fetch = (...input) => {
      const url = String(input[0]?.url ?? input[0])
      if (!url.includes('/runs/${runId}/changes')) return plain(...input)
      const encoder = new TextEncoder()
      const start = (stream) => {
        for (const [afterMs, text] of changes) setTimeout(() => stream.enqueue(encoder.encode(text)), afterMs)
      }
      const headers = { 'content-type': 'text/event-stream' }
      return Promise.resolve(new Response(new ReadableStream({ start }), { headers }))
    }
  }`)
  const first = { status: 200, contentType: 'application/json', body: JSON.stringify(recorded[0]?.run) }
  await page.route(new RegExp(`/runs/${runId}$`), (route) => route.fulfill(first))
  await page.route(/\/projects\/[^/]+\/runs\/\d+$/, (route) =>
    route.request().resourceType() === 'document' ? route.continue() : route.fulfill(first),
  )
}

test('a log of 100,000 lines', { timeout: 180_000 }, async () => {
  const { id, number } = await ui.world.createRun(ui.projectId, {
    noise: { run: 'seq -f "%.0f: a line of a long log, with some words in it" 100000' },
  })
  await ui.world.untilFinished(id)
  await ui.withPage(async (page) => {
    const screens: number[] = []
    const searches: number[] = []
    for (let n = 0; n < repeats; n++) {
      await page.goto(`/projects/user.ann.web/runs/${number}?view=tasks`)
      const link = page.locator('.task-row').getByRole('link', { name: 'noise' })
      await link.hover()
      await page.waitForTimeout(500)
      let begin = Date.now()
      await link.click()
      await page.locator('.log-line').getByText('100000: a line', { exact: false }).waitFor()
      screens.push(Date.now() - begin)
      begin = Date.now()
      await page.getByLabel('Search the log').fill('77777: a')
      await page.locator('.log-line[data-current]').getByText('77777: a').waitFor()
      searches.push(Date.now() - begin)
    }
    tell('first screen of a log of 100,000 lines', 'ms', screens)
    tell('search in it, with what one waits while typing', 'ms', searches)
  })
})

test('from a change on the server to the page', { timeout: 180_000 }, async () => {
  await ui.withPage(async (page) => {
    await page.goto('/projects/user.ann.web')
    await page.locator('.run-row').first().waitFor()
    await page.waitForTimeout(500)
    await page.evaluate(`window.seen = new Map(); new MutationObserver(() => {
      for (const row of document.querySelectorAll('.run-row .faint')) if (!window.seen.has(row.textContent))
        window.seen.set(row.textContent, Date.now())
    }).observe(document.body, { childList: true, subtree: true, characterData: true })`)
    const delays: number[] = []
    for (let n = 0; n < 20; n++) {
      const { id, number } = await ui.world.createRun(ui.projectId, { wait: { run: 'true', approval: true } })
      const answered = Date.now()
      await page
        .locator('.run-row')
        .filter({ hasText: `#${number}` })
        .first()
        .waitFor()
      delays.push((await page.evaluate<number>(`window.seen.get('#${number}')`)) - answered)
      await ui.world.client.call('stopRun', { params: { runId: id } }).catch(() => undefined)
    }
    tell('from the answer that a run was made to its row on another page', 'ms', delays)
  })
})

test('a log of 1 GB', { timeout: 300_000 }, async () => {
  const line = 'a line of quite a long log with some more words in it, as builds have them'
  const { id, number } = await ui.world.createRun(ui.projectId, {
    big: {
      run: `seq -f "%.0f: ${line}" 12000000; echo "::group::At last"; echo "error: at last"; echo "::endgroup::"`,
    },
  })
  const { tasks } = await ui.world.untilFinished(id)
  await ui.withPage(async (page) => {
    let begin = Date.now()
    const took = () => `${Date.now() - begin} ms`
    await page.goto(`/projects/user.ann.web/runs/${number}/tasks/${tasks[0]!.id}?step=0`)
    await page.getByText('12000000: a line').waitFor()
    console.log(`log of 1 GB opened, the page and its scripts included: ${took()}`)
    begin = Date.now()
    await page.getByRole('button', { name: 'First error' }).click({ timeout: 60_000 })
    await page.locator('.log-line[data-current]').getByText('error: at last').waitFor()
    console.log(`its only error, at the end: ${took()}`)
    await page.getByRole('button', { name: /^(Fold|Unfold) 2 lines$/ }).waitFor({ timeout: 120_000 })
    console.log(`all of it looked through for folds, since its error was asked for: ${took()}`)
    begin = Date.now()
    await page.getByLabel('Search the log').fill('7777777: a')
    await page.locator('.log-line[data-current]').getByText('7777777: a').waitFor({ timeout: 60_000 })
    console.log(`a text two thirds of the way: ${took()}`)
  })
})
