// Repositories that are caches, after a loss of power or with a disk that failed: what git had written may be empty or missing, and
// every call of git fails from then on.

import { rm } from 'node:fs/promises'
import { gitSucceeds } from './git.ts'

/**
 * Removes a bare repository in which objects, indexes or refs are damaged, so that it is made anew; false when there is nothing wrong.
 * Takes seconds with a large one. Only for who knows that no git works there. `settings`: of git, as options of its command line.
 */
export async function removeIfDamaged(
  repository: string,
  signal: AbortSignal,
  settings: readonly string[] = [],
): Promise<boolean> {
  const check = ['--git-dir', repository, ...settings, 'fsck', '--connectivity-only', '--no-dangling', '--no-progress']
  if (await gitSucceeds(check, { signal })) return false
  await rm(repository, { recursive: true, force: true })
  return true
}
