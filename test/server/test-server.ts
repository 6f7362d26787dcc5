// A real server as a process of its own, with everything of it in a temporary directory, and a git server beside it.

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type ApiClient, createClient } from '../../src/contract/client.ts'
import { type CommandResult, runSlipway, slipwayFile } from '../cli/command.ts'
import { endPodsBelow } from '../support/end-pods.ts'
import { type TestRepository, temporaryDirectory, testRepository } from '../support/git-repository.ts'
import { freePort } from '../support/server-process.ts'

export const password = 'correct horse battery staple'

export class TestServer implements AsyncDisposable {
  readonly #temporary = temporaryDirectory('server')
  readonly #environment: Readonly<Record<string, string>>
  readonly url: string
  #child: ChildProcess | undefined
  #output = ''

  private constructor(port: number, environment: Readonly<Record<string, string>>) {
    this.url = `http://127.0.0.1:${port}`
    this.#environment = {
      SLIPWAY_LISTEN: `127.0.0.1:${port}`,
      SLIPWAY_DATA_DIR: this.dataDir,
      SLIPWAY_EXECUTOR_DRIVER: 'host',
      SLIPWAY_LOG_FORMAT: 'json',
      XDG_CONFIG_HOME: join(this.#temporary.path, 'config'),
      XDG_STATE_HOME: join(this.#temporary.path, 'state'),
      ...environment,
    }
  }

  /** `port`: default a free one. */
  static async start(environment: Readonly<Record<string, string>> = {}, port?: number): Promise<TestServer> {
    const server = new TestServer(port ?? (await freePort()), environment)
    await server.start()
    return server
  }

  get dataDir(): string {
    return join(this.#temporary.path, 'data')
  }

  /** What it has written about itself since it was started first. */
  get output(): string {
    return this.#output
  }

  /** Resolves when it is ready; fails with its output when it ends before. */
  async start(): Promise<void> {
    const child = spawn(slipwayFile, ['serve'], {
      env: { PATH: process.env.PATH, HOME: this.#temporary.path, ...this.#environment },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    child.stderr.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString()
    })
    this.#child = child
    for (const before = this.#output.length; ; ) {
      if (this.#output.slice(before).includes('"message":"listening"')) break
      if (child.exitCode !== null) throw new Error(`the server ended with status ${child.exitCode}: ${this.#output}`)
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
    expect((await fetch(`${this.url}/readyz`)).status).toBe(200)
  }

  /** Sends the signal and waits for the end; the exit status, null after SIGKILL. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const ended = new Promise<number | null>((resolve) => child.once('exit', (status) => resolve(status)))
    child.kill(signal)
    return await ended
  }

  /** The command line of somebody who works with this server. */
  slipway(
    args: readonly string[],
    options: { readonly stdin?: string; readonly cwd?: string } = {},
  ): Promise<CommandResult> {
    return runSlipway(args, { cwd: this.#temporary.path, ...options, environment: this.#environment })
  }

  /** The file with the link for the first administrator, once it is there. */
  async link(): Promise<string> {
    const path = join(this.dataDir, 'first-administrator')
    while (!existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 30))
    return path
  }

  /** Makes the first administrator with the command line, as a newcomer would, and gives a client with its token. */
  async setUp(username = 'ann'): Promise<ApiClient> {
    const link = await this.link()
    const args = ['login', this.url, '--username', username, '--password-stdin', '--setup', link]
    const { status, stderr } = await this.slipway(args, { stdin: `${password}\n` })
    expect(stderr).toBe('')
    expect(status).toBe(0)
    return this.client()
  }

  /** With the token of the command line's current context. */
  client(): ApiClient {
    const file = join(this.#temporary.path, 'config/slipway/contexts.json')
    const { current, contexts } = JSON.parse(readFileSync(file, 'utf8')) as {
      current: string
      contexts: Record<string, { url: string; token: string }>
    }
    return createClient(contexts[current]!)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL')
    await endPodsBelow(this.dataDir)
    this.#temporary[Symbol.dispose]()
  }
}

/** A repository that is served by git itself. */
export class GitServer implements AsyncDisposable {
  readonly repository: TestRepository
  readonly url: string
  readonly #child: ChildProcess

  private constructor(repository: TestRepository, port: number) {
    this.repository = repository
    this.url = `git://127.0.0.1:${port}/`
    const args = ['daemon', '--export-all', '--reuseaddr', '--listen=127.0.0.1', `--port=${port}`]
    this.#child = spawn('git', [...args, `--base-path=${repository.dir}`, repository.dir], {
      stdio: 'ignore',
      detached: true,
    })
  }

  static async start(files: Readonly<Record<string, string>>): Promise<GitServer> {
    const repository = testRepository(files)
    repository.commit('first')
    const server = new GitServer(repository, await freePort())
    while (!server.#answers()) await new Promise((resolve) => setTimeout(resolve, 50))
    return server
  }

  #answers(): boolean {
    try {
      this.repository.git('ls-remote', this.url)
      return true
    } catch {
      return false
    }
  }

  /** It takes connections and answers nothing, until `resume`. */
  pause(): void {
    process.kill(-this.#child.pid!, 'SIGSTOP')
  }

  resume(): void {
    process.kill(-this.#child.pid!, 'SIGCONT')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    process.kill(-this.#child.pid!, 'SIGKILL')
    await ended
    this.repository[Symbol.dispose]()
  }
}
