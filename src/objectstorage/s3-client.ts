// Calls to an S3 server: one attempt at a time through the SDK, whose own retries are off, because only here is it known what
// may be repeated, for how long, and what an answer that never came may mean. The SDK is imported by the first storage that
// is opened, so that an installation without S3 pays nothing for it.

import { readFile } from 'node:fs/promises'
import type { LookupFunction } from 'node:net'
import { rootCertificates } from 'node:tls'
import type { S3ClientConfig, S3Client as SdkClient } from '@aws-sdk/client-s3'
import { type Clock, systemClock } from '../lib/clock.ts'
import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { silentLogger } from '../lib/log.ts'
import type { S3Credentials, S3Settings } from './s3-settings.ts'

export type Sdk = typeof import('@aws-sdk/client-s3')

/** What tests replace. */
export type S3Seams = { readonly clock?: Clock; readonly random?: () => number; readonly lookup?: LookupFunction }

export type CallOptions = {
  /** For messages: `read object a/b`. */
  readonly attempt: string
  readonly signal?: AbortSignal | undefined
  /** What one attempt may take until its answer begins; by default `limits.storageCallMs`. */
  readonly timeoutMs?: number
  /** Hears of every attempt that failed and may be repeated, the last one included. */
  readonly onFailure?: (failure: S3Failure) => void
}

/** What is left of an error of the SDK, of a connection or of a clock that ran out. */
export type S3Failure = {
  readonly error: unknown
  /** Name of the error in S3's words, like `NoSuchKey`; a HEAD request has no body and gives `NotFound` or less. */
  readonly name: string
  readonly status: number | undefined
  readonly isTransient: boolean
  /** Whether the server certainly did nothing: it said so, or was never reached. */
  readonly isRefusal: boolean
}

/** More connections than that wait for each other; readers that pause keep theirs. */
const connectionsMax = 256
const backoffMsFirst = 100
const backoffMsMax = 5000
const connectMsMax = 10_000

const silent = { ...silentLogger, trace: () => {} }

export class S3Client implements Disposable {
  readonly sdk: Sdk
  readonly bucket: string
  readonly #client: SdkClient
  /** Sends nothing: it tells which request would be sent, at the address where others reach the bucket. */
  readonly #addressing: SdkClient
  readonly #settings: S3Settings
  readonly #clock: Clock
  readonly #random: () => number

  private constructor(sdk: Sdk, config: S3ClientConfig, settings: S3Settings, seams: S3Seams) {
    this.sdk = sdk
    this.bucket = settings.bucket
    this.#client = new sdk.S3Client(config)
    const { publicEndpoint } = settings
    this.#addressing = new sdk.S3Client(publicEndpoint === undefined ? config : { ...config, endpoint: publicEndpoint })
    this.#addressing.middlewareStack.add(
      () => (args) => Promise.resolve({ response: {}, output: { $metadata: {}, request: args.request } as never }),
      { step: 'build', priority: 'high' },
    )
    this.#settings = settings
    this.#clock = seams.clock ?? systemClock
    this.#random = seams.random ?? Math.random
  }

  /** `object_storage_config` when the SDK is not installed or the file with the CA cannot be read. */
  static async open(settings: S3Settings, seams: S3Seams): Promise<S3Client> {
    const sdk = await importSdk()
    const authorities = settings.caFile === undefined ? undefined : await readAuthorities(settings.caFile)
    const agent = {
      keepAlive: true,
      maxSockets: connectionsMax,
      ...(seams.lookup === undefined ? {} : { lookup: seams.lookup }),
    }
    const config: S3ClientConfig = {
      region: settings.region,
      forcePathStyle: settings.pathStyle ?? settings.endpoint !== undefined,
      // By default the SDK adds checksums in ways that servers other than Amazon's refuse; ours are in the footer.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      maxAttempts: 1,
      // It would write to the console what is an error here anyway.
      logger: silent,
      // It makes a connection for each request, without our CA.
      expectContinueHeader: false,
      requestHandler: {
        logger: silent,
        connectionTimeout: connectMsMax,
        httpAgent: agent,
        httpsAgent: authorities === undefined ? agent : { ...agent, ca: [...rootCertificates, authorities] },
      },
    }
    if (settings.endpoint !== undefined) config.endpoint = settings.endpoint
    if (settings.credentials !== undefined) config.credentials = settings.credentials
    return new S3Client(sdk, config, settings, seams)
  }

  get clock(): Clock {
    return this.#clock
  }

  /**
   * Sends until there is an answer that repeating will not change, at most `limits.storageAttempts` times. Throws the reason of
   * the signal, an `S3Refused` for an answer that says no, or `object_storage_unavailable`.
   */
  async call<T>(options: CallOptions, send: (client: SdkClient, signal: AbortSignal) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      options.signal?.throwIfAborted()
      try {
        return await this.#once(options, send)
      } catch (error) {
        options.signal?.throwIfAborted()
        const failure = failureOf(error)
        if (!failure.isTransient) throw new S3Refused(failure)
        options.onFailure?.(failure)
        if (attempt >= limits.storageAttempts.value)
          throw failure.name === skewedClock
            ? this.refused(options.attempt, failure)
            : this.unavailable(options.attempt, failure)
        await this.pause(attempt, options.signal)
      }
    }
  }

  /** Between attempts: longer each time, and not at the same moment as all the others who were told to slow down. */
  async pause(attempt: number, signal: AbortSignal | undefined): Promise<void> {
    const most = Math.min(backoffMsMax, backoffMsFirst * 2 ** (attempt - 1))
    await this.#clock.sleep(most * (0.5 + this.#random() / 2), signal)
  }

  /** The address of the request that a command would be: where executors reach it, see `S3Settings.publicEndpoint`. */
  async urlOf(send: (client: SdkClient) => Promise<unknown>): Promise<URL> {
    const { request } = (await send(this.#addressing)) as { readonly request: AddressedRequest }
    const { protocol, hostname, port, path, query } = request
    const url = new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`)
    for (const [name, value] of Object.entries(query)) if (name !== 'x-id') url.searchParams.set(name, value)
    return url
  }

  /** What requests are signed with. Errors: `object_storage_denied` when there are no credentials. */
  async signer(): Promise<{ readonly credentials: S3Credentials; readonly region: string }> {
    const { config } = this.#client
    try {
      const { accessKeyId, secretAccessKey, sessionToken } = await config.credentials()
      const credentials = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
      return { credentials, region: await config.region() }
    } catch (error) {
      throw this.refused('sign a request', failureOf(error))
    }
  }

  unavailable(attempt: string, { error, status, name }: S3Failure): SlipwayError {
    const answer = status === undefined ? messageOf(error) : `${name} (${status})`
    const message = `${attempt}: ${this.#place()} does not answer as it should: ${answer}`
    return new SlipwayError('object_storage_unavailable', message, { cause: error })
  }

  /** The error for people of a call that the server refused. */
  refused(attempt: string, failure: S3Failure): SlipwayError {
    const { code, text } = explain(failure, this.#settings)
    return new SlipwayError(code, `${attempt}: ${text}`, { cause: failure.error })
  }

  [Symbol.dispose](): void {
    this.#client.destroy()
    this.#addressing.destroy()
  }

  async #once<T>(options: CallOptions, send: (client: SdkClient, signal: AbortSignal) => Promise<T>): Promise<T> {
    const attempt = new AbortController()
    const answered = new AbortController()
    const onAbort = () => attempt.abort(options.signal?.reason)
    options.signal?.addEventListener('abort', onAbort, { once: true })
    this.#clock.sleep(options.timeoutMs ?? limits.storageCallMs.value, answered.signal).then(
      () => attempt.abort(new CallTimeout()),
      () => {}, // Answered in time.
    )
    try {
      return await send(this.#client, attempt.signal)
    } catch (error) {
      if (attempt.signal.aborted) throw attempt.signal.reason
      attempt.abort(error) // Whatever of the request is still under way.
      throw error
    } finally {
      answered.abort()
      options.signal?.removeEventListener('abort', onAbort)
    }
  }

  #place(): string {
    return placeOf(this.#settings)
  }
}

/** Of the SDK's request, what is its address. */
type AddressedRequest = {
  readonly protocol: string
  readonly hostname: string
  readonly port?: number
  readonly path: string
  readonly query: Readonly<Record<string, string>>
}

/** An answer that repeating does not change; caught in the storage, which knows what it means there. */
export class S3Refused {
  readonly failure: S3Failure

  constructor(failure: S3Failure) {
    this.failure = failure
  }
}

/** What an attempt may take that sends or receives that much: a slow line is not a dead one. */
export function timeoutMsFor(sizeBytes: number): number {
  const slowestBytesPerMs = 256
  return limits.storageCallMs.value + Math.ceil(sizeBytes / slowestBytesPerMs)
}

class CallTimeout extends Error {
  constructor() {
    super('no answer in time')
    this.name = 'CallTimeout'
  }
}

/** The SDK corrects its clock by the Date of the answer, so the next attempt has another time. */
const skewedClock = 'RequestTimeTooSkewed'
const transientNames = new Set([
  'SlowDown',
  'RequestTimeout',
  'InternalError',
  'ServiceUnavailable',
  'ThrottlingException',
  'OperationAborted',
  'ConditionalRequestConflict',
  skewedClock,
])
const refusalNames = new Set(['SlowDown', 'OperationAborted', 'ConditionalRequestConflict', skewedClock])
const connectionCodes = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ERR_STREAM_PREMATURE_CLOSE',
])
const unreachedCodes = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTUNREACH'])

export function failureOf(error: unknown): S3Failure {
  const { name = 'Unknown', $metadata, code } = error as Partial<SdkError>
  const status = $metadata?.httpStatusCode
  const isConnection =
    (status === undefined && (connectionCodes.has(code ?? '') || name === 'TimeoutError')) || name === 'CallTimeout'
  // An answer that is no XML, of a proxy on the way or cut in its middle.
  const isGarbled = status !== undefined && status < 300
  const isTransient =
    isConnection ||
    isGarbled ||
    transientNames.has(name) ||
    status === 429 ||
    (status !== undefined && status >= 500 && status !== 501)
  const isRefusal = refusalNames.has(name) || status === 429 || unreachedCodes.has(code ?? '')
  return { error, name, status, isTransient, isRefusal }
}

type SdkError = { name: string; code: string; message: string; $metadata: { httpStatusCode?: number } }

const badCredentials = new Set([
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'InvalidToken',
  'ExpiredToken',
  'TokenRefreshRequired',
  'CredentialsProviderError',
])
const otherRegion = new Set(['PermanentRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException'])

function explain(failure: S3Failure, settings: S3Settings): { code: SlipwayError['code']; text: string } {
  const place = placeOf(settings)
  const { name, status, error } = failure
  if (name === 'CredentialsProviderError')
    return {
      code: 'object_storage_denied',
      text: 'no credentials for S3: give them in the configuration or in one of the usual places of the environment',
    }
  if (badCredentials.has(name))
    return {
      code: 'object_storage_denied',
      text: `${place} does not accept the credentials (${name}): check both keys`,
    }
  if (name === skewedClock)
    return { code: 'object_storage_denied', text: `the clocks of ${place} and of this machine differ: set them right` }
  if (name === 'NoSuchBucket')
    return { code: 'object_storage_no_bucket', text: `bucket ${settings.bucket} does not exist at ${place}: create it` }
  if (name === 'QuotaExceeded' || status === 507)
    return { code: 'disk_full', text: `the quota of bucket ${settings.bucket} is used up; make room and try again` }
  if (otherRegion.has(name) || status === 301)
    return { code: 'object_storage_config', text: `bucket ${settings.bucket} is not in region ${settings.region}` }
  if (isCertificateError(error))
    return {
      code: 'object_storage_unavailable',
      text: `the certificate of ${place} is not trusted (${messageOf(error)}): name its authority with caFile`,
    }
  if (status === 403 || status === 401)
    return {
      code: 'object_storage_denied',
      text: `${place} denies it (${name}, ${status}): the credentials need the right for it on bucket ${settings.bucket}`,
    }
  if (status === undefined) return { code: 'object_storage_failed', text: messageOf(error) }
  return { code: 'object_storage_failed', text: `${place} refuses it: ${name} (${status})` }
}

function isCertificateError(error: unknown): boolean {
  const code = (error as Partial<SdkError>).code
  return code !== undefined && /CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)/.test(code)
}

const placeOf = ({ endpoint, region }: S3Settings) => endpoint ?? `S3 in ${region}`

/** Of errors of connections: an AggregateError, of all addresses of a name, has no text of its own. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.message || (error as Partial<SdkError>).code || error.name
}

async function importSdk(): Promise<Sdk> {
  try {
    return await import('@aws-sdk/client-s3')
  } catch (cause) {
    const message = 'S3 needs the package @aws-sdk/client-s3, which is not installed: npm install @aws-sdk/client-s3'
    throw new SlipwayError('object_storage_config', message, { cause })
  }
}

async function readAuthorities(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new SlipwayError('object_storage_config', `read caFile ${file} of the object storage`, { cause })
  }
}
