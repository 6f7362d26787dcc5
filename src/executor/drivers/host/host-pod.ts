// A pod of the host driver: the helper's pod, whose exits are explained by what the host knows about the sandbox.

import type {
  Pod,
  PodAnswer,
  PodArchiveRequest,
  PodId,
  PodQuery,
  PodUnarchiveRequest,
  StepCommand,
  StepExit,
  StepProcess,
} from '../../driver.ts'

export type HostPodOptions = {
  readonly inner: Pod
  readonly enterCommand: string
  /** Says what really happened when a step has ended with `exit`. */
  readonly explain: (exit: StepExit) => StepExit
  /** Called once: its first step was started, or it is being removed without one. */
  readonly onUsed: () => void
  readonly remove: (signal: AbortSignal) => Promise<void>
}

export class HostPod implements Pod {
  readonly id: PodId
  readonly enterCommand: string
  readonly #options: HostPodOptions
  #isUsed = false

  constructor(options: HostPodOptions) {
    this.id = options.inner.id
    this.enterCommand = options.enterCommand
    this.#options = options
  }

  async start(command: StepCommand, signal: AbortSignal): Promise<StepProcess> {
    const step = new HostStep(await this.#options.inner.start(command, signal), this.#options.explain)
    this.#use()
    return step
  }

  async attach(stepId: string, offset: number, signal: AbortSignal): Promise<StepProcess> {
    return new HostStep(await this.#options.inner.attach(stepId, offset, signal), this.#options.explain)
  }

  archive(request: PodArchiveRequest, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#options.inner.archive(request, signal)
  }

  unarchive(request: PodUnarchiveRequest, data: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    return this.#options.inner.unarchive(request, data, signal)
  }

  query(query: PodQuery, signal: AbortSignal): Promise<PodAnswer> {
    return this.#options.inner.query(query, signal)
  }

  remove(signal: AbortSignal): Promise<void> {
    this.#use()
    return this.#options.remove(signal)
  }

  #use(): void {
    if (this.#isUsed) return
    this.#isUsed = true
    this.#options.onUsed()
  }
}

class HostStep implements StepProcess {
  readonly exit: Promise<StepExit>
  readonly #inner: StepProcess

  constructor(inner: StepProcess, explain: (exit: StepExit) => StepExit) {
    this.#inner = inner
    this.exit = inner.exit.then(explain)
    // Who does not wait for the exit need not hear that it was let go of.
    this.exit.catch(() => {})
  }

  output(): AsyncIterable<Uint8Array> {
    return this.#inner.output()
  }

  release(offset: number): void {
    this.#inner.release(offset)
  }

  interrupt(): Promise<void> {
    return this.#inner.interrupt()
  }

  kill(): Promise<void> {
    return this.#inner.kill()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]()
  }
}
