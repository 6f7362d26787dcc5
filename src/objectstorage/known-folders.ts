// Folders whose names are known to be on the disk, in the folders above them: an object that is written there needs only its own
// folder synced. Each is held open, so that its inode number belongs to nobody else, and a folder of the same name that
// somebody made after it was removed is told apart.

import { closeSync, constants, fstatSync, openSync, type Stats, statSync } from 'node:fs'
import { isErrno } from '../lib/errno.ts'

/** Open at once; logs, archives and caches that are written at the same time are fewer. */
const foldersMax = 64

/** A folder that was opened before it is synced. One of the two is called once. */
export interface PinnedFolder {
  /** The name of the folder is on the disk. */
  keep(): void
  drop(): void
}

export class KnownFolders implements Disposable {
  /** Those used last at the end. */
  readonly #folders = new Map<string, { readonly file: number; readonly found: Stats }>()

  has(folder: string): boolean {
    const known = this.#folders.get(folder)
    if (known === undefined) return false
    this.#folders.delete(folder)
    const found = statSync(folder, { throwIfNoEntry: false })
    if (found === undefined || found.ino !== known.found.ino || found.dev !== known.found.dev) {
      closeSync(known.file)
      return false
    }
    this.#folders.set(folder, known)
    return true
  }

  /** Undefined when there is no such folder. */
  pin(folder: string): PinnedFolder | undefined {
    let file: number
    try {
      file = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY)
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined
      throw error
    }
    return { keep: () => this.#keep(folder, file), drop: () => closeSync(file) }
  }

  [Symbol.dispose](): void {
    for (const { file } of this.#folders.values()) closeSync(file)
    this.#folders.clear()
  }

  #keep(folder: string, file: number): void {
    const [oldest] = this.#folders.size >= foldersMax ? this.#folders.keys() : []
    for (const path of [oldest, folder]) {
      const before = path === undefined ? undefined : this.#folders.get(path)
      if (before === undefined) continue
      closeSync(before.file)
      this.#folders.delete(path!)
    }
    this.#folders.set(folder, { file, found: fstatSync(file) })
  }
}
