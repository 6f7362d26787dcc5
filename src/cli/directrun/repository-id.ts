// The id of a local repository: random, made once, kept in its configuration (the same for all worktrees). It names its repository on
// git servers and keeps caches of direct runs apart.

import { randomUUID } from 'node:crypto'
import { SlipwayError } from '../../lib/errors.ts'
import { gitText, runGit } from '../../lib/git.ts'
import type { Repository } from '../working-tree/repository.ts'

const setting = 'slipway.repositoryid'

/** Errors: `git_failed` when it cannot be kept. */
export async function localRepositoryId({ root, commonDir }: Repository): Promise<string> {
  const [found, format] = await Promise.all([
    gitText(['-C', root, 'config', '--local', '--get', setting], { codes: [0, 1] }),
    gitText(['-C', root, 'rev-parse', '--show-object-format']),
  ])
  const id = found === '' ? await makeId(root, commonDir) : found
  // Repositories whose objects have names of another kind have nothing in common.
  return format === 'sha256' ? `${id}-sha256` : id
}

async function makeId(root: string, commonDir: string): Promise<string> {
  const id = randomUUID()
  try {
    // Not over one that another command has made meanwhile.
    await runGit(['-C', root, 'config', '--local', '--add', setting, id])
    const all = await gitText(['-C', root, 'config', '--local', '--get-all', setting])
    return all.split('\n')[0] ?? id
  } catch (cause) {
    throw new SlipwayError('git_failed', `the id of this repository cannot be kept in ${commonDir}/config`, { cause })
  }
}
