// Servers and executors as processes, with an address in front that leads to whichever server a test says.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { S3Settings } from '../../src/objectstorage/s3-settings.ts'
import type { Runservice } from '../../src/runservice/api.ts'
import { createRemoteRunservice } from '../../src/runservice/remote.ts'
import { cleanEnvironment, slipwayFile } from '../cli/command.ts'
import { endPodsBelow } from '../support/end-pods.ts'
import { temporaryDirectory } from '../support/git-repository.ts'
import { type LossyProxy, startLossyProxy } from '../support/lossy-proxy.ts'
import { freePort, ServerProcess } from '../support/server-process.ts'

const token = 'services-of-one-installation-show-this'
const serverFile = join(import.meta.dirname, 'runservice-server.ts')

export type Cluster = AsyncDisposable & {
  /** Of the address in front. */
  readonly url: string
  readonly directory: string
  readonly servers: readonly TestServer[]
  /** Bytes that came and went through the address in front. */
  readonly passedBytes: number
  /** Where the address in front leads; open connections are cut. */
  lead(server: TestServer): void
  /** An executor with a new token; not started. */
  executor(name: string, options?: readonly string[]): Promise<ExecutorProcess>
}

export type TestServer = {
  readonly port: number
  readonly process: ServerProcess
  readonly runservice: Runservice
}

export type ClusterOptions = {
  /** Where objects are, instead of a directory. */
  readonly s3?: S3Settings
  /** So many times as fast as ours goes the clock by which the servers see executors come and go. */
  readonly clockSpeed?: number
}

/** `servers` many, on one installation; several share a log in a bucket. */
export async function startCluster(servers = 1, { s3, clockSpeed = 1 }: ClusterOptions = {}): Promise<Cluster> {
  await using undo = new AsyncDisposableStack()
  const directory = temporaryDirectory('cluster')
  undo.defer(() => {
    endPodsBelow(directory.path)
    directory[Symbol.dispose]()
  })
  const log = servers > 1 ? 'bucket' : 'embedded'
  const started: TestServer[] = []
  for (let index = 0; index < servers; index++) {
    const port = await freePort()
    // As bin/slipway starts servers.
    const options = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=4']
    const args = [...options, serverFile, join(directory.path, 'server'), String(port)]
    const server = new ServerProcess(
      {
        program: process.execPath,
        args: [...args, log, token, String(clockSpeed), ...(s3 === undefined ? [] : [JSON.stringify(s3)])],
      },
      async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok,
    )
    undo.defer(() => server.kill())
    await server.start()
    const url = `http://127.0.0.1:${port}`
    started.push({ port, process: server, runservice: undo.use(createRemoteRunservice({ urls: [url], token })) })
  }
  const proxy: LossyProxy = undo.use(await startLossyProxy(started[0]!.port))
  const url = `http://127.0.0.1:${proxy.port}`
  const owned = undo.move()
  return {
    url,
    directory: directory.path,
    servers: started,
    get passedBytes() {
      return proxy.passedBytes
    },
    lead: (server) => proxy.recover(server.port),
    executor: async (name, options = []) => {
      const made = await started[0]!.runservice.createExecutorToken({ name })
      const dir = join(directory.path, name)
      mkdirSync(dir, { mode: 0o700 })
      writeFileSync(join(dir, 'token'), made.token, { mode: 0o600 })
      const executor = new ExecutorProcess(made.executorId, made.id, dir, url, options)
      owned.defer(() => executor.kill())
      return executor
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export class ExecutorProcess {
  readonly id: string
  readonly tokenId: string
  readonly dir: string
  readonly #url: string
  readonly #options: readonly string[]
  #child: ChildProcess | undefined
  /** What it wrote about itself. */
  output = ''

  constructor(id: string, tokenId: string, dir: string, url: string, options: readonly string[]) {
    this.id = id
    this.tokenId = tokenId
    this.dir = dir
    this.#url = url
    this.#options = options
  }

  start(environment: Readonly<Record<string, string>> = {}): void {
    const args = ['executor', '--url', this.#url, '--token-file', join(this.dir, 'token')]
    const child = spawn(
      slipwayFile,
      [...args, '--data', join(this.dir, 'data'), '--driver', 'host', ...this.#options],
      {
        env: cleanEnvironment(environment),
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    )
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.output += text
    })
    this.#child = child
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Resolves with the exit status when it has ended by itself, or after the signal. */
  async end(signal?: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const closed = new Promise<number | null>((resolve) => child.once('close', resolve))
    if (signal !== undefined) child.kill(signal)
    return await closed
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL')
  }
}
