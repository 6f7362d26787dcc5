// What the executor keeps of a pod: one directory `<dataDir>/pods/<owner>/<id>` in which everything of the pod is, so that what a
// crash leaves is found by listing and removed by rename. What is known of it are lines of JSON in one file, `records`, as
// adding to a file costs far less than making one. They are added in this order, and the last one of a kind counts:
//
//   {"pod": ...}      which uid and environment it has; without it the pod is half made
//   {"sandbox": ...}  the processes; written while they still wait for their user namespace, so none runs unrecorded
//   {"ended": ...}    why we killed it, for whoever asks next

import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { ProcessIdentity } from '../../../lib/process-identity.ts'
import type { PodId } from '../../driver.ts'

export type PodRecord = {
  readonly version: 1
  readonly isSandboxed: boolean
  /** The id under which it was made and has its uid; a task that got a spare has another one. */
  readonly madeAs?: PodId
  /** Name of its control group, by that id as well. */
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
  /** What is known of the pod. */
  readonly recordsFile: string
  /** The helper's: socket and spools. */
  readonly privateDir: string
  readonly homeDir: string
  readonly temporaryDir: string
  /** What bubblewrap and the helper print when they fail. */
  readonly errorsFile: string
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
    recordsFile: join(path, 'records'),
    privateDir: join(path, 'helper'),
    homeDir: join(path, 'home'),
    temporaryDir: join(path, 'tmp'),
    errorsFile: join(path, 'errors'),
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
export async function makePodDirectory(directory: PodDirectory): Promise<void> {
  await mkdir(directory.path, { mode: 0o700 })
}

/**
 * What a pod has in its directory before anything of it runs. Made in other threads, as is the directory itself: on many disks
 * each takes a third of a millisecond, and these are of sandboxes made ahead, for which a task that runs need not wait.
 */
export async function makePodFolders({ privateDir, homeDir, temporaryDir }: PodDirectory): Promise<void> {
  await Promise.all([privateDir, homeDir, temporaryDir].map((path) => mkdir(path, { mode: 0o700 })))
}

export const savePodRecord = (directory: PodDirectory, pod: PodRecord): void => save(directory, { pod })
export const loadPodRecord = (directory: PodDirectory): PodRecord | undefined => load(directory).pod

export const saveSandboxRecord = (directory: PodDirectory, sandbox: SandboxRecord): void => save(directory, { sandbox })
export const loadSandboxRecord = (directory: PodDirectory): SandboxRecord | undefined => load(directory).sandbox

export const saveEndRecord = (directory: PodDirectory, ended: EndRecord): void => save(directory, { ended })
export const loadEndRecord = (directory: PodDirectory): EndRecord | undefined => load(directory).ended

/**
 * Whether the pod that was made in this directory, of any executor of the machine, is there, under whatever name it has now.
 */
export function isPodThere(madeIn: string): boolean {
  // A pod is renamed once, so one that is not found under the first name is under the other one.
  if (existsSync(madeIn)) return true
  const podsDir = dirname(madeIn)
  return listPodDirectories(podsDir).some((id) => loadPodRecord(podDirectory(podsDir, id))?.madeAs === basename(madeIn))
}

type Records = { readonly pod?: PodRecord; readonly sandbox?: SandboxRecord; readonly ended?: EndRecord }

/** Not synced to disk: after a power failure the processes are gone too. A line that was cut short is no beginning of the next. */
function save(directory: PodDirectory, record: Records): void {
  appendFileSync(directory.recordsFile, `\n${JSON.stringify(record)}`, { mode: 0o600 })
}

/** The file is ours, in a directory nobody else can write; a record that is missing, torn or of another version counts as none. */
function load(directory: PodDirectory): Records {
  return Object.assign({}, ...linesOf(directory.recordsFile).map(parseRecords)) as Records
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n')
  } catch {
    return []
  }
}

function parseRecords(line: string): Records {
  try {
    const records = JSON.parse(line) as Records
    return Object.values(records).every(({ version }) => version === 1) ? records : {}
  } catch {
    return {}
  }
}
