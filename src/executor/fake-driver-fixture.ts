// A driver whose pods are objects in memory: steps do what a test says, files are strings. What it holds outlives the
// executor that uses it, as real pods do.

import { SlipwayError } from '../lib/errors.ts'
import type {
  Driver,
  DriverFacts,
  Pod,
  PodAnswer,
  PodArchiveRequest,
  PodOptions,
  PodQuery,
  PodSpec,
  PodUnarchiveRequest,
  StepCommand,
  StepExit,
  StepProcess,
} from './driver.ts'

/** One step, while it runs. */
export type FakeStep = {
  readonly command: StepCommand
  print(text: string): void
  /** Resolves when the step is told to end: asked, or killed. */
  readonly killed: Promise<void>
  /** Resolves when it is killed, for one that does not listen. */
  readonly forced: Promise<void>
}

export type Behaviour = (step: FakeStep) => Promise<StepExit> | StepExit

export const exited = (code: number): StepExit => ({ kind: 'exited', code })

/** `print X` prints it, `exit N` ends with it, anything else succeeds. */
export const simpleShell: Behaviour = ({ command, print }) => {
  for (const line of (command.script ?? '').split('\n')) {
    if (line.startsWith('print ')) print(`${line.slice('print '.length)}\n`)
    if (line.startsWith('exit ')) return exited(Number(line.slice('exit '.length)))
  }
  return exited(0)
}

export class FakeDriver implements Driver {
  readonly name: Driver['name']
  readonly facts: DriverFacts
  readonly pods = new Map<string, FakePod>()
  readonly specs: PodSpec[] = []
  behaviour: Behaviour = simpleShell
  /** Runs before a pod is there; a throw fails the setup. */
  onCreate: (spec: PodSpec, options: PodOptions) => Promise<void> | void = () => {}
  /** Runs before a pod is removed; a throw leaves it. */
  onRemove: (id: string) => void = () => {}

  constructor(facts: Partial<DriverFacts> & { readonly name?: Driver['name'] } = {}) {
    const { name = 'docker', ...rest } = facts
    this.name = name
    this.facts = {
      archs: ['amd64'],
      supportsServices: true,
      supportsPrivileged: true,
      description: 'pods in memory',
      ...rest,
    }
  }

  async createPod(spec: PodSpec, options: PodOptions): Promise<Pod> {
    this.specs.push(spec)
    await this.onCreate(spec, options)
    options.signal.throwIfAborted()
    if (this.pods.has(spec.id)) throw new SlipwayError('setup_failed', `there is a pod ${spec.id} already`)
    const pod = new FakePod(spec.id, this)
    this.pods.set(spec.id, pod)
    return pod
  }

  async attachPod(id: string, signal: AbortSignal): Promise<Pod | undefined> {
    signal.throwIfAborted()
    return this.pods.get(id)
  }

  async listPods(): Promise<readonly string[]> {
    return [...this.pods.keys()]
  }

  async removePod(id: string): Promise<void> {
    this.onRemove(id)
    this.pods.get(id)?.end()
    this.pods.delete(id)
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

export class FakePod implements Pod {
  readonly id: string
  readonly enterCommand: string
  readonly commands: StepCommand[] = []
  readonly archived: PodArchiveRequest[] = []
  readonly unpacked: { readonly request: PodUnarchiveRequest; readonly text: string }[] = []
  readonly #driver: FakeDriver
  readonly #steps = new Map<string, RunningStep>()
  /** What `archive` packs; an error breaks it off. */
  files: string | Error = 'files'

  constructor(id: string, driver: FakeDriver) {
    this.id = id
    this.enterCommand = `enter ${id}`
    this.#driver = driver
  }

  async start(command: StepCommand, signal: AbortSignal): Promise<StepProcess> {
    signal.throwIfAborted()
    this.commands.push(command)
    const step = this.#steps.get(command.id) ?? new RunningStep(command, this.#driver.behaviour)
    this.#steps.set(command.id, step)
    return step.follow(0, signal)
  }

  async attach(stepId: string, offset: number, signal: AbortSignal): Promise<StepProcess> {
    signal.throwIfAborted()
    const step = this.#steps.get(stepId)
    if (step === undefined) throw new SlipwayError('pod_gone', `no step ${stepId}`)
    return step.follow(offset, signal)
  }

  async *archive(request: PodArchiveRequest, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    signal.throwIfAborted()
    this.archived.push(request)
    if (this.files instanceof Error) throw this.files
    yield Buffer.from(this.files)
  }

  async unarchive(request: PodUnarchiveRequest, data: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const chunks: Uint8Array[] = []
    for await (const chunk of data) chunks.push(chunk)
    this.unpacked.push({ request, text: Buffer.concat(chunks).toString('latin1') })
  }

  async query(query: PodQuery): Promise<PodAnswer> {
    return {
      digests: query.digests.map(({ file }) => ({ hex: Buffer.from(file).toString('hex') })),
      variables: query.variables.map((name) => query.environment[name] ?? ''),
      arch: 'amd64',
      unixNanoseconds: '1',
      year: '2026',
      month: '1',
      day: '2',
    }
  }

  async remove(): Promise<void> {
    await this.#driver.removePod(this.id)
  }

  end(): void {
    for (const step of this.#steps.values()) step.kill()
  }
}

class RunningStep {
  readonly #exit: Promise<StepExit>
  readonly #killed = Promise.withResolvers<void>()
  readonly #interrupted = Promise.withResolvers<void>()
  #output = ''
  #changed = Promise.withResolvers<void>()
  #isOver = false

  constructor(command: StepCommand, behaviour: Behaviour) {
    const print = (text: string) => {
      this.#output += text
      this.#wake()
    }
    this.#exit = Promise.resolve(
      behaviour({
        command,
        print,
        killed: Promise.race([this.#interrupted.promise, this.#killed.promise]),
        forced: this.#killed.promise,
      }),
    ).finally(() => {
      this.#isOver = true
      this.#wake()
    })
  }

  kill(): void {
    this.#killed.resolve()
  }

  follow(offset: number, signal: AbortSignal): StepProcess {
    const exit = Promise.race([this.#exit, abortOf(signal)])
    exit.catch(() => undefined)
    return {
      output: () => this.#read(offset, signal),
      exit,
      release: () => {},
      interrupt: async () => this.#interrupted.resolve(),
      kill: async () => this.kill(),
      [Symbol.asyncDispose]: async () => {},
    }
  }

  async *#read(offset: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    for (let at = offset; ; ) {
      const changed = this.#changed.promise
      signal.throwIfAborted()
      if (at < this.#output.length) {
        const chunk = this.#output.slice(at)
        at += chunk.length
        yield Buffer.from(chunk)
      } else if (this.#isOver) return
      else await Promise.race([changed, abortOf(signal)])
    }
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
