// Sends a frozen tree to the git server: what is missing there, and nothing else. Refs that it writes:
//
//   refs/slipway/directrun/<day>/<commit>   the commit, and those of submodules; named by day, so that it is young when it is pushed again
//   refs/slipway/base/<hash>                the commit it is based on, one for each branch and submodule: it is both here and there,
//                                           so the next tree is sent as the difference to it

import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { runGit } from '../../lib/git.ts'
import { openGitAccess } from '../../lib/git-access.ts'
import type { FrozenTree } from '../working-tree/freeze.ts'

export type PushTarget = {
  /** Of the repository on the git server. */
  readonly url: string
  readonly token: string
  /** Names the line of commits that the tree belongs to: its branch. */
  readonly line: string
  /** Milliseconds since 1970. */
  readonly now: number
}

type Tree = Pick<FrozenTree, 'path' | 'commitSha' | 'headSha'>

/** Errors: `git_failed` with what git and the server said. */
export async function pushTree(frozen: FrozenTree, target: PushTarget, signal: AbortSignal): Promise<void> {
  // One after the other: they go to one repository.
  for (const module of frozen.submodules) await push(module, { ...target, line: `module ${module.module}` }, signal)
  await push(frozen, target, signal)
}

async function push({ path, commitSha, headSha }: Tree, target: PushTarget, signal: AbortSignal): Promise<void> {
  const day = new Date(target.now).toISOString().slice(0, 10)
  const base = createHash('sha256').update(target.line).digest('hex').slice(0, 16)
  const commit = `${commitSha}:refs/slipway/directrun/${day}/${commitSha}`
  const refs = [...(headSha === undefined ? [] : [`+${headSha}:refs/slipway/base/${base}`]), commit]
  // git receive-pack ends before its time when several refs bring the same end of a shallow history (seen with 2.39).
  const pushes = existsSync(join(path, 'shallow')) ? refs.map((ref) => [ref]) : [refs]
  for (const together of pushes) await pushRefs(path, together, target, signal)
}

async function pushRefs(path: string, refs: readonly string[], target: PushTarget, signal: AbortSignal): Promise<void> {
  try {
    await pushOnce(path, refs, target, signal)
  } catch (error) {
    // Somebody else pushed at the same moment, or the server was tidying up.
    if (!isSlipwayError(error, 'git_failed') || !/push again/.test(error.message)) throw error
    await pushOnce(path, refs, target, signal)
  }
}

const settings = [
  'push.followTags=false',
  'push.recurseSubmodules=no',
  'push.gpgSign=false',
  'push.pushOption=',
  'gc.auto=0',
]

async function pushOnce(
  path: string,
  refs: readonly string[],
  { url, token }: PushTarget,
  signal: AbortSignal,
): Promise<void> {
  const credentials = { type: 'password', userName: 'slipway', password: token } as const
  using access = openGitAccess(url, { credentials }, { isOwn: true })
  const options = settings.flatMap((setting) => ['-c', setting])
  try {
    await runGit(['--git-dir', path, ...options, 'push', '--quiet', '--no-verify', '--', url, ...refs], {
      signal,
      environment: access.environment,
    })
  } catch (error) {
    if (!isSlipwayError(error, 'git_failed')) throw error
    throw new SlipwayError('git_failed', `send the working tree to the server: ${inWords(error.message)}`, {
      cause: error,
    })
  }
}

/** What the server said, without what git says around it. */
function inWords(message: string): string {
  const said = [...message.matchAll(/^remote: (.*)$/gm)]
    .map(([, line = '']) => line.trim())
    .filter((line) => line !== '')
  return said.length > 0 ? said.join(' ') : message
}
