// Images on the engine: finds or pulls what a container needs, and remembers for a moment what was found.

import type { Clock, Timestamp } from '../../../lib/clock.ts'
import { SlipwayError } from '../../../lib/errors.ts'
import {
  credentialsOf,
  findRegistryAuth,
  type ImageName,
  parseImageName,
  registryAuthHeader,
} from '../../../pipeline/languages/image-name/image-name.ts'
import type { Arch } from '../../../pipeline/run-config.ts'
import type { PodSpec, SetupLog } from '../../driver.ts'
import { ImagePullError } from '../../image-pull-error.ts'
import { type Engine, EngineError, isEngineError } from './engine.ts'
import { type PullMessage, PullProgress } from './pull-progress.ts'

/** What is found is trusted for this long; an image that is removed meanwhile is noticed when the container is made. */
const rememberedMs = 30_000

export type Image = {
  /** Of the engine: stays the same image when the tag moves on. */
  readonly id: string
  readonly reference: string
  readonly arch: string
  /** Empty means root. */
  readonly user: string
  readonly environment: readonly string[]
}

export type ImageRequest = Pick<PodSpec, 'arch' | 'pull' | 'registryAuth'> & {
  readonly reference: string
  readonly log: SetupLog
  readonly signal: AbortSignal
}

export class ImageStore {
  readonly #engine: Engine
  readonly #clock: Clock
  readonly #remembered = new Map<string, { readonly image: Image; readonly until: Timestamp }>()

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine
    this.#clock = clock
  }

  /** The image as the pull policy wants it. Fails with `image_pull` and the registry's or engine's answer. */
  async get(request: ImageRequest): Promise<Image> {
    const key = `${request.reference} ${request.arch ?? ''}`
    if (request.pull !== 'always') {
      const remembered = this.#remembered.get(key)
      if (remembered !== undefined && this.#clock.now() < remembered.until) return remembered.image
    }
    const image = await this.#find(request)
    const now = this.#clock.now()
    for (const [other, { until }] of this.#remembered) if (until <= now) this.#remembered.delete(other)
    this.#remembered.set(key, { image, until: now + rememberedMs })
    return image
  }

  /** To be called when the engine does not know an image any more that was remembered. */
  forget(): void {
    this.#remembered.clear()
  }

  async #find(request: ImageRequest): Promise<Image> {
    const { reference, arch, pull } = request
    const local = pull === 'always' ? undefined : await this.#inspect(reference, request.signal)
    if (local !== undefined && fits(local, arch)) return local
    if (pull === 'never')
      throw new ImagePullError(
        reference,
        local === undefined
          ? 'it is not on the engine, and may not be pulled (pull: never)'
          : `what is on the engine is for ${local.arch}, the task wants ${arch}, and it may not be pulled (pull: never)`,
      )
    if (local !== undefined) request.log(`image ${reference} is here for ${local.arch}, the task wants ${arch}`)
    await this.#pull(request)
    const pulled = await this.#inspect(reference, request.signal)
    if (pulled === undefined) throw new ImagePullError(reference, 'it was pulled, but the engine does not have it')
    if (!fits(pulled, arch)) throw new ImagePullError(reference, `it is for ${pulled.arch}, the task wants ${arch}`)
    return pulled
  }

  async #inspect(reference: string, signal: AbortSignal): Promise<Image | undefined> {
    try {
      const answer = (await this.#engine.call({
        method: 'GET',
        path: `/images/${encodeReference(reference)}/json`,
        signal,
      })) as ImageInspect
      return {
        id: answer.Id,
        reference,
        arch: answer.Architecture ?? '',
        user: answer.Config?.User ?? '',
        environment: answer.Config?.Env ?? [],
      }
    } catch (error) {
      if (isEngineError(error, 404)) return undefined
      if (isEngineError(error, 400)) throw refused(reference, error.message, error)
      throw error
    }
  }

  async #pull({ reference, arch, registryAuth, log, signal }: ImageRequest): Promise<void> {
    const image = parseImageName(reference)
    if (!image.ok) throw new ImagePullError(reference, image.message)
    const auth = authHeader(image.value.registry, registryAuth)
    log(`${reference}: pulling${arch === undefined ? '' : ` for ${arch}`}`)
    const progress = new PullProgress(reference)
    try {
      const messages = this.#engine.lines({
        method: 'POST',
        path: '/images/create',
        query: {
          fromImage: withoutIdentifier(reference, image.value),
          tag: image.value.identifier,
          platform: arch === undefined ? undefined : `linux/${arch}`,
        },
        ...(auth === undefined ? {} : { headers: { 'x-registry-auth': auth } }),
        signal,
      })
      for await (const line of messages) {
        const message = line as PullMessage
        if (message.error !== undefined) throw new EngineError(500, message.errorDetail?.message ?? message.error)
        for (const text of progress.push(message, this.#clock.now())) log(text)
      }
    } catch (error) {
      if (isEngineError(error)) throw refused(reference, error.message, error)
      throw error
    }
  }
}

type ImageInspect = {
  readonly Id: string
  readonly Architecture?: string
  readonly Config?: { readonly User?: string; readonly Env?: readonly string[] | null } | null
}

const fits = (image: Image, arch: Arch | undefined) => arch === undefined || image.arch === '' || image.arch === arch

function refused(reference: string, answer: string, cause: unknown): SlipwayError {
  return new ImagePullError(reference, answer, { cause })
}

/** The name as it was written: what `localhost/app` means is for the engine to say. */
function withoutIdentifier(reference: string, { tag, digest }: ImageName): string {
  const base = digest === undefined ? reference : reference.slice(0, -`@${digest}`.length)
  return tag === undefined ? base : base.slice(0, -`:${tag}`.length)
}

/** The task's credentials for a registry as the engine takes them, undefined when it has none. */
function authHeader(registry: string, auths: PodSpec['registryAuth']): string | undefined {
  const auth = findRegistryAuth(registry, auths)
  if (auth === undefined) return undefined
  const credentials = credentialsOf(auth)
  if (credentials.ok) return registryAuthHeader(registry, credentials.value)
  throw new SlipwayError('setup_failed', `the credentials for the registry ${registry}: ${credentials.message}`)
}

/** Slashes and colons stay, as the engine's router wants them; anything else cannot leave the path. */
function encodeReference(reference: string): string {
  return reference.split('/').map(encodeURIComponent).join('/')
}
