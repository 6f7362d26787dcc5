// What an executor needs of the runservice: the executor protocol as an interface. In one process it is called directly;
// over HTTP the same calls are routes. Down: orders, as a stream. Up: plain calls.

import type { GitAccessOptions } from '../lib/git-access.ts'
import type { SignedRequest } from '../objectstorage/direct-transfers.ts'
import type { Arch, ArchiveContent, Container, Step } from '../pipeline/run-config.ts'
import type { UploadedArchive, UploadPart } from './archives/uploads.ts'
import type { Reason } from './reasons.ts'
import type { Executor, PrintedSecret, StepPhase, Trust } from './types.ts'

export type ExecutorHello = Pick<
  Executor,
  'id' | 'archs' | 'labels' | 'allowPrivileged' | 'drivers' | 'taskLimit' | 'version'
> & {
  /** Executor tasks it has on disk, with the number of the last status it counted up. */
  readonly has: readonly { readonly id: string; readonly lastStatus: number }[]
}

export type OrderMessage =
  /**
   * Execute this, or go on with it. Sent for every unfinished order after each connect, because an executor that restarted
   * keeps no secrets on its disk; one that executes it already ignores it.
   */
  | { readonly kind: 'execute'; readonly order: Order }
  | { readonly kind: 'stop'; readonly executorTaskId: string }
  /** Nobody knows that task any more: kill its pod and drop its data. */
  | { readonly kind: 'gone'; readonly executorTaskId: string }

/** Everything an executor needs for one task. Secrets are resolved here and nowhere else: an order is never stored. */
export type Order = {
  readonly executorTaskId: string
  /** It is asked to stop: what was not begun is not. */
  readonly stop: boolean
  /** Number of the last status the runservice applied: the executor counts on from there. */
  readonly lastStatus: number
  readonly runId: string
  readonly runTaskId: string
  readonly taskName: string
  readonly arch?: Arch
  readonly containers: readonly (Omit<Container, 'environment'> & { readonly environment: PlainEnvironment })[]
  /** Task, static and run environment, and the run counter, merged: later wins. */
  readonly environment: PlainEnvironment
  readonly workingDir: string
  readonly shell: string
  readonly user: string
  readonly steps: readonly OrderStep[]
  readonly registryAuth: Readonly<Record<string, PlainRegistryAuth>>
  readonly timeoutMs: number
  readonly cacheGroup: string
  readonly trust: Trust
  /** Archives of all ancestors, by level then name, steps in order; saved ones only. */
  readonly workspace: readonly WorkspaceOperation[]
  /** What is to be masked in everything that leaves the executor. */
  readonly secrets: readonly { readonly name: string; readonly value: string }[]
  /** Lines for the setup log, as about secrets that are gone. */
  readonly notes?: readonly string[]
  readonly clone: CloneSource
}

export type PlainEnvironment = Readonly<Record<string, string>>
export type PlainRegistryAuth =
  | { readonly type: 'basic'; readonly username: string; readonly password: string }
  | { readonly type: 'encodedauth'; readonly auth: string }

export type OrderStep =
  | (Omit<Extract<Step, { type: 'run' }>, 'environment'> & { readonly environment: PlainEnvironment })
  | Exclude<Step, { type: 'run' }>

export type WorkspaceOperation = {
  readonly runTaskId: string
  readonly taskName: string
  readonly step: number
  /** Undefined when that step never saved: it is skipped with a line in the log. */
  readonly archive?: StoredArchive
}

export type StoredArchive = { readonly object: string; readonly sizeBytes: number; readonly sha256: string }

export type CloneSource = {
  /** Anything git fetches from, a path included; never with credentials inside. */
  readonly url: string
  readonly ref: string
  readonly commitSha: string
  /** Branch name kept in the clone, empty when there is none. */
  readonly branch: string
  /** What `origin` is set to in the clone; empty means `url`. */
  readonly originUrl: string
  /** Names the mirror on the executor: clone sources with the same key share one. */
  readonly mirrorKey: string
  /** Where submodules are fetched from instead of the URL in .gitmodules, by path. */
  readonly submoduleUrls: Readonly<Record<string, string>>
  /** How to log in; for submodules only on the same host. Left out, git does as it is set up on the executor's machine. */
  readonly access?: GitAccessOptions
}

export type ReportedStep = {
  readonly phase: StepPhase
  readonly exitStatus?: number
  readonly startedAt?: number
  readonly endedAt?: number
  readonly reason?: Reason
}

export type TaskReport = {
  readonly executorTaskId: string
  /** Counted up in the executor's journal before it is sent; at least 1. */
  readonly number: number
  readonly phase: StepPhase
  readonly timedOut: boolean
  readonly setupStep: ReportedStep
  readonly steps: readonly ReportedStep[]
  readonly startedAt?: number
  readonly endedAt?: number
  readonly reason?: Reason
  readonly printedSecrets?: readonly PrintedSecret[]
  /** How a person enters the pod of this failed task, when it was kept. */
  readonly keptPod?: string
}

/** `known`: applied before. `gone`: kill the pod, drop the data. */
export type ReportAnswer = 'applied' | 'known' | 'gone'

/** `setup` or the index of a step. */
export type LogName = 'setup' | number

/** Where a log stands in storage: what an executor may forget, and where it goes on after a restart. */
export type LogPosition = {
  readonly bytes: number
  readonly lines: number
  /** Raw bytes of the step's output that those masked bytes stand for. */
  readonly rawBytes: number
  readonly complete: boolean
}

export interface ExecutorApi {
  /** The orders of this executor until `signal` is aborted. First the difference to what `hello.has` says. */
  connect(hello: ExecutorHello, signal: AbortSignal): AsyncIterable<OrderMessage>
  /** `executor_task_gone` never: that is an answer. An impossible transition is `status_impossible`. */
  report(report: TaskReport, signal?: AbortSignal): Promise<ReportAnswer>

  /** Where the repository is by now, for a clone that fails at the address of its order; that address when nothing else is known. */
  cloneUrl(executorTaskId: string, signal?: AbortSignal): Promise<string>

  logPosition(executorTaskId: string, log: LogName, signal?: AbortSignal): Promise<LogPosition>
  /** Stores a closed frame; acknowledged = durable. A frame that is stored already is acknowledged again. */
  storeFrame(executorTaskId: string, log: LogName, frame: Uint8Array, signal?: AbortSignal): Promise<LogPosition>
  /** Bytes of the open frame, for followers; not stored, may be lost, may be dropped when nobody follows. */
  offerLive(executorTaskId: string, log: LogName, firstByte: number, bytes: Uint8Array): void
  /** The log is complete: merges small last frames and writes its trailer. Idempotent. */
  finishLog(executorTaskId: string, log: LogName, signal?: AbortSignal): Promise<void>

  /** Stores an archive of a `save_to_workspace` step: object first, then its row. Idempotent per step. */
  saveArchive(
    executorTaskId: string,
    step: number,
    data: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<StoredArchive>
  /** Streams a stored archive, verified: ends with an error when it is short or wrong. */
  readArchive(executorTaskId: string, archive: StoredArchive, signal?: AbortSignal): AsyncIterable<Uint8Array>
  /** Looks a cache up: the exact key first, then the newest of those beginning with it. Marks it used. */
  findCache(
    executorTaskId: string,
    key: string,
    options: { readonly exactOnly: boolean },
    signal?: AbortSignal,
  ): Promise<FoundCache | undefined>
  /** As `readArchive`, of a cache. */
  readCache(executorTaskId: string, cache: FoundCache, signal?: AbortSignal): AsyncIterable<Uint8Array>
  /** `stored`, or `exists` when somebody was first. */
  saveCache(
    executorTaskId: string,
    key: string,
    data: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<'stored' | 'exists'>
}

/**
 * The protocol for an executor elsewhere: connecting is two steps, because its calls come one by one, each perhaps to another
 * instance.
 */
export interface RegisteringExecutorApi extends ExecutorApi {
  readonly executorId: string
  /** Writes down what the executor says it is. Errors: `executor_labels_invalid`. */
  register(hello: ExecutorHello): Promise<Registration>
  /**
   * Orders of the executor that registered so, until `signal` is aborted: first all that have not ended, then what changes.
   * Resolves when it is connected; the stream must then be read. Errors: `executor_not_registered`; of the stream, why it
   * ended: `executor_removed`, `executor_superseded`, `executor_not_registered` when it was lost, `unauthenticated`.
   */
  orders(
    registration: Pick<Registration, 'connection' | 'position'>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<SentOrder>>

  /** With a purpose it may become one whose parts go to the bucket directly. */
  beginUpload(executorTaskId: string, purpose?: UploadPurpose): Promise<BegunUpload>
  /** Stores a part; the same again changes nothing. Errors: `service_unavailable` for another SHA-256: send it again. */
  putPart(executorTaskId: string, part: UploadPart): Promise<void>
  /** Where a part of a direct upload is to be sent. Errors: `upload_not_found`, `limit_exceeded`. */
  signPart(executorTaskId: string, part: DirectPartRequest): Promise<SignedPart>
  /** As `signPart` for an executor that cannot reach the bucket: stores it there. The id the upload has from now on. */
  relayPart(executorTaskId: string, part: DirectPartRequest & { readonly data: Uint8Array }): Promise<string>
  /** As `saveArchive`, of what was uploaded. Errors: `upload_not_found`, `object_corrupt`. */
  completeArchive(executorTaskId: string, step: number, upload: UploadedArchive): Promise<StoredArchive>
  /** As `saveCache`. */
  completeCache(executorTaskId: string, key: string, upload: UploadedArchive): Promise<'stored' | 'exists'>
  /** As `readArchive`, from a byte on and not verified: the executor does that. */
  readArchiveFrom(
    executorTaskId: string,
    object: string,
    fromByte: number,
    signal?: AbortSignal,
  ): AsyncIterable<Uint8Array>
  /** As `readArchiveFrom`, of a cache. */
  readCacheFrom(
    executorTaskId: string,
    object: string,
    fromByte: number,
    signal?: AbortSignal,
  ): AsyncIterable<Uint8Array>
  /** Where an archive can be read, or undefined when only we can read it. Errors: as `readArchiveFrom`. */
  signArchiveRead(executorTaskId: string, object: string): Promise<SignedRequest | undefined>
  /** As `signArchiveRead`, of a cache. */
  signCacheRead(executorTaskId: string, object: string): Promise<SignedRequest | undefined>
}

/** A message, and the position of the database it was made at. */
export type SentOrder = { readonly position: number; readonly message: OrderMessage }

export type BegunUpload = {
  readonly uploadId: string
  /** All parts but the last have so many bytes. */
  readonly partBytes: number
  /** Its parts go to the bucket, by `signPart`; after the content comes the footer of stored objects. */
  readonly isDirect?: boolean
}

export type UploadPurpose =
  | { readonly kind: 'workspace'; readonly step: number }
  | { readonly kind: 'cache'; readonly key: string }

export type DirectPartRequest = {
  readonly uploadId: string
  /** From 0. */
  readonly index: number
  readonly isLast: boolean
  readonly sizeBytes: number
  /** Lower case hex. */
  readonly sha256: string
}

export type SignedPart = {
  /** Of the upload, from now on. */
  readonly uploadId: string
  readonly request: SignedRequest
}

/** What an executor's registration came to. */
export type Registration = {
  /** Of the executor's row, see there. */
  readonly connection: number
  /** The state in which it is written. */
  readonly position: number
  /** What it has and nobody knows. */
  readonly gone: readonly string[]
}

export type FoundCache = StoredArchive & { readonly key: string }

/** What an archive step packs. */
export type ArchiveRequest = { readonly contents: readonly ArchiveContent[] }
