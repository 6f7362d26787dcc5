// Repositories that are caches, after a loss of power or with a disk that failed: what git had written may be empty or missing, and
// every call of git fails from then on.

import { rm } from 'node:fs/promises'
import { isSlipwayError } from './errors.ts'
import { gitSucceeds } from './git.ts'

/** What git says of a server, or of the way to it. */
const ofServer = /Could not read from remote repository|unable to access|Authentication failed|couldn't find remote ref/

/** Whether looking for damage is worth its time: while a server is away every call would look. */
export function mayBeDamage(error: unknown): boolean {
  return isSlipwayError(error, 'git_failed') && !ofServer.test(error.message)
}

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
