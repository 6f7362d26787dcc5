// What a git that was killed leaves in a repository: locks, which refuse every later call, and files it had begun.

import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** Removes them from these folders of it. Only for who knows that no git works there. */
export async function removeLeftLocks(repository: string, folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const names = await readdir(join(repository, folder)).catch(() => [])
    for (const name of names)
      if (name.endsWith('.lock') || name.startsWith('tmp_')) await rm(join(repository, folder, name), { force: true })
  }
}
