// The repository a command was started in, and what is checked out there.

import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { gitText } from '../../lib/git.ts'

export type Repository = {
  /** Root of the working tree, symlinks resolved. */
  readonly root: string
  /** The git directory shared by all worktrees. */
  readonly commonDir: string
  /** Names the state of this repository: derived from `commonDir`, the same in every worktree. */
  readonly id: string
  /** What is checked out (also an unborn one); undefined on a detached HEAD. */
  readonly branch: string | undefined
}

/** The repository that contains `dir`; `not_a_repository` says what to do. */
export async function findRepository(dir: string): Promise<Repository> {
  const [{ root, commonDir }, branch] = await Promise.all([findFolders(dir), findBranch(dir)])
  if (root === '')
    throw new SlipwayError('not_a_repository', `${dir} is in a bare repository, which has no working tree to run`)
  const real = realpathSync(commonDir)
  const id = createHash('sha256').update(real).digest('hex').slice(0, 16)
  return { root: realpathSync(root), commonDir: real, id, branch }
}

async function findFolders(dir: string): Promise<{ readonly root: string; readonly commonDir: string }> {
  const names = ['--show-toplevel', '--git-common-dir']
  try {
    const paths = await gitText(['-C', dir, 'rev-parse', '--path-format=absolute', ...names])
    const [root = '', commonDir = '', ...rest] = paths.split('\n')
    if (rest.length === 0) return { root, commonDir }
  } catch (cause) {
    // Git is missing, or refuses to read what belongs to somebody else, and says what to do.
    if (isSlipwayError(cause, 'git_failed') && !/not a git repository|run in a work tree/.test(cause.message))
      throw cause
    throw new SlipwayError(
      'not_a_repository',
      `${dir} is not inside a git working tree: run \`git init\`, or go where the repository is`,
      { cause },
    )
  }
  throw new SlipwayError(
    'not_a_repository',
    `${JSON.stringify(dir)} has a line break in its path, or one of its folders: rename it`,
  )
}

/** Exit code 128: there is no repository, which is told by whoever looks for its folders. */
async function findBranch(dir: string): Promise<string | undefined> {
  const branch = await gitText(['-C', dir, 'symbolic-ref', '--quiet', '--short', 'HEAD'], { codes: [0, 1, 128] })
  return branch === '' ? undefined : branch
}

/** The commit of HEAD, or undefined on an unborn branch. */
export async function headCommit(repository: Repository): Promise<string | undefined> {
  const commit = await gitText(['-C', repository.root, 'rev-parse', '--quiet', '--verify', 'HEAD^{commit}'], {
    codes: [0, 1, 128],
  })
  return commit === '' ? undefined : commit
}

/** The URL of the remote `origin`, or the path of the repository when there is none. */
export async function originUrl(repository: Repository): Promise<string> {
  const url = await gitText(['-C', repository.root, 'config', '--get', 'remote.origin.url'], { codes: [0, 1] })
  return url === '' ? repository.root : url
}

/** The message of HEAD's commit, empty on an unborn branch. */
export async function headMessage(repository: Repository): Promise<string> {
  return await gitText(['-C', repository.root, 'log', '-1', '--format=%B'], { codes: [0, 128] })
}
