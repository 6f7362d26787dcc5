// An installation as processes of their own: several instances of each service on one etcd and one object storage, and executors.

import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ApiClient, createClient } from '../../src/contract/client.ts'
import { runSlipway, slipwayFile } from '../cli/command.ts'
import { endPodsBelow } from '../support/end-pods.ts'
import type { Etcd } from '../support/etcd.ts'
import { temporaryDirectory } from '../support/git-repository.ts'
import { freePort } from '../support/server-process.ts'
import { password } from './test-server.ts'

export type ProcessGroupOptions = {
  readonly gateways: number
  readonly configstores: number
  readonly runservices: number
  readonly executors: number
  /** Default none. */
  readonly notifications?: number
  /** The command that a process is started with, by its name; default: that of this version. */
  readonly programOf?: (name: string) => string
}

/** Far away: what is not ready by then never will be. */
const startMsMax = 300_000

type Member = {
  readonly name: string
  readonly args: readonly string[]
  program: string
  child: ChildProcess | undefined
  output: string
}

export class ProcessGroup implements AsyncDisposable {
  readonly #folder = temporaryDirectory('group')
  readonly #members = new Map<string, Member>()
  readonly #urls = new Map<string, string>()
  readonly #programOf: (name: string) => string
  #closed = false

  private constructor({ programOf = () => slipwayFile }: Pick<ProcessGroupOptions, 'programOf'>) {
    this.#programOf = programOf
  }

  /** Starts all and makes the first administrator `ann`. */
  static async start(options: ProcessGroupOptions, etcd: Pick<Etcd, 'endpoint'>): Promise<ProcessGroup> {
    const group = new ProcessGroup(options)
    const write = (name: string, text: string) => {
      writeFileSync(group.#path(name), text, { mode: 0o600 })
      return group.#path(name)
    }
    const counts = {
      configstore: options.configstores,
      runservice: options.runservices,
      notification: options.notifications ?? 0,
      gateway: options.gateways,
    }
    const services = Object.entries(counts).flatMap(([component, count]) =>
      Array.from({ length: count }, (_, index) => ({ component, name: `${component}-${index + 1}` })),
    )
    for (const { name } of services) group.#urls.set(name, `http://127.0.0.1:${await freePort()}`)
    const urlsOf = (component: string) =>
      [...group.#urls].filter(([name]) => name.startsWith(`${component}-`)).map(([, url]) => url)
    const installationFile = write('key', randomBytes(32).toString('base64'))
    const servicesFile = write('services', randomBytes(32).toString('hex'))
    for (const { component, name } of services) {
      const settings = {
        components: [component],
        listen: group.#urls.get(name)!.slice('http://'.length),
        dataDir: group.#path(name),
        database: { log: 'etcd', etcd: { endpoints: [etcd.endpoint] } },
        objectStorage: { type: 'posix', path: group.#path('objects') },
        keys: { installationFile, servicesFile },
        services: {
          ...(component === 'configstore' ? {} : { configstore: urlsOf('configstore') }),
          ...(['gateway', 'notification'].includes(component) ? { runservice: urlsOf('runservice') } : {}),
          ...(component === 'gateway' && counts.notification > 0 ? { notification: urlsOf('notification') } : {}),
        },
        ...(component === 'notification' ? { notification: { allowPrivateAddresses: true } } : {}),
        log: { format: 'json' },
      }
      group.#add(name, ['serve', '--config', write(`${name}.json`, JSON.stringify(settings))])
    }
    for (const name of group.names) await group.start(name)
    await group.#setUp(urlsOf('gateway')[0]!)
    for (let index = 1; index <= options.executors; index++) {
      const name = `executor-${index}`
      const { value } = await group.client(0).call('createExecutorToken', { body: { name } })
      const url = urlsOf('runservice')[index % options.runservices]!
      const args = [
        'executor',
        '--url',
        url,
        '--token-file',
        write(`${name}-token`, value),
        '--data',
        group.#path(name),
        '--driver',
        'host',
      ]
      group.#add(name, [...args, '--tasks', '4'])
      await group.start(name)
    }
    return group
  }

  /** Of a service. */
  urlOf(name: string): string {
    return this.#urls.get(name)!
  }

  get names(): readonly string[] {
    return [...this.#members.keys()]
  }

  /** Of the gateway with that index. */
  client(index: number): ApiClient {
    const gateways = [...this.#urls].filter(([name]) => name.startsWith('gateway-'))
    return createClient({ url: gateways[index % gateways.length]![1], token: this.#token })
  }

  /** Of all gateways in turn, as behind a load balancer: who uses it has seen what it did, whichever of them answers. */
  balancedClient(): ApiClient {
    const gateways = [...this.#urls].filter(([name]) => name.startsWith('gateway-')).map(([, url]) => url)
    const balancer = 'http://gateways.invalid'
    let next = 0
    return createClient({
      url: balancer,
      token: this.#token,
      fetch: (url, init) => fetch(String(url).replace(balancer, gateways[next++ % gateways.length]!), init),
    })
  }

  get #token(): string {
    const { contexts } = JSON.parse(readFileSync(this.#path('config/slipway/contexts.json'), 'utf8')) as {
      contexts: Record<string, { token: string }>
    }
    return Object.values(contexts)[0]!.token
  }

  /** Resolves when it says that it is ready. */
  async start(name: string): Promise<void> {
    const member = this.#members.get(name)!
    const child = spawn(member.program, member.args, {
      env: { PATH: process.env.PATH, HOME: this.#folder.path },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    member.child = child
    const before = member.output.length
    child.stderr.on('data', (chunk: Buffer) => {
      member.output += chunk.toString()
    })
    for (const begun = Date.now(); !/"message":"(listening|executor ready)"/.test(member.output.slice(before)); ) {
      if (Date.now() - begun > startMsMax) throw new Error(`${name} does not get ready: ${member.output.slice(-2000)}`)
      if (child.exitCode !== null)
        throw new Error(`${name} ended with status ${child.exitCode}: ${member.output.slice(-2000)}`)
      if (this.#closed) return
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
  }

  /** As `kill -9`. */
  async kill(name: string): Promise<void> {
    await this.#end(name, 'SIGKILL')
  }

  /** Stops it as planned, and starts another program in its place, on its data and with its settings. */
  async replace(name: string, program: string): Promise<void> {
    await this.stop(name)
    this.#members.get(name)!.program = program
    await this.start(name)
  }

  /** As planned. */
  async stop(name: string): Promise<void> {
    await this.#end(name, 'SIGTERM')
  }

  /** A command that works on the data of a service, such as `export`. */
  async inspect(name: string, args: readonly string[]): Promise<string> {
    const [command = '', ...options] = args
    const given = [command, this.dataOf(name), '--config', this.#path(`${name}.json`), ...options]
    const { status, stdout, stderr } = await runSlipway(given, { cwd: this.#folder.path })
    if (status !== 0) throw new Error(`${command} ended with status ${status}: ${stderr}`)
    return stdout
  }

  /** The data directory of a process. */
  dataOf(name: string): string {
    return this.#path(name)
  }

  /** The object storage of all. */
  get objects(): string {
    return this.#path('objects')
  }

  /** What it has written about itself. */
  outputOf(name: string): string {
    return this.#members.get(name)?.output ?? ''
  }

  #add(name: string, args: readonly string[]): void {
    this.#members.set(name, { name, args, program: this.#programOf(name), child: undefined, output: '' })
  }

  async #end(name: string, signal: NodeJS.Signals): Promise<void> {
    const child = this.#members.get(name)?.child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await ended
  }

  async #setUp(url: string): Promise<void> {
    const link = this.#path('gateway-1/first-administrator')
    const environment = { XDG_CONFIG_HOME: this.#path('config') }
    for (let attempt = 0; ; attempt++) {
      const args = ['login', url, '--username', 'ann', '--password-stdin', '--setup', link]
      const { status, stderr } = await runSlipway(args, { cwd: this.#folder.path, stdin: password, environment })
      if (status === 0) return
      if (attempt === 50) throw new Error(`no administrator: ${stderr}`)
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }

  #path(name: string): string {
    return join(this.#folder.path, name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    for (const name of this.names) await this.kill(name)
    endPodsBelow(this.#folder.path)
    this.#folder[Symbol.dispose]()
  }
}
