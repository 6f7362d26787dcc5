// How pods are made: one interface for docker, kubernetes and host. Every driver runs driver-contract.ts. Nothing here
// assumes a shared disk, and every step is handed over in one exec.

import type { Arch } from '../pipeline/run-config.ts'
import type { PlainEnvironment, PlainRegistryAuth } from '../runservice/executor-api.ts'

export type DriverName = 'docker' | 'kubernetes' | 'host'

/** Id of a pod: the executor task id it executes. At most one pod per id on one driver. */
export type PodId = string

export type PodContainer = {
  readonly image: string
  readonly environment: PlainEnvironment
  /** Of service containers; the main container's user is `PodSpec.user`. */
  readonly user: string
  readonly privileged: boolean
  /** Words; empty means: the helper in the main container, the image's own in services. */
  readonly entrypoint: readonly string[]
  readonly volumes: readonly { readonly path: string; readonly tmpfs: { readonly sizeBytes: number } }[]
}

export type PodSpec = {
  readonly id: PodId
  readonly arch?: Arch
  /** At least one; the first is the main container. */
  readonly containers: readonly PodContainer[]
  /** User of every step: name, uid or `user:group`; empty means the image's. */
  readonly user: string
  readonly registryAuth: Readonly<Record<string, PlainRegistryAuth>>
  /** `if_missing` pulls what is not there, `always` asks the registry each time, `never` fails when it is missing. */
  readonly pull: 'if_missing' | 'always' | 'never'
}

/** Lines for the setup log, without line end. */
export type SetupLog = (line: string) => void

export type PodOptions = { readonly log: SetupLog; readonly signal: AbortSignal }

export type DriverFacts = {
  readonly archs: readonly Arch[]
  readonly supportsServices: boolean
  readonly supportsPrivileged: boolean
  /** What it talks to, for people: `Docker Engine 28.2`, `bubblewrap 0.8`. */
  readonly description: string
}

export interface Driver extends AsyncDisposable {
  readonly name: DriverName
  readonly facts: DriverFacts
  /**
   * Makes the pod and returns when steps can be started. Fails with `image_pull`, `setup_failed`,
   * `driver_unsupported`; then, and when aborted, nothing of the pod is left behind.
   */
  createPod(spec: PodSpec, options: PodOptions): Promise<Pod>
  /** The pod that an executor before us left running, or undefined when it is gone. */
  attachPod(id: PodId, signal: AbortSignal): Promise<Pod | undefined>
  /** Ids of all pods of this owner, complete or half made. */
  listPods(signal: AbortSignal): Promise<readonly PodId[]>
  /** Removes a pod by id and everything that belongs to it. Idempotent. */
  removePod(id: PodId, signal: AbortSignal): Promise<void>
}

export type StepCommand = {
  /** Unique in the pod, letters, digits and `-`: names its spool. */
  readonly id: string
  /** Command words; the script's path is appended when there is one. */
  readonly argv: readonly string[]
  /** Written to a private file that is removed afterwards. */
  readonly script?: string
  /** Added to the container's environment. */
  readonly environment: PlainEnvironment
  /** `~` and `~/x` are the step user's home; relative to it is `baseDir`. Must exist, unless `createDirs` names it. */
  readonly workingDir: string
  /** Made first, with missing parents, as the step's user; `~` expanded. */
  readonly createDirs: readonly string[]
  readonly tty: boolean
}

export type StepExit =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signaled'; readonly signal: string }
  /** Could not be started: no such shell, directory or user; what the helper says. */
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'out_of_memory' }
  /** The pod went away under it. */
  | { readonly kind: 'lost'; readonly message: string }

/** A step that runs, or ran, in a pod. It outlives the handle: disposing or aborting only lets go of it. */
export interface StepProcess extends AsyncDisposable {
  /** Output from the asked offset, as often as needed one after another; ends when the step has ended and all is read. */
  output(): AsyncIterable<Uint8Array>
  /** Resolves when the step has ended and its output was read to the end. */
  readonly exit: Promise<StepExit>
  /** Everything before this offset of the output is stored elsewhere: the pod may forget it. Lets a slowed step go on. */
  release(offset: number): void
  /** Asks the step and everything it started to end (SIGTERM); whether they do is theirs. */
  interrupt(): Promise<void>
  /** Kills the step and everything it started. Idempotent. */
  kill(): Promise<void>
}

export type ArchiveEntrySource = {
  /** `~` expanded; relative to the working directory. */
  readonly sourceDir: string
  readonly destDir: string
  readonly paths: readonly string[]
}

export interface Pod {
  readonly id: PodId
  /** Starts a step in one exec. Starting a step id again that already ran or runs attaches to it. */
  start(command: StepCommand, signal: AbortSignal): Promise<StepProcess>
  /** A step started earlier, its output from `offset`; `pod_gone` when there is no such step. */
  attach(stepId: string, offset: number, signal: AbortSignal): Promise<StepProcess>

  /** A tar stream of what matches. `notes` gets a line for each thing left out. */
  archive(request: PodArchiveRequest, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** Unpacks a tar stream; never outside `destDir`, never through a symlink. Returns when all is on disk. */
  unarchive(request: PodUnarchiveRequest, data: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>
  /** Evaluates what cache keys ask for, as the step's user in the working directory. */
  query(request: PodQuery, signal: AbortSignal): Promise<PodAnswer>
  /** Stops and removes everything of the pod. Idempotent. */
  remove(signal: AbortSignal): Promise<void>
  /** How a person enters a kept pod: starts a POSIX shell as the steps' user; the path of a script may be appended. */
  readonly enterCommand: string
}

export type PodArchiveRequest = {
  readonly contents: readonly ArchiveEntrySource[]
  readonly workingDir: string
  readonly environment: PlainEnvironment
  readonly limits: { readonly sizeBytesMax: number; readonly entriesMax: number }
  readonly note: (line: string) => void
}

export type PodUnarchiveRequest = {
  readonly destDir: string
  readonly workingDir: string
  readonly environment: PlainEnvironment
  /** `refuse` fails on a file that is there; directories always merge. `empty` wants an empty or missing `destDir`. */
  readonly existing: 'refuse' | 'overwrite' | 'empty'
  readonly limits: { readonly sizeBytesMax: number; readonly entriesMax: number }
}

export type PodQuery = {
  readonly workingDir: string
  readonly environment: PlainEnvironment
  /** Files whose digest is asked, relative to the working directory, at most 1 MiB each. */
  readonly digests: readonly { readonly algorithm: 'md5' | 'sha256'; readonly file: string }[]
  /** Environment variables whose value in the container is asked. */
  readonly variables: readonly string[]
}

export type PodAnswer = {
  /** Lower case hex, or why it cannot be made, in the order of `digests`. */
  readonly digests: readonly ({ readonly hex: string } | { readonly error: string })[]
  /** Empty string when unset, in the order of `variables`. */
  readonly variables: readonly string[]
  /** Go's name of the helper's architecture. */
  readonly arch: string
  /** Local time in the container: nanoseconds since 1970 as decimal, and the date. */
  readonly unixNanoseconds: string
  readonly year: string
  readonly month: string
  readonly day: string
}
