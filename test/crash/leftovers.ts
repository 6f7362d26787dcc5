// What an installation may not leave behind once its run is finished and it is closed: looked for in the places of the
// machine itself, not asked of the code under test.

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { uidClaimsDir } from '../../src/executor/drivers/host/uid-pool.ts'
import { openJournal } from '../../src/executor/journal.ts'
import { paths } from './installation.ts'

export type Traces = {
  readonly dataDir: string
  /** Stands in the names of pods and in the label of their owner. */
  readonly id: string
  readonly driver: 'host' | 'docker'
}

/** Children that the killed process had started, such as git, end by themselves: they get this long. */
const processesEndMs = 5_000

export async function leftoversOf(traces: Traces): Promise<readonly string[]> {
  const { dataDir, id, driver } = traces
  return [
    ...(await processesLeft([dataDir, id])),
    ...mounts(dataDir),
    ...(driver === 'docker' ? containersOf(id) : [...pods(dataDir), ...uidClaimsOf(dataDir), ...controlGroups(id)]),
    ...temporaryFiles(dataDir),
  ]
}

/**
 * Processes that have one of these texts in their command line, environment, directory or open files, and do not end by
 * themselves.
 */
export async function processesLeft(marks: readonly string[]): Promise<readonly string[]> {
  for (let waitedMs = 0; ; waitedMs += 50) {
    const found = processesWith(marks)
    if (found.length === 0 || waitedMs >= processesEndMs) return found
    await sleep(50)
  }
}

function processesWith(marks: readonly string[]): readonly string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return []
    const texts = [read(`/proc/${pid}/cmdline`), read(`/proc/${pid}/environ`), link(`/proc/${pid}/cwd`)]
    const files = list(`/proc/${pid}/fd`).map((fd) => link(`/proc/${pid}/fd/${fd}`))
    const isOurs = [...texts, ...files].some((text) => marks.some((mark) => text.includes(mark)))
    return isOurs ? [`process ${pid}: ${texts[0]!.replaceAll('\0', ' ').slice(0, 200)}`] : []
  })
}

function mounts(dataDir: string): readonly string[] {
  return read('/proc/self/mountinfo')
    .split('\n')
    .filter((line) => line.includes(dataDir))
    .map((line) => `mount: ${line}`)
}

/** Containers of an owner, running or not. */
export function containersOf(id: string): readonly string[] {
  const listed = execFileSync(
    'docker',
    ['ps', '--all', '--filter', `label=dev.slipway.owner=${id}`, '--format', '{{.Names}} {{.Status}}'],
    { encoding: 'utf8' },
  )
  return lines(listed).map((line) => `container: ${line}`)
}

function pods(dataDir: string): readonly string[] {
  const host = paths(dataDir).host
  const owners = list(join(host, 'pods'))
  return [
    ...owners.flatMap((owner) => list(join(host, 'pods', owner)).map((id) => `pod directory: ${id}`)),
    ...list(join(host, 'pods-removed')).map((name) => `removed pod that is not deleted: ${name}`),
    ...list(join(host, 'host'))
      .filter((name) => !/^(passwd|group|slipway-pod-[0-9a-f]+)$/.test(name))
      .map((name) => `file of the host driver: ${name}`),
  ]
}

/** Users of tasks that are claimed for pods below `dataDir`. */
export function uidClaimsOf(dataDir: string): readonly string[] {
  return list(uidClaimsDir)
    .filter(
      (uid) =>
        /^\d+$/.test(uid) && link(join(uidClaimsDir, dirname(link(join(uidClaimsDir, uid))))).startsWith(dataDir),
    )
    .map((uid) => `uid claim: ${uid}`)
}

function controlGroups(id: string): readonly string[] {
  const root = '/sys/fs/cgroup'
  const folders = [join(root, 'slipway'), ...list(root).map((controller) => join(root, controller, 'slipway'))]
  return folders.flatMap((folder) =>
    list(folder)
      .filter((name) => name.includes(id))
      .map((name) => `control group: ${join(folder, name)}`),
  )
}

/** By the names that temporary files have in each room, and everything in the journal. */
function temporaryFiles(dataDir: string): readonly string[] {
  const at = paths(dataDir)
  return [
    ...openJournal(at.journal)
      .ids()
      .map((id) => `journal entry: ${id}`),
    ...[at.objects, at.caches].flatMap((root) =>
      list(join(root, 'tmp')).map((name) => `temporary file of object storage: ${join(root, 'tmp', name)}`),
    ),
    ...readdirSync(dataDir, { recursive: true, encoding: 'utf8' })
      .filter((name) =>
        /(\.new|\.unfinished|\.tree|\.git\/.*\.lock|\/tmp_(pack|obj|idx)_\w+|-journal|-wal|-shm)$/.test(name),
      )
      .map((name) => `temporary file: ${name}`),
  ]
}

/** Pods that are there now, complete or not: what a planned stop leaves for the successor. */
export function podsOf({ dataDir, id, driver }: Traces): readonly string[] {
  return driver === 'docker' ? containersOf(id) : pods(dataDir)
}

const lines = (text: string) => text.split('\n').filter((line) => line !== '')

function read(path: string): string {
  return quietly(() => readFileSync(path, 'latin1'), '')
}

function link(path: string): string {
  return quietly(() => readlinkSync(path), '')
}

function list(path: string): readonly string[] {
  return quietly(() => readdirSync(path), [])
}

/** What is not there, or has gone while we looked, is not left behind. */
function quietly<T>(look: () => T, otherwise: T): T {
  try {
    return look()
  } catch {
    return otherwise
  }
}
