// Files of Git LFS of which nobody but this machine has the contents: changed, new, or of commits that are pushed nowhere. For who
// cannot ask this machine they are frozen as ordinary files. What a remote branch has stays a pointer, whose content is at the
// server of the repository. No git-lfs is needed for any of it.

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { ignoring } from '../../lib/errno.ts'
import { type GitSetting, gitSucceeds, gitText, runGit } from '../../lib/git.ts'

/** With it git takes contents as they are, in each call: also to write an index it looks at files. */
export const withoutLfsFilter: readonly GitSetting[] = [
  ['filter.lfs.process', ''],
  ['filter.lfs.clean', ''],
  ['filter.lfs.required', 'false'],
]

type Entry = { readonly path: string; readonly mode: string; readonly blob: string }
type Pointer = { readonly oid: string; readonly sizeBytes: number }

/** A pointer has at most so many bytes (git-lfs, docs/spec.md). */
const pointerBytesMax = 1024

/** Changes the index that `environment` names, which was made `withoutLfsFilter`, as that says too. `headSha` undefined: nothing is committed. */
export async function freezeLfsContents(
  root: string,
  {
    headSha,
    environment,
    signal,
  }: {
    readonly headSha: string | undefined
    readonly environment: Readonly<Record<string, string>>
    readonly signal: AbortSignal
  },
): Promise<void> {
  const git = async (args: readonly string[], input?: string) =>
    (await runGit(['-C', root, ...args], { signal, environment, ...(input === undefined ? {} : { input }) })).toString(
      'utf8',
    )
  const attributes = ['grep', '--cached', '--quiet', '-e', 'filter=lfs', '--', '.gitattributes', '*/.gitattributes']
  if (!(await gitSucceeds(['-C', root, ...attributes], { signal, environment }))) return
  const entries = entriesOf(await git(['ls-files', '--stage', '-z', '--', ':(attr:filter=lfs)']))
  if (entries.length === 0) return
  const bases = await Promise.all(
    (await pushedBases(root, headSha, signal)).map(async (base) =>
      changedIn(await git(['diff-index', '--cached', '--raw', '--no-renames', '-z', base])),
    ),
  )
  // Of several branches that were merged here any may have it.
  const changed = entries.filter(({ path }) => bases.every((base) => base.has(path)))
  if (changed.length === 0) return
  const before = changed.flatMap(({ path }) => bases.flatMap((base) => base.get(path) ?? []))
  const pointers = await pointersOf([...new Set([...changed.map(({ blob }) => blob), ...before])], git)
  const store = join(await gitText(['-C', root, 'rev-parse', '--path-format=absolute', '--git-common-dir']), 'lfs')
  const lines: string[] = []
  for (const { path, mode, blob } of changed) {
    const pointer = pointers.get(blob)
    const file = join(root, path)
    if (pointer === undefined) {
      // Git looks at files anew whose times have changed: one that says the same stays what it was.
      const same = await findSame(
        file,
        bases.flatMap((base) => base.get(path) ?? []),
        pointers,
      )
      if (same !== undefined) lines.push(`${mode} ${same}\t${path}\0`)
      continue
    }
    const kept = join(store, 'objects', pointer.oid.slice(0, 2), pointer.oid.slice(2, 4), pointer.oid)
    for (const from of [file, kept]) {
      if (!(await hasContent(from, pointer))) continue
      const content = (await git(['hash-object', '-w', '--no-filters', '--', from])).trim()
      lines.push(`${mode} ${content}\t${path}\0`)
      break
    }
  }
  if (lines.length > 0) await git(['update-index', '-z', '--index-info'], lines.join(''))
}

/** Commits of remote branches that HEAD is based on: HEAD itself, or those before the commits that are only here. */
async function pushedBases(root: string, headSha: string | undefined, signal: AbortSignal): Promise<readonly string[]> {
  if (headSha === undefined) return []
  const ask = (...args: readonly string[]) => gitText(['-C', root, ...args], { signal })
  if ((await ask('for-each-ref', '--count=1', '--format=%(refname)', 'refs/remotes')) === '') return []
  const commits = await ask('rev-list', '--boundary', headSha, '--not', '--remotes')
  if (commits === '') return [headSha]
  return commits.split('\n').flatMap((line) => (line.startsWith('-') ? [line.slice(1)] : []))
}

function entriesOf(listing: string): readonly Entry[] {
  return fieldsOf(listing).flatMap((line) => {
    const [, mode, blob, path] = /^(100\d{3}) ([0-9a-f]+) 0\t(.+)$/s.exec(line) ?? []
    return mode === undefined || blob === undefined || path === undefined ? [] : [{ mode, blob, path }]
  })
}

/** Paths that differ from a commit, with the blobs that it has there (git-diff, "Raw output format"). */
function changedIn(listing: string): ReadonlyMap<string, readonly string[]> {
  const fields = fieldsOf(listing)
  const changed = new Map<string, readonly string[]>()
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const blob = /^:\d+ \d+ ([0-9a-f]+) /.exec(fields[at]!)?.[1]
    changed.set(fields[at + 1]!, blob === undefined || /^0+$/.test(blob) ? [] : [blob])
  }
  return changed
}

/** Those of the blobs that are pointers. */
async function pointersOf(
  blobs: readonly string[],
  git: (args: readonly string[], input: string) => Promise<string>,
): Promise<ReadonlyMap<string, Pointer>> {
  const sizes = await git(['cat-file', '--batch-check'], blobs.map((blob) => `${blob}\n`).join(''))
  const small = sizes.split('\n').flatMap((line) => {
    const [, blob, size] = /^([0-9a-f]+) blob (\d+)$/.exec(line) ?? []
    return blob === undefined || Number(size) > pointerBytesMax ? [] : [blob]
  })
  const pointers = new Map<string, Pointer>()
  const contents = await git(['cat-file', '--batch'], small.map((blob) => `${blob}\n`).join(''))
  // Only text is looked for, and pointers are nothing else, so lengths in characters do no harm.
  const pattern =
    /^([0-9a-f]+) blob \d+\nversion https:\/\/git-lfs\.github\.com\/spec\/[^\n]*\n(?:ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\nsize (\d+)$/gm
  for (const [, blob = '', oid = '', size] of contents.matchAll(pattern))
    pointers.set(blob, { oid, sizeBytes: Number(size) })
  return pointers
}

async function findSame(
  file: string,
  before: readonly string[],
  pointers: ReadonlyMap<string, Pointer>,
): Promise<string | undefined> {
  for (const blob of before) {
    const pointer = pointers.get(blob)
    if (pointer !== undefined && (await hasContent(file, pointer))) return blob
  }
  return undefined
}

async function hasContent(file: string, { oid, sizeBytes }: Pointer): Promise<boolean> {
  const found = await lstat(file).catch(ignoring('ENOENT', 'ENOTDIR'))
  if (!found?.isFile() || found.size !== sizeBytes) return false
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex') === oid
}

const fieldsOf = (listing: string) => listing.split('\0').filter((field) => field !== '')
