// A real Chromium that shows the UI of a real server.

import { existsSync } from 'node:fs'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { expect } from 'vitest'
import { password } from '../server/test-server.ts'

const executables = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Nothing leaves this machine, and it works as root and without a GPU. */
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export async function openBrowser(): Promise<Browser & AsyncDisposable> {
  const executablePath = executables.find(existsSync)
  if (executablePath === undefined) throw new Error('the tests of the web UI need Chromium: apt-get install chromium')
  const browser = await chromium.launch({ executablePath, args })
  return Object.assign(browser, { [Symbol.asyncDispose]: () => browser.close() })
}

export type Look = { readonly theme?: 'light' | 'dark'; readonly size?: 'desktop' | 'phone' }

/** Far away: it says that something never comes, not how fast it has to come. */
const patienceMs = 60_000

const sizes = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } } as const

export type OpenedPage = {
  readonly page: Page
  readonly context: BrowserContext
  /** What the browser complained of: errors of scripts, violations of the policy, failed requests for files. */
  readonly complaints: readonly string[]
}

/** A page of its own session. Its requests may go to that server only; with `provider` to the pages of that one, too. */
export async function openPage(
  browser: Browser,
  url: string,
  { theme = 'light', size = 'desktop', provider }: Look & { readonly provider?: string } = {},
): Promise<OpenedPage> {
  const context = await browser.newContext({
    baseURL: url,
    colorScheme: theme,
    viewport: sizes[size],
    reducedMotion: 'reduce',
    hasTouch: size === 'phone',
  })
  const complaints: string[] = []
  await context.route(/.*/, async (route) => {
    const asked = new URL(route.request().url())
    const isOfTheirs = asked.origin === url || asked.origin === provider
    if (isOfTheirs || asked.protocol === 'data:' || asked.protocol === 'blob:') return await route.continue()
    complaints.push(`a request leaves the installation: ${asked}`)
    await route.abort()
  })
  const page = await context.newPage()
  page.setDefaultTimeout(patienceMs)
  page.on('pageerror', (error) => complaints.push(`${error}`))
  page.on('console', (message) => {
    // The browser itself reports each answer that is an error; those are part of some tests.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text())
  })
  return { page, context, complaints }
}

export async function logIn(page: Page, username = 'ann'): Promise<void> {
  await page.goto('/login')
  await page.getByLabel('Name').fill(username)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
  await expectHeading(page, 'Home')
}

export type PageOptions = Look & { readonly username?: string; readonly provider?: string }

/** A page on which somebody, `ann` by default, has logged in; the browser complains of nothing. */
export async function withPage(
  browser: Browser,
  url: string,
  act: (page: Page) => Promise<void>,
  { username, ...look }: PageOptions = {},
): Promise<void> {
  const { page, context, complaints } = await openPage(browser, url, look)
  try {
    await logIn(page, username)
    await act(page)
    expect(complaints).toEqual([])
  } finally {
    await context.close()
  }
}

export async function expectHeading(page: Page, name: string | RegExp): Promise<void> {
  await page.getByRole('heading', { level: 1, name }).waitFor({ timeout: patienceMs })
  expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1)
}
