// A partial clone (`git clone --filter`) has what was looked at so far. What a tree needs besides is fetched from where it came from, and
// kept, as git itself does when it meets such a gap. Of the commits before there are only gaps, so what is frozen ends at HEAD.

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ignoring } from '../../lib/errno.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { gitText, runGit } from '../../lib/git.ts'

/** Each fetch brings all that is missing of what could be seen: folders, then their files. */
const roundsMost = 10

/** Whether objects of this directory may be missing. Looks at no configuration: starting git costs more. */
export async function isPartialClone(objects: string): Promise<boolean> {
  const packs = (await readdir(join(objects, 'pack')).catch(ignoring('ENOENT'))) ?? []
  return packs.some((name) => name.endsWith('.promisor'))
}

/** Fetches what the trees lack. `environment` names where they are. Errors: `git_failed`. */
export async function completeTrees(
  root: string,
  trees: readonly string[],
  { environment, signal }: { readonly environment: Readonly<Record<string, string>>; readonly signal: AbortSignal },
): Promise<void> {
  const list = ['rev-list', '--objects', '--no-object-names', '--missing=print', ...trees, '--']
  for (let round = 0; ; round++) {
    const objects = await gitText(['-C', root, ...list], { signal, environment })
    const missing = objects.split('\n').flatMap((line) => (line.startsWith('?') ? [line.slice(1)] : []))
    if (missing.length === 0) return
    if (round === roundsMost) throw incomplete(`${missing.length} objects do not come`)
    await fetchObjects(root, missing, signal)
  }
}

async function fetchObjects(root: string, objects: readonly string[], signal: AbortSignal): Promise<void> {
  const named = await gitText(['-C', root, 'config', '--get-regexp', '^remote\\..*\\.promisor$', 'true'], {
    signal,
    codes: [0, 1],
  })
  const remote = /^remote\.(.*)\.promisor true$/m.exec(named)?.[1]
  if (remote === undefined) throw incomplete('it says of no remote that it has the rest')
  const settings = ['-c', 'fetch.negotiationAlgorithm=noop']
  const options = ['--no-tags', '--no-write-fetch-head', '--recurse-submodules=no', '--no-auto-maintenance']
  try {
    await runGit(['-C', root, ...settings, 'fetch', '--quiet', ...options, '--filter=blob:none', '--stdin', remote], {
      signal,
      input: objects.map((object) => `${object}\n`).join(''),
    })
  } catch (error) {
    if (!isSlipwayError(error, 'git_failed')) throw error
    throw incomplete(error.message, error)
  }
}

function incomplete(why: string, cause?: unknown): SlipwayError {
  return new SlipwayError('git_failed', `get what this partial clone lacks: ${why}`, { cause })
}
