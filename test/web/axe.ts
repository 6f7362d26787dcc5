// What a page does that keeps somebody out.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'

const axeFile = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

const isAtRest =
  "document.querySelector('[data-starting-style], [data-ending-style]') === null && " +
  "document.getAnimations().every(({ playState }) => playState !== 'running')"

type AxeResult = {
  readonly violations: readonly {
    readonly id: string
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[]
  }[]
}

/** What axe finds on the page as it is now, or `within` what a selector names: rule, element and why. Empty when there is nothing. */
export async function axe(page: Page, within = 'html'): Promise<readonly string[]> {
  // What comes in is pale at first.
  await expect.poll(() => page.evaluate<boolean>(isAtRest)).toBe(true)
  // Where it is not there yet. Read by the browser from what the test gives it, so the page's policy does not concern it.
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(readFileSync(axeFile, 'utf8'))
  const { violations } = await page.evaluate(
    (selector) =>
      (globalThis as unknown as { axe: { run(within: string, options: object): Promise<AxeResult> } }).axe.run(
        selector,
        { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] },
      ),
    within,
  )
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} ${failureSummary?.split('\n')[1] ?? ''}`),
  )
}
