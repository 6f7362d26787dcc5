// A server with something to see: projects with runs that succeeded, failed, wait for approval, run, and could not be set up.

import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll } from 'vitest'
import type { ApiClient } from '../../src/contract/client.ts'
import { GitServer, TestServer } from '../server/test-server.ts'
import { openBrowser, type PageOptions, withPage } from './browser.ts'

export type OpenedUi = {
  readonly browser: Browser
  readonly world: UiWorld
  /** Of `user/ann/web`. */
  readonly projectId: string
  readonly withPage: (act: (page: Page) => Promise<void>, options?: PageOptions) => Promise<void>
}

/**
 * For all tests of the file that calls it: a browser and a server, with these settings in its environment, with the project
 * `user/ann/web`. There from the first test on.
 */
export function openUi(
  prepare: (ui: OpenedUi) => Promise<void> = async () => {},
  environment: Readonly<Record<string, string>> = {},
): OpenedUi {
  const owned = new AsyncDisposableStack()
  const ui: { -readonly [Part in keyof OpenedUi]?: OpenedUi[Part] } = {}
  beforeAll(async () => {
    ui.browser = owned.use(await openBrowser())
    ui.world = owned.use(await UiWorld.open(environment))
    ui.projectId = await ui.world.createProject('web')
    const { browser, world } = ui
    ui.withPage = (act, options) => withPage(browser, world.server.url, act, options)
    await prepare(ui as OpenedUi)
  }, 180_000)
  afterAll(() => owned.disposeAsync(), 60_000)
  return ui as OpenedUi
}

type Definition = Readonly<Record<string, unknown>>

export class UiWorld implements AsyncDisposable {
  readonly server: TestServer
  readonly git: GitServer
  readonly client: ApiClient

  private constructor(server: TestServer, git: GitServer, client: ApiClient) {
    this.server = server
    this.git = git
    this.client = client
  }

  /** Logged in is `ann`, an administrator. */
  static async open(environment: Readonly<Record<string, string>> = {}): Promise<UiWorld> {
    buildWebUi()
    await using undo = new AsyncDisposableStack()
    const server = undo.use(await TestServer.start(environment))
    const git = undo.use(await GitServer.start({ 'README.md': '# Web\n' }))
    const client = await server.setUp()
    const world = new UiWorld(server, git, client)
    undo.move()
    return world
  }

  async createProject(name: string, parentRef = 'user/ann'): Promise<string> {
    const source = { kind: 'git', url: this.git.url, auth: 'none', pollIntervalMs: 0 } as const
    const { id } = await this.client.call('createProject', { body: { name, parentRef, source, visibility: 'public' } })
    return id
  }

  /** Tasks by name, as in a definition: `{ build: { run: 'make' }, test: { run: 'make test', depends: ['build'] } }`. */
  async createRun(
    projectRef: string,
    tasks: Readonly<Record<string, TestTask>>,
    { message = 'Make it work', name = 'ci', ...ref }: RunOptions = {},
  ) {
    const { runs } = await this.client.call('createProjectRuns', {
      params: { projectRef },
      body: {
        ...('tag' in ref || 'pullRequest' in ref ? ref : { branch: ref.branch ?? 'main' }),
        message,
        commitSha: this.git.repository.git('rev-parse', 'HEAD'),
        definition: { fileName: 'config.json', content: JSON.stringify(definitionOf(name, tasks)) },
      },
    })
    return runs[0]!
  }

  async untilPhase(runId: string, phase: 'running' | 'finished'): Promise<void> {
    for await (const event of this.client.events('watchRun', { params: { runId } }))
      if (event.event === 'run' && event.data.phase === phase) return
  }

  async untilFinished(runId: string) {
    for await (const event of this.client.events('watchRun', { params: { runId } }))
      if (event.event === 'run' && event.data.phase === 'finished') return event.data
    return await this.client.call('getRun', { params: { runId } })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.git[Symbol.asyncDispose]()
    await this.server[Symbol.asyncDispose]()
  }
}

/** Of `branch`, `tag` and `pullRequest` one; the branch `main` without. */
export type RunOptions = { readonly message?: string; readonly name?: string } & (
  | { readonly branch?: string }
  | { readonly tag: string }
  | { readonly pullRequest: string }
)

export type TestTask = {
  readonly run?: string
  readonly steps?: readonly unknown[]
  readonly depends?: readonly unknown[]
  readonly approval?: boolean
}

export function definitionOf(name: string, tasks: Readonly<Record<string, TestTask>>): Definition {
  return {
    runs: [
      {
        name,
        tasks: Object.entries(tasks).map(([taskName, { run, steps, depends, approval }]) => ({
          name: taskName,
          runtime: { containers: [{ image: 'busybox' }] },
          steps: steps ?? [{ type: 'run', name: 'make', command: run }],
          ...(depends === undefined ? {} : { depends }),
          ...(approval === undefined ? {} : { approval }),
        })),
      },
    ],
  }
}

const root = resolve(import.meta.dirname, '../..')

/** What is served is what the sources say: builds when a source is newer than what was built. */
export function buildWebUi(): void {
  const sources = readdirSync(join(root, 'web/src'), { recursive: true, encoding: 'utf8' }).map((name) =>
    join('web/src', name),
  )
  const newest = Math.max(
    ...[...sources, 'web/index.html', 'web/vite.config.ts'].map((name) => statSync(join(root, name)).mtimeMs),
  )
  const built = statSync(join(root, 'web/dist/index.html'), { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (built < newest)
    execFileSync(join(root, 'node_modules/.bin/vite'), ['build', 'web', '--logLevel', 'warn'], {
      cwd: root,
      // As it is delivered: what runs tests says that it is one, which would make it a build for developers, slow and large.
      env: { ...process.env, NODE_ENV: 'production' },
      stdio: 'ignore',
    })
}
