// What the executor keeps of a pod: one directory `<dataDir>/pods/<owner>/<id>` in which everything of the pod is, so that what a
// crash leaves is found by listing and removed by rename. Each fact is a file written by rename, in this order:
//
//   pod.json      which uid and environment it has; without it the pod is half made
//   sandbox.json  the processes; written while they still wait for their user namespace, so none runs unrecorded
//   ended.json    why we killed it, for whoever asks next

import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ProcessIdentity } from '../../../lib/process-identity.ts'
import type { PodId } from '../../driver.ts'

export type PodRecord = {
  readonly version: 1
  readonly isSandboxed: boolean
  /** Name of its control group; a pod may have been made under another id. */
  readonly controlGroup?: string
  /** The task's user outside of the sandbox; undefined when it is the executor's own. */
  readonly uid?: number
  readonly baseEnvironment: Readonly<Record<string, string>>
}

export type SandboxRecord = {
  readonly version: 1
  /** Bubblewrap outside of the sandbox, which waits for the end of `init`. */
  readonly monitor: ProcessIdentity
  /** First process of the pid namespace: killing it kills every process of the pod. */
  readonly init: ProcessIdentity
}

export type EndRecord = { readonly version: 1; readonly message: string }

export type PodDirectory = {
  readonly path: string
  /** The helper's: socket and spools. */
  readonly privateDir: string
  readonly homeDir: string
  readonly temporaryDir: string
  /** What bubblewrap and the helper print when they fail. */
  readonly errorsFile: string
  /** What bubblewrap tells about the processes it made. */
  readonly infoFile: string
}

/** A pod whose helper listens. */
export type StartedPod = {
  readonly directory: PodDirectory
  readonly record: PodRecord
  readonly sandbox: SandboxRecord
}

export function podDirectory(podsDir: string, id: PodId): PodDirectory {
  const path = join(podsDir, id)
  return {
    path,
    privateDir: join(path, 'helper'),
    homeDir: join(path, 'home'),
    temporaryDir: join(path, 'tmp'),
    errorsFile: join(path, 'errors'),
    infoFile: join(path, 'info'),
  }
}

/** Ids of every pod that has a directory. */
export function listPodDirectories(podsDir: string): readonly PodId[] {
  try {
    return readdirSync(podsDir)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

/** Fails when there is one. */
export function makePodDirectory(directory: PodDirectory): void {
  mkdirSync(directory.path, { mode: 0o700 })
}

/** What a pod has in its directory before anything of it runs. */
export function makePodFolders(directory: PodDirectory): void {
  for (const path of [directory.privateDir, directory.homeDir, directory.temporaryDir]) mkdirSync(path, { mode: 0o700 })
}

export const savePodRecord = (directory: PodDirectory, record: PodRecord): void => save(directory, 'pod.json', record)
export const loadPodRecord = (directory: PodDirectory): PodRecord | undefined => load(directory, 'pod.json')

export const saveSandboxRecord = (directory: PodDirectory, record: SandboxRecord): void =>
  save(directory, 'sandbox.json', record)
export const loadSandboxRecord = (directory: PodDirectory): SandboxRecord | undefined => load(directory, 'sandbox.json')

export const saveEndRecord = (directory: PodDirectory, record: EndRecord): void => save(directory, 'ended.json', record)
export const loadEndRecord = (directory: PodDirectory): EndRecord | undefined => load(directory, 'ended.json')

/** Not synced to disk: after a power failure the processes are gone too, and a torn record counts as none. */
function save(directory: PodDirectory, name: string, record: object): void {
  const path = join(directory.path, name)
  writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

/** The file is ours, in a directory nobody else can write; undefined when it is missing, torn or of another version. */
function load<T extends { readonly version: 1 }>(directory: PodDirectory, name: string): T | undefined {
  try {
    const record = JSON.parse(readFileSync(join(directory.path, name), 'utf8')) as T
    return record.version === 1 ? record : undefined
  } catch {
    return undefined
  }
}
