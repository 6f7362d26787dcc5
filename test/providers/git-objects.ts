// Objects of a repository of a provider server, as APIs answer them.

import { execFileSync } from 'node:child_process'
import type { ServerRepository } from './server-repository.ts'

/** `commit`, `tag`, `tree`, `blob`; undefined when there is nothing of that name. */
export function objectType(repository: ServerRepository, name: string): string | undefined {
  try {
    return repository.git('cat-file', '-t', name)
  } catch {
    return undefined
  }
}

export function blobOf(repository: ServerRepository, name: string): Buffer {
  return execFileSync('git', ['cat-file', 'blob', name], { cwd: repository.dir, maxBuffer: 64 * 1024 * 1024 })
}

export type CommitText = {
  readonly sha: string
  readonly author: string
  readonly email: string
  /** RFC 3339. */
  readonly date: string
  readonly parents: readonly string[]
  readonly message: string
}

/** `name`: of the commit, or of what leads to it. */
export function commitOf(repository: ServerRepository, name: string): CommitText {
  const [sha = '', author = '', email = '', date = '', parents = '', message = ''] = repository
    .git('show', '--no-patch', '--format=%H%x00%an%x00%ae%x00%aI%x00%P%x00%B', `${name}^{commit}`)
    .split('\0')
  return { sha, author, email, date, parents: parents.split(' ').filter(Boolean), message }
}

export type TreeEntry = {
  readonly mode: string
  readonly type: string
  readonly sha: string
  /** Undefined for a folder. */
  readonly size: number | undefined
  readonly path: string
  readonly name: string
}

/** What is at `path`, or with a slash at its end, what is in it. */
export function listTree(repository: ServerRepository, commit: string, path: string): readonly TreeEntry[] {
  const lines = repository.git('ls-tree', '--long', '--full-tree', '-z', commit, '--', path).split('\0')
  return lines.flatMap((line) => {
    const [, mode, type, sha, size, found] = /^(\d+) (\w+) (\w+) +(\S+)\t(.+)$/s.exec(line) ?? []
    if (found === undefined) return []
    const name = found.slice(found.lastIndexOf('/') + 1)
    return [{ mode: mode!, type: type!, sha: sha!, size: size === '-' ? undefined : Number(size), path: found, name }]
  })
}
