// A thin client of etcd 3.4 and later: ranges, transactions, watches, leases. It goes on with the next endpoint when one
// does not answer, and gets a new token when etcd has forgotten the old one. gRPC is loaded with the first client.

import type { CallOptions, ChannelCredentials, Client, ClientDuplexStream, Metadata } from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { Clock } from '../clock.ts'
import { SlipwayError } from '../errors.ts'
import { etcdError, grpcStatus, isTokenRefused } from './errors.ts'
import { etcdProtocol } from './protocol.ts'

export type EtcdSettings = {
  /** `http://host:port` or `https://host:port`, tried in turn; all of one scheme. */
  readonly endpoints: readonly string[]
  /** PEM. Without `ca` the system's authorities are trusted. */
  readonly tls?: { readonly ca?: string; readonly certificate?: string; readonly key?: string }
  readonly user?: string
  readonly password?: string
  /** A call has failed after this time; default 5 s. */
  readonly callMs?: number
}

export type EtcdKeyValue = {
  readonly key: string
  readonly value: Buffer
  readonly createRevision: number
  readonly modRevision: number
  /** The lease it vanishes with; `0` for none. */
  readonly lease: string
}
export type EtcdRange = {
  readonly key: string
  /** Exclusive; without it only `key` itself. */
  readonly end?: string
  readonly limit?: number
  readonly keysOnly?: boolean
}
export type EtcdCompare =
  | { readonly kind: 'absent'; readonly key: string }
  | { readonly kind: 'value'; readonly key: string; readonly value: string }
export type EtcdOperation =
  | ({ readonly kind: 'range' } & EtcdRange)
  | { readonly kind: 'put'; readonly key: string; readonly value: Uint8Array; readonly lease?: string }
  | { readonly kind: 'delete'; readonly key: string; readonly end?: string }
export type EtcdTransaction = {
  readonly compare: readonly EtcdCompare[]
  readonly success: readonly EtcdOperation[]
  readonly failure?: readonly EtcdOperation[]
}
export type EtcdTransactionResult = {
  readonly succeeded: boolean
  /** Of the store, when the transaction was executed. */
  readonly revision: number
  /** Per operation what it found; empty for all but ranges. */
  readonly found: readonly (readonly EtcdKeyValue[])[]
}
export type EtcdEvent = { readonly kind: 'put' | 'delete'; readonly entry: EtcdKeyValue }

type WireKeyValue = { key: Buffer; value: Buffer; create_revision: string; mod_revision: string; lease: string }
type WireRange = { header: { revision: string }; kvs: WireKeyValue[]; more: boolean }
type WireTransaction = {
  header: { revision: string }
  succeeded: boolean
  responses: { response_range?: WireRange | null }[]
}
type WireWatch = {
  header: { revision: string }
  created: boolean
  canceled: boolean
  compact_revision: string
  cancel_reason: string
  events: { type: 'PUT' | 'DELETE'; kv: WireKeyValue }[]
}
type Method = MethodDefinition<object, object>
type CallSettings = {
  readonly attempted: string
  readonly signal: AbortSignal | undefined
  /** It may be sent again when nobody knows what became of it. */
  readonly isRepeatable: boolean
}

const callMsDefault = 5000
/** Waits before the next endpoint, or the same one again. */
const retryMsMin = 100
const retryMsMax = 500
/** A peer that is silent for so long while a watch is open is lost. etcd refuses pings more often than every 5 s. */
const keepaliveMs = 10_000
const keepaliveTimeoutMs = 5000

const grpcUnavailable = 14
const grpcDeadlineExceeded = 4

/** The end of the range of all keys with this prefix. */
export function prefixEnd(prefix: string): string {
  const last = prefix.charCodeAt(prefix.length - 1)
  return prefix.slice(0, -1) + String.fromCharCode(last + 1) // prefixes here end with a slash, never with 0xff
}

export class EtcdClient implements AsyncDisposable {
  readonly #grpc: typeof import('@grpc/grpc-js')
  readonly #methods: Readonly<Record<string, Method>>
  readonly #clients: readonly Client[]
  readonly #settings: EtcdSettings
  readonly #clock: Clock
  readonly #closing = new AbortController()
  #current = 0
  #token: Promise<string> | undefined

  private constructor(
    modules: { readonly grpc: typeof import('@grpc/grpc-js'); readonly methods: Readonly<Record<string, Method>> },
    settings: EtcdSettings,
    clock: Clock,
  ) {
    this.#grpc = modules.grpc
    this.#methods = modules.methods
    this.#settings = settings
    this.#clock = clock
    const credentials = channelCredentials(modules.grpc, settings)
    this.#clients = settings.endpoints.map(
      (endpoint) =>
        new modules.grpc.Client(new URL(endpoint).host, credentials, {
          'grpc.initial_reconnect_backoff_ms': retryMsMin,
          'grpc.max_reconnect_backoff_ms': retryMsMax,
          'grpc.keepalive_time_ms': keepaliveMs,
          'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
          'grpc.max_receive_message_length': -1,
          'grpc.max_send_message_length': -1,
          'grpc.enable_retries': 0, // a write must not be sent twice behind our back
        }),
    )
  }

  /** Loads what it needs; connects with the first call. Errors: `module_missing`, `config_invalid`. */
  static async open(settings: EtcdSettings, clock: Clock): Promise<EtcdClient> {
    checkSettings(settings)
    return new EtcdClient(await loadGrpc(), settings, clock)
  }

  /** Entries in byte order of their keys, as of one moment, linearizable. */
  async range(range: EtcdRange, signal?: AbortSignal): Promise<readonly EtcdKeyValue[]> {
    const { found } = await this.transact({ compare: [], success: [{ kind: 'range', ...range }] }, signal, true)
    return found[0] ?? []
  }

  /**
   * At most 128 operations and 1.5 MiB. Errors: see etcdError; after `backend_unavailable` it may have been executed, or may
   * still be. `isRepeatable`: it is sent again until an answer comes or the time of a call is over.
   */
  async transact(
    transaction: EtcdTransaction,
    signal?: AbortSignal,
    isRepeatable = false,
  ): Promise<EtcdTransactionResult> {
    const request = {
      compare: transaction.compare.map(wireCompare),
      success: transaction.success.map(wireOperation),
      failure: (transaction.failure ?? []).map(wireOperation),
    }
    const settings = { attempted: 'transaction', signal, isRepeatable }
    const answer = (await this.#call('etcdserverpb.KV/Txn', request, settings)) as WireTransaction
    return {
      succeeded: answer.succeeded,
      revision: Number(answer.header.revision),
      found: answer.responses.map(({ response_range }) => (response_range?.kvs ?? []).map(readKeyValue)),
    }
  }

  /** A new lease of `seconds`. Returns its id. */
  async grantLease(seconds: number, signal?: AbortSignal): Promise<string> {
    const settings = { attempted: 'grant a lease', signal, isRepeatable: true } // one too many just expires
    const answer = (await this.#call('etcdserverpb.Lease/LeaseGrant', { TTL: seconds, ID: 0 }, settings)) as {
      ID: string
    }
    return answer.ID
  }

  /** Renews a lease. Returns the seconds it has left, 0 when it does not exist any more. */
  async keepLeaseAlive(lease: string, signal?: AbortSignal): Promise<number> {
    for await (const answer of this.#stream('etcdserverpb.Lease/LeaseKeepAlive', { ID: lease }, signal, true))
      return Number((answer as { TTL: string }).TTL)
    throw new SlipwayError('backend_unavailable', 'renew a lease: etcd ended the stream')
  }

  /** Ends a lease and deletes its keys; one that does not exist is ended. */
  async revokeLease(lease: string, signal?: AbortSignal): Promise<void> {
    const settings = { attempted: 'revoke a lease', signal, isRepeatable: true }
    try {
      await this.#call('etcdserverpb.Lease/LeaseRevoke', { ID: lease }, settings)
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes('lease not found')) throw error
    }
  }

  /**
   * Changes of the keys of `range` from `fromRevision` on (0: from now), in order, without gap or double; goes on after a lost
   * connection where it was. Whenever it has connected it yields once without events. Ends when `signal` is aborted. Errors: `history_collected` when etcd has compacted what comes
   * next, `backend_auth_failed`.
   */
  async *watch(
    range: EtcdRange,
    fromRevision: number,
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly revision: number; readonly events: readonly EtcdEvent[] }> {
    let next = fromRevision
    for (let failures = 0; !signal.aborted && !this.#closing.signal.aborted; ) {
      try {
        const request = { create_request: { ...wireRange(range), start_revision: next } }
        for await (const answer of this.#stream('etcdserverpb.Watch/Watch', request, signal, false)) {
          const { header, canceled, compact_revision, cancel_reason, events } = answer as WireWatch
          if (canceled) throw watchCanceled(Number(compact_revision), cancel_reason)
          failures = 0
          next = Math.max(next, Number(header.revision) + 1)
          yield { revision: Number(header.revision), events: events.map(readEvent) }
        }
      } catch (error) {
        if (signal.aborted || this.#closing.signal.aborted) return
        if (error instanceof SlipwayError && error.code !== 'backend_unavailable') throw error
      }
      await this.#pause(failures++, signal).catch(() => undefined) // aborted: the loop ends
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new SlipwayError('database_closed', 'the connection to etcd was closed'))
    for (const client of this.#clients) client.close()
  }

  async #call(path: string, request: object, settings: CallSettings): Promise<object> {
    const { attempted, isRepeatable } = settings
    const callMs = this.#settings.callMs ?? callMsDefault
    const signal = this.#withClosing(settings.signal)
    const deadline = this.#clock.now() + callMs
    let isTokenNew = false
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted()
      const number = this.#current
      // With another endpoint to try, a silent one does not get all the time.
      const attemptMs = isRepeatable && this.#clients.length > 1 ? callMs / 2 : callMs
      try {
        const metadata = await this.#metadata(signal)
        const until = Math.min(deadline, this.#clock.now() + attemptMs)
        return await this.#unary(number, this.#method(path), request, { metadata, until, signal })
      } catch (error) {
        if (signal.aborted) throw signal.reason
        if (isTokenRefused(error) && this.#settings.user !== undefined && !isTokenNew) {
          this.#token = undefined
          isTokenNew = true
          continue
        }
        const isLost = grpcStatus(error) === grpcUnavailable || grpcStatus(error) === grpcDeadlineExceeded
        if (isLost) this.#leave(number)
        if (!isLost || !isRepeatable || this.#clock.now() + retryMsMax > deadline) throw etcdError(error, attempted)
        await this.#pause(attempt, signal)
      }
    }
  }

  #unary(
    number: number,
    method: Method,
    request: object,
    options: { readonly metadata: Metadata; readonly until: number; readonly signal: AbortSignal },
  ): Promise<object> {
    const { metadata, until, signal } = options
    const { promise, resolve, reject } = Promise.withResolvers<object>()
    const callOptions: CallOptions = { deadline: until }
    const call = this.#client(number).makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadata,
      callOptions,
      (error, answer) => (error || !answer ? reject(error ?? new Error('no answer')) : resolve(answer)),
    )
    const onAbort = () => call.cancel()
    signal.addEventListener('abort', onAbort, { once: true })
    return promise.finally(() => signal.removeEventListener('abort', onAbort))
  }

  /** Sends one request and yields what comes. Leaving it ends the stream. */
  async *#stream(
    path: string,
    request: object,
    callerSignal: AbortSignal | undefined,
    hasDeadline: boolean,
  ): AsyncGenerator<object> {
    const signal = this.#withClosing(callerSignal)
    signal.throwIfAborted()
    const number = this.#current
    const method = this.#method(path)
    let call: ClientDuplexStream<object, object> | undefined
    const onAbort = () => call?.cancel()
    try {
      const metadata = await this.#metadata(signal)
      const options = hasDeadline ? { deadline: this.#clock.now() + (this.#settings.callMs ?? callMsDefault) } : {}
      call = this.#client(number).makeBidiStreamRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        metadata,
        options,
      )
      call.on('error', () => {}) // also told to the reader below; after it has left nobody asks
      signal.addEventListener('abort', onAbort, { once: true })
      if (signal.aborted) onAbort()
      call.write(request)
      for await (const answer of call) yield answer as object
    } catch (error) {
      if (signal.aborted) throw signal.reason
      if (isTokenRefused(error)) this.#token = undefined
      const isTokenTrouble = isTokenRefused(error) && this.#settings.user !== undefined
      if (grpcStatus(error) === grpcUnavailable || grpcStatus(error) === grpcDeadlineExceeded) this.#leave(number)
      throw isTokenTrouble
        ? new SlipwayError('backend_unavailable', `${path}: the token has expired`, { cause: error })
        : etcdError(error, path)
    } finally {
      signal.removeEventListener('abort', onAbort)
      call?.cancel()
    }
  }

  async #metadata(signal: AbortSignal): Promise<Metadata> {
    const metadata = new this.#grpc.Metadata()
    const { user, password } = this.#settings
    if (user === undefined) return metadata
    // One token for all calls. Whoever waits for it must not be cancelled by the one who asked first.
    this.#token ??= this.#authenticate(user, password ?? '')
    const token = await this.#token
    signal.throwIfAborted()
    metadata.set('token', token)
    return metadata
  }

  #authenticate(name: string, password: string): Promise<string> {
    const until = this.#clock.now() + (this.#settings.callMs ?? callMsDefault)
    const options = { metadata: new this.#grpc.Metadata(), until, signal: this.#closing.signal }
    const number = this.#current
    const token = this.#unary(number, this.#method('etcdserverpb.Auth/Authenticate'), { name, password }, options)
      .then((answer) => (answer as { token: string }).token)
      .catch((error: unknown) => {
        if (this.#token === token) this.#token = undefined
        throw error
      })
    return token
  }

  #client(number: number): Client {
    return this.#clients[number % this.#clients.length]! // checkSettings: there is at least one
  }

  /** The next call uses another endpoint, unless somebody has moved on already. */
  #leave(number: number): void {
    if (this.#current === number) this.#current = number + 1
  }

  #method(path: string): Method {
    return this.#methods[path]! // all that are used are in protocol.ts
  }

  #pause(attempt: number, signal: AbortSignal): Promise<void> {
    return this.#clock.sleep(Math.min(retryMsMin * 2 ** attempt, retryMsMax), this.#withClosing(signal))
  }

  #withClosing(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal
  }
}

function checkSettings({ endpoints }: EtcdSettings): void {
  const wrong = endpoints.find((endpoint) => !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? ''))
  if (endpoints.length === 0) throw new SlipwayError('config_invalid', 'etcd needs at least one endpoint')
  if (wrong !== undefined)
    throw new SlipwayError('config_invalid', `etcd endpoint ${wrong} is not http://host:port or https://host:port`)
  if (new Set(endpoints.map((endpoint) => new URL(endpoint).protocol)).size > 1)
    throw new SlipwayError('config_invalid', 'the endpoints of etcd must all be http or all be https')
}

function channelCredentials(grpc: typeof import('@grpc/grpc-js'), settings: EtcdSettings): ChannelCredentials {
  if (settings.endpoints[0]?.startsWith('https:') !== true) return grpc.credentials.createInsecure()
  const { ca, certificate, key } = settings.tls ?? {}
  const pem = (text: string | undefined) => (text === undefined ? null : Buffer.from(text))
  return grpc.credentials.createSsl(pem(ca), pem(key), pem(certificate))
}

async function loadGrpc(): Promise<{
  grpc: typeof import('@grpc/grpc-js')
  methods: Readonly<Record<string, Method>>
}> {
  try {
    const [grpc, loader] = await Promise.all([import('@grpc/grpc-js'), import('@grpc/proto-loader')])
    const options = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true }
    const definition = loader.fromJSON(etcdProtocol, options)
    const methods: Record<string, Method> = {}
    for (const [service, members] of Object.entries(definition)) {
      if ('format' in members) continue // a message, not a service
      for (const [name, method] of Object.entries(members)) methods[`${service}/${name}`] = method
    }
    return { grpc, methods }
  } catch (cause) {
    const advice = 'install Slipway with its optional packages'
    throw new SlipwayError('module_missing', `etcd needs @grpc/grpc-js and @grpc/proto-loader: ${advice}`, { cause })
  }
}

function watchCanceled(compactedAt: number, reason: string): SlipwayError {
  if (compactedAt > 0)
    return new SlipwayError('history_collected', `watch: etcd has compacted its history up to revision ${compactedAt}`)
  if (/permission denied|PermissionDenied/.test(reason))
    return new SlipwayError('backend_auth_failed', `watch: etcd: ${reason}`)
  return new SlipwayError('backend_unavailable', `watch: etcd: ${reason || 'canceled'}`)
}

function wireRange({ key, end, limit, keysOnly }: EtcdRange): object {
  return {
    key: Buffer.from(key),
    ...(end === undefined ? {} : { range_end: Buffer.from(end) }),
    ...(limit === undefined ? {} : { limit }),
    ...(keysOnly === undefined ? {} : { keys_only: keysOnly }),
  }
}

function wireCompare(compare: EtcdCompare): object {
  const key = Buffer.from(compare.key)
  return compare.kind === 'absent'
    ? { result: 'EQUAL', target: 'CREATE', key, create_revision: 0 }
    : { result: 'EQUAL', target: 'VALUE', key, value: Buffer.from(compare.value) }
}

function wireOperation(operation: EtcdOperation): object {
  switch (operation.kind) {
    case 'range':
      return { request_range: wireRange(operation) }
    case 'put':
      return {
        request_put: { key: Buffer.from(operation.key), value: operation.value, lease: operation.lease ?? 0 },
      }
    case 'delete':
      return { request_delete_range: wireRange(operation) }
  }
}

function readKeyValue({ key, value, create_revision, mod_revision, lease }: WireKeyValue): EtcdKeyValue {
  const [createRevision, modRevision] = [Number(create_revision), Number(mod_revision)]
  return { key: key.toString(), value, createRevision, modRevision, lease }
}

function readEvent({ type, kv }: WireWatch['events'][number]): EtcdEvent {
  return { kind: type === 'PUT' ? 'put' : 'delete', entry: readKeyValue(kv) }
}
