// What a host driver keeps on disk besides its pods: where they are, and files of its own that sandboxes show.

import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { hasMarkedProcessEnded, markOfThisProcess } from '../../../lib/process-mark.ts'
import { groupText, passwdText, readIfThere } from './host-view.ts'

export type DriverDirectories = {
  readonly pods: string
  /** Where removed pods wait to be deleted. */
  readonly removed: string
  readonly passwdFile: string
  readonly groupFile: string
  readonly helperFile: string
}

/** Makes what is missing, and deletes files that a killed process was writing. */
export function makeDriverDirectories(options: {
  readonly dataDir: string
  readonly ownerId: string
  readonly helperFile: string
}): DriverDirectories {
  const { dataDir, ownerId, helperFile } = options

  const own = join(dataDir, 'host')
  const pods = join(dataDir, 'pods', shortHash(ownerId))
  const removed = join(dataDir, 'pods-removed')
  for (const path of [own, pods, removed]) mkdirSync(path, { recursive: true, mode: 0o700 })
  for (const name of readdirSync(own)) {
    const [, mark] = /\.([^.]+\.\d+\.\d+)\.new$/.exec(name) ?? []
    if (mark !== undefined && hasMarkedProcessEnded(mark)) rmSync(join(own, name), { force: true })
  }
  return {
    pods,
    removed,
    passwdFile: keepFile(join(own, 'passwd'), passwdText(readIfThere('/etc/passwd'))),
    groupFile: keepFile(join(own, 'group'), groupText(readIfThere('/etc/group'))),
    helperFile: keepHelper(own, helperFile),
  }
}

/** A copy of our own: the package may lie where the task's user namespace cannot reach, and may change under pods. */
function keepHelper(dir: string, helperFile: string): string {
  const { size, mtimeMs } = statSync(helperFile)
  const path = join(dir, `slipway-pod-${shortHash(`${helperFile} ${size} ${mtimeMs}`)}`)
  if (existsSync(path)) return path
  return replaceFile(path, 0o755, (temporary) => copyFileSync(helperFile, temporary))
}

function keepFile(path: string, text: string): string {
  if (readIfThere(path) === text) return path
  return replaceFile(path, 0o644, (temporary) => writeFileSync(temporary, text))
}

/** By rename, as sandboxes of other processes may be using it. Returns `path`. What a kill leaves goes at the next start. */
function replaceFile(path: string, mode: number, write: (temporary: string) => void): string {
  const temporary = `${path}.${markOfThisProcess()}.new`
  write(temporary)
  chmodSync(temporary, mode)
  renameSync(temporary, path)
  return path
}

/** Names something on this machine: 12 hex digits. */
export function shortHash(value: string): string {
  return createHash('sha256').update(value).digest('hex').slice(0, 12)
}
