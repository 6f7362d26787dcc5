// Pods as containers of a Docker-compatible engine (Docker from 20.10, Podman): one container per container of the spec, all in
// the main container's network; the helper comes by a read-only volume; steps are execs. Nothing is stored but labels, so any
// process with the same owner id finds what another has made.

import type { Clock } from '../../../lib/clock.ts'
import { errorMessage, SlipwayError } from '../../../lib/errors.ts'
import { limits } from '../../../lib/limits.ts'
import type { Logger } from '../../../lib/log.ts'
import { quoteWord } from '../../../lib/quote-word.ts'
import { type Arch, archs } from '../../../pipeline/run-config.ts'
import type { Driver, DriverFacts, Pod, PodId, PodOptions, PodSpec } from '../../driver.ts'
import { containerConfig, containerName, hasLine, labels, stepUser } from './container-config.ts'
import { createDockerPod } from './docker-pod.ts'
import { Engine, isEngineError } from './engine.ts'
import { describeEngineAddress, type EngineEnvironment, engineAddresses } from './engine-address.ts'
import { HelperVolume, type VolumeContent } from './helper-volume.ts'
import type { HijackedStream } from './hijacked-stream.ts'
import { type Image, ImageStore } from './image-store.ts'
import { removeContainer } from './remove-container.ts'
import { StartTurns } from './start-turns.ts'

export type DockerDriverOptions = {
  /** Labels everything this driver makes; what has another owner is never touched. */
  readonly ownerId: string
  /** As DOCKER_HOST; default: DOCKER_HOST, else the usual sockets. */
  readonly host?: string
  /** Of the process: DOCKER_HOST, DOCKER_CERT_PATH, DOCKER_TLS_VERIFY, XDG_RUNTIME_DIR and HOME are read. */
  readonly environment: EngineEnvironment
  readonly clock: Clock
  readonly logger: Logger
  /** The helper for an architecture. */
  readonly helperBinary: (arch: Arch) => Promise<VolumeContent>
  /** Network of main containers; default: the engine's. */
  readonly network?: string
  readonly allowPrivileged: boolean
  /** Memory limit of each container in bytes; default none. */
  readonly memoryBytes?: number
}

/** Connects to the engine. Fails with `driver_unavailable`, saying what was tried. */
export async function openDockerDriver(options: DockerDriverOptions): Promise<Driver> {
  const failures: string[] = []
  for (const address of engineAddresses(options.host, options.environment)) {
    try {
      const engine = await Engine.open({ address, clock: options.clock })
      const { product, version, arch, os } = engine.version
      options.logger.info('container engine connected', {
        address: describeEngineAddress(address),
        product,
        version,
        arch,
      })
      if (os === 'linux' && isArch(arch)) return new DockerDriver(engine, arch, options)
      await engine[Symbol.asyncDispose]()
      failures.push(`${describeEngineAddress(address)}: runs ${os} on ${arch}, which is not supported`)
    } catch (error) {
      failures.push(errorMessage(error))
    }
  }
  throw new SlipwayError('driver_unavailable', `no container engine can be used; tried ${failures.join('; ')}`)
}

const isArch = (name: string): name is Arch => (archs as readonly string[]).includes(name)

class DockerDriver implements Driver {
  readonly name = 'docker'
  readonly facts: DriverFacts
  readonly #engine: Engine
  readonly #arch: Arch
  readonly #options: DockerDriverOptions
  readonly #images: ImageStore
  readonly #turns: StartTurns
  #helper: Promise<HelperVolume> | undefined

  constructor(engine: Engine, arch: Arch, options: DockerDriverOptions) {
    this.#engine = engine
    this.#arch = arch
    this.#options = options
    this.#images = new ImageStore(engine, options.clock)
    this.#turns = new StartTurns({ engine, clock: options.clock, logger: options.logger })
    this.facts = {
      archs: [arch],
      supportsServices: true,
      supportsPrivileged: options.allowPrivileged,
      description: `${engine.version.product} ${engine.version.version}`,
    }
  }

  async createPod(spec: PodSpec, { log, signal }: PodOptions): Promise<Pod> {
    this.#refuse(spec)
    const images = await this.#getImages(spec, { log, signal })
    signal.throwIfAborted()
    try {
      return await this.#createPod(spec, images, signal)
    } catch (error) {
      // An image that was remembered and has been removed since.
      if (!isEngineError(error, 404) || !/image/i.test(error.message)) throw this.#setupFailure(error)
      this.#images.forget()
      const found = await this.#getImages(spec, { log, signal })
      return await this.#createPod(spec, found, signal).catch((again) => {
        throw this.#setupFailure(again)
      })
    }
  }

  async attachPod(id: PodId, signal: AbortSignal): Promise<Pod | undefined> {
    const containers = (await this.#listContainers({ [labels.pod]: id }, signal))
      .filter((container) => container.Labels?.[labels.index] !== undefined)
      .sort((a, b) => Number(a.Labels?.[labels.index]) - Number(b.Labels?.[labels.index]))
    const main = containers[0]
    const isComplete = main?.Labels?.[labels.containers] === String(containers.length)
    if (main === undefined || !isComplete || main.State !== 'running') return undefined
    const inspected = (await this.#engine
      .call({ method: 'GET', path: `/containers/${main.Id}/json`, signal })
      .catch((error) => {
        if (isEngineError(error, 404)) return undefined
        throw error
      })) as { readonly Config: { readonly Env?: readonly string[] } } | undefined
    if (inspected === undefined) return undefined
    const user = main.Labels?.[labels.user] ?? ''
    return createDockerPod({
      id,
      engine: this.#engine,
      clock: this.#options.clock,
      containerIds: containers.map((container) => container.Id),
      user,
      environment: inspected.Config.Env ?? [],
      enterCommand: this.#enterCommand(id, user),
    })
  }

  async listPods(signal: AbortSignal): Promise<readonly PodId[]> {
    const containers = await this.#listContainers({}, signal)
    return [...new Set(containers.map((container) => container.Labels?.[labels.pod] ?? ''))].filter((id) => id !== '')
  }

  async removePod(id: PodId, signal: AbortSignal): Promise<void> {
    const containers = await this.#listContainers({ [labels.pod]: id }, signal)
    await Promise.all(containers.map((container) => this.#remove(container.Id, signal)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine[Symbol.asyncDispose]()
  }

  #refuse(spec: PodSpec): void {
    if (spec.containers.length === 0) throw new SlipwayError('setup_failed', 'the task has no container')
    if (!this.#options.allowPrivileged && spec.containers.some((container) => container.privileged))
      throw new SlipwayError('setup_failed', 'the executor does not allow privileged containers')
  }

  /** The images of all containers, pulled in parallel; the first failure stops the other pulls. */
  async #getImages(spec: PodSpec, { log, signal }: PodOptions): Promise<readonly Image[]> {
    const failed = new AbortController()
    const either = AbortSignal.any([signal, failed.signal])
    const byReference = new Map<string, Promise<Image>>()
    for (const { image: reference } of spec.containers) {
      if (byReference.has(reference)) continue
      const image = this.#images.get({ ...spec, reference, log, signal: either })
      image.catch((error) => failed.abort(error))
      byReference.set(reference, image)
    }
    // All settle before anything is thrown: nobody may write to the log of a task that is over.
    const settled = await Promise.allSettled(byReference.values())
    signal.throwIfAborted()
    if (failed.signal.aborted) throw failed.signal.reason
    const images = new Map([...byReference.keys()].map((reference, i) => [reference, fulfilled(settled[i]!)]))
    return spec.containers.map(({ image }) => images.get(image)!)
  }

  async #createPod(spec: PodSpec, images: readonly Image[], signal: AbortSignal): Promise<Pod> {
    const helper = await this.#helperVolume()
    await helper.create()
    const created: string[] = []
    let line: HijackedStream | undefined
    // Single calls are not aborted: whether the engine has acted would be unknown.
    const create = async (index: number) => {
      signal.throwIfAborted()
      const { Id: id } = (await this.#engine.call({
        method: 'POST',
        path: '/containers/create',
        query: {
          name: containerName(spec.id, index),
          platform: spec.arch === undefined ? undefined : `linux/${spec.arch}`,
        },
        body: containerConfig({
          ownerId: this.#options.ownerId,
          spec,
          index,
          image: images[index]!,
          network: this.#options.network ?? '',
          helperVolume: helper.name,
          memoryBytes: this.#options.memoryBytes,
        }),
      })) as { readonly Id: string }
      created[index] = id
      return id
    }
    try {
      const main = await create(0)
      const use = { containerId: main, podId: spec.id, imageId: images[0]!.id }
      await helper.fill(use)
      // Before the start, so that nothing of the helper's output is missed.
      if (hasLine(spec)) line = await this.#attach(main)
      const services = spec.containers.slice(1).map((_, i) => i + 1)
      await all([
        this.#start(spec, 0, main, signal).catch(async (error) => {
          if (signal.aborted || !(await helper.repair(use))) throw error
          await this.#start(spec, 0, main, signal)
        }),
        ...services.map(create),
      ])
      await all(services.map((index) => this.#start(spec, index, created[index]!, signal)))
      signal.throwIfAborted()
    } catch (error) {
      line?.close()
      await all(created.map((id) => this.#remove(id, this.#options.clock.timeout(limits.podRemoveMs.value))))
      throw error
    }
    const user = stepUser(spec, images[0]!)
    return createDockerPod({
      id: spec.id,
      engine: this.#engine,
      clock: this.#options.clock,
      containerIds: created,
      user,
      environment: [
        ...images[0]!.environment,
        ...Object.entries(spec.containers[0]!.environment).map(([name, value]) => `${name}=${value}`),
      ],
      enterCommand: this.#enterCommand(spec.id, user),
      ...(line === undefined ? {} : { line }),
    })
  }

  /** The standard streams of a container; undefined where the engine does not hand them over before the start. */
  async #attach(id: string): Promise<HijackedStream | undefined> {
    try {
      return await this.#engine.hijack({
        method: 'POST',
        path: `/containers/${id}/attach`,
        query: { stream: '1', stdin: '1', stdout: '1', stderr: '1' },
      })
    } catch (error) {
      this.#options.logger.debug('container not attached, execs only', { error })
      return undefined
    }
  }

  async #start(spec: PodSpec, index: number, id: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    // The others of a pod are in the network of its first.
    using _turn = index === 0 ? await this.#turns.take(signal) : undefined
    try {
      await this.#engine.call({ method: 'POST', path: `/containers/${id}/start` })
    } catch (cause) {
      if (!isEngineError(cause)) throw cause
      const which = index === 0 ? 'the main container' : `service container ${index}`
      throw new SlipwayError(
        'setup_failed',
        `start ${which} (image ${spec.containers[index]!.image}): ${explainStart(cause.message, spec.arch)}`,
        { cause },
      )
    }
  }

  async #remove(id: string, signal: AbortSignal): Promise<void> {
    await removeContainer(id, { engine: this.#engine, clock: this.#options.clock, signal })
  }

  /** The helper runs on the engine's kernel: it is static, whatever the image was made for. */
  #helperVolume(): Promise<HelperVolume> {
    this.#helper ??= this.#options.helperBinary(this.#arch).then(
      (binary) =>
        new HelperVolume(binary, {
          engine: this.#engine,
          clock: this.#options.clock,
          ownerId: this.#options.ownerId,
        }),
    )
    this.#helper.catch(() => {
      this.#helper = undefined
    })
    return this.#helper
  }

  #setupFailure(error: unknown): unknown {
    if (!isEngineError(error)) return error
    return new SlipwayError('setup_failed', `make the pod: ${error.message}`, { cause: error })
  }

  async #listContainers(wanted: Readonly<Record<string, string>>, signal: AbortSignal): Promise<readonly Listed[]> {
    const filters = Object.entries({ [labels.owner]: this.#options.ownerId, ...wanted })
    return (await this.#engine.call({
      method: 'GET',
      path: '/containers/json',
      query: { all: '1', filters: JSON.stringify({ label: filters.map(([name, value]) => `${name}=${value}`) }) },
      signal,
    })) as readonly Listed[]
  }

  #enterCommand(id: PodId, user: string): string {
    const program = this.#engine.version.product.startsWith('Podman') ? 'podman' : 'docker'
    const asUser = user === '' ? '' : ` -u ${quoteWord(user)}`
    return `${program} exec -it${asUser} ${containerName(id, 0)} sh`
  }
}

type Listed = {
  readonly Id: string
  readonly State?: string
  readonly Labels?: Readonly<Record<string, string>> | null
}

/** Waits for all, then fails with the first failure: what runs on alone would escape the clean-up. */
async function all(promises: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(promises)) fulfilled(result)
}

function fulfilled<T>(result: PromiseSettledResult<T>): T {
  if (result.status === 'rejected') throw result.reason
  return result.value
}

/** The runtime's words, and what they mean where they do not say it. */
function explainStart(message: string, arch: Arch | undefined): string {
  if (/exec format error/i.test(message))
    return `the engine's machine cannot run programs ${arch === undefined ? 'of this image' : `for ${arch}`}: ${message}`
  return message
}
