// Freezes the working tree as it is: a commit of tracked and untracked files (ignored ones left out), on top of HEAD, with a
// temporary index and an object directory of its own. The user's index, refs and objects are read and never changed.
//
//   <dir>/tree.git            bare; its objects/info/alternates names the user's object directory
//   <dir>/modules/<n>.git     the same for each submodule whose working tree is there, so its changes are frozen alike

import { mkdirSync } from 'node:fs'
import { copyFile, mkdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isSlipwayError } from '../../lib/errors.ts'
import { gitSettings, gitText, runGit } from '../../lib/git.ts'
import { freezeLfsContents, withoutLfsFilter } from './lfs-contents.ts'
import { completeTrees, isPartialClone } from './partial-clone.ts'
import type { Repository } from './repository.ts'

export type FrozenTree = {
  /** Bare repository that has the commit: what clone steps fetch from. */
  readonly path: string
  readonly commitSha: string
  /** Ref of the commit in it. */
  readonly ref: string
  /** True when there was anything that HEAD does not have. */
  readonly isDirty: boolean
  /** Message of HEAD's commit, empty on an unborn branch. */
  readonly message: string
  /** HEAD's commit; undefined on an unborn branch. */
  readonly headSha?: string
  /** Where frozen submodules are, by path. */
  readonly submoduleUrls: Readonly<Record<string, string>>
  readonly submodules: readonly FrozenSubmodule[]
}

export type FrozenSubmodule = {
  /** Of the submodule below the root. */
  readonly module: string
  /** Bare repository that has its commit, under the same ref. */
  readonly path: string
  readonly commitSha: string
  readonly headSha?: string
}

/** What is frozen besides tracked files. */
export type FrozenFiles = {
  /** New files that are not ignored. */
  readonly untracked: boolean
  /** Ignored files as well. */
  readonly ignored: boolean
  /** Contents of Git LFS that only this machine has, as ordinary files: for who cannot read its store. Default false. */
  readonly lfsContents?: boolean
}

export const frozenRef = 'refs/slipway/frozen'
const usualFiles: FrozenFiles = { untracked: true, ignored: false }
// The same tree gives the same commit: results can be kept and compared.
const identity = {
  GIT_AUTHOR_NAME: 'Slipway',
  GIT_AUTHOR_EMAIL: 'slipway@localhost',
  GIT_COMMITTER_NAME: 'Slipway',
  GIT_COMMITTER_EMAIL: 'slipway@localhost',
}

/** Freezes into `dir`, which is made. A clean tree is its HEAD commit itself. */
export async function freezeTree(
  repository: Repository,
  dir: string,
  signal: AbortSignal,
  files: FrozenFiles = usualFiles,
): Promise<FrozenTree> {
  mkdirSync(join(dir, 'modules'), { recursive: true, mode: 0o700 })
  const submodules: FrozenSubmodule[] = []
  const places: string[] = []
  const path = join(dir, 'tree.git')
  const frozen = await freeze(repository.root, path, { dir, prefix: '', files, submodules, places }, signal)
  const submoduleUrls = Object.fromEntries(submodules.map((module) => [module.module, module.path]))
  return { ...frozen, path, ref: frozenRef, submoduleUrls, submodules }
}

type Collected = {
  readonly dir: string
  readonly prefix: string
  readonly files: FrozenFiles
  readonly submodules: FrozenSubmodule[]
  /** Taken by submodules so far. */
  readonly places: string[]
}
type Frozen = Pick<FrozenTree, 'commitSha' | 'isDirty' | 'message' | 'headSha'>

async function freeze(root: string, target: string, collected: Collected, signal: AbortSignal): Promise<Frozen> {
  const git = (args: readonly string[], environment: Readonly<Record<string, string>> = {}) =>
    gitText(['-C', root, ...args], { signal, environment })
  // Each start of git costs as much as all of its work here, so questions are asked together.
  const [paths, head] = await Promise.all([
    git([
      'rev-parse',
      '--path-format=absolute',
      ...['objects', 'shallow', 'index'].flatMap((name) => ['--git-path', name]),
    ]),
    readHead(root, signal),
    makeFolders(target),
  ])
  const [objects = '', shallow = '', userIndex = ''] = paths.split('\n')
  await writeFile(join(target, 'objects', 'info', 'alternates'), `${objects}\n`)
  if (await exists(shallow)) await copyFile(shallow, join(target, 'shallow'))

  const index = join(target, 'frozen-index')
  const { lfsContents = false } = collected.files
  const ours = {
    GIT_INDEX_FILE: index,
    GIT_OBJECT_DIRECTORY: join(target, 'objects'),
    GIT_ALTERNATE_OBJECT_DIRECTORIES: objects,
    ...gitSettings([
      ['core.fsmonitor', 'false'],
      // Nothing of this index is put beside the user's.
      ['core.splitIndex', 'false'],
      ['advice.addEmbeddedRepo', 'false'],
      // Changed files of Git LFS go into a store beside the frozen objects, not into the user's.
      ['lfs.storage', join(target, 'lfs')],
      ...(lfsContents ? withoutLfsFilter : []),
    ]),
  }
  // A copy of the user's index knows which files are unchanged, so only changed ones are read.
  if (await exists(userIndex)) await copyIndex(userIndex, index)
  const add = (...more: readonly string[]) => git(['add', ...whatToAdd(collected.files), ...more, '--', ':/'], ours)
  await add().catch(async (error: unknown) => {
    // Git asks whether files outside of a sparse checkout are meant: they are. Older ones take them, and do not know the option.
    if (!isSlipwayError(error, 'git_failed') || !/outside of your sparse-checkout/.test(error.message)) throw error
    await add('--sparse')
  })
  if (lfsContents) await freezeLfsContents(root, { headSha: head?.commit, environment: ours, signal })
  const modules: string[] = []
  const [writtenTree, links] = await Promise.all([git(['write-tree'], ours), gitlinks(root, ours, signal)])
  for (const module of links) {
    const path = join(root, module)
    if (!(await exists(join(path, '.git')))) continue
    const moduleTarget = join(collected.dir, 'modules', `${collected.places.length}.git`)
    collected.places.push(moduleTarget)
    const inner = await freeze(path, moduleTarget, { ...collected, prefix: `${collected.prefix}${module}/` }, signal)
    const { commitSha, headSha } = inner
    collected.submodules.push({
      module: `${collected.prefix}${module}`,
      path: moduleTarget,
      commitSha,
      ...(headSha === undefined ? {} : { headSha }),
    })
    await git(['update-index', '--cacheinfo', `160000,${inner.commitSha},${module}`], ours)
    modules.push(module)
  }
  const tree = modules.length === 0 ? writtenTree : await git(['write-tree'], ours)
  if (await isPartialClone(objects)) {
    await completeTrees(root, head === undefined ? [tree] : [head.tree, tree], { environment: ours, signal })
    if (head !== undefined) await writeFile(join(target, 'shallow'), `${head.commit}\n`)
  }
  const isDirty = tree !== head?.tree
  const commitSha = head !== undefined && !isDirty ? head.commit : await commit(root, tree, head, ours, signal)
  await makeRepository(target, commitSha)
  await rm(index, { force: true })
  return { commitSha, isDirty, message: head?.message ?? '', ...(head === undefined ? {} : { headSha: head.commit }) }
}

async function makeFolders(target: string): Promise<void> {
  await rm(target, { recursive: true, force: true })
  await mkdir(join(target, 'objects', 'info'), { recursive: true })
}

function whatToAdd({ untracked, ignored }: FrozenFiles): readonly string[] {
  if (ignored) return ['--all', '--force']
  return [untracked ? '--all' : '--update']
}

type Head = {
  readonly commit: string
  readonly tree: string
  /** Of the committer, strict ISO 8601. */
  readonly date: string
  readonly message: string
}

/** Undefined on an unborn branch. */
async function readHead(root: string, signal: AbortSignal): Promise<Head | undefined> {
  const args = ['-C', root, '-c', 'log.showSignature=false', 'log', '-1', '--format=%H%n%T%n%cI%n%B', 'HEAD', '--']
  const [commit = '', tree = '', date = '', ...message] = (await gitText(args, { signal, codes: [0, 128] })).split('\n')
  return commit === '' ? undefined : { commit, tree, date, message: message.join('\n') }
}

/** What `git init --bare` and `git update-ref` would do, without starting git (gitrepository-layout). */
async function makeRepository(target: string, commitSha: string): Promise<void> {
  const isSha256 = commitSha.length === 64
  const config = [
    '[core]',
    `\trepositoryformatversion = ${isSha256 ? 1 : 0}`,
    '\tbare = true',
    ...(isSha256 ? ['[extensions]', '\tobjectFormat = sha256'] : []),
  ]
  const ref = join(target, ...frozenRef.split('/'))
  await mkdir(dirname(ref), { recursive: true })
  await writeFile(ref, `${commitSha}\n`)
  await writeFile(join(target, 'config'), `${config.join('\n')}\n`)
  await writeFile(join(target, 'HEAD'), 'ref: refs/heads/main\n')
}

/**
 * With the time of the original, rounded down: git looks again at files that are not older than the index ("racily clean"),
 * and with the time of the copy it would miss a change of the same size made in that moment.
 */
async function copyIndex(from: string, to: string): Promise<void> {
  const { mtimeMs } = await stat(from)
  await copyFile(from, to)
  const time = Math.floor(mtimeMs) / 1000
  await utimes(to, time, time)
}

async function commit(
  root: string,
  tree: string,
  head: Head | undefined,
  ours: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string> {
  const date = head?.date ?? '@0 +0000'
  const subject = head?.message.split('\n', 1)[0] ?? ''
  return await gitText(
    [
      '-C',
      root,
      'commit-tree',
      tree,
      ...(head === undefined ? [] : ['-p', head.commit]),
      '-m',
      subject === '' ? 'Working tree' : `Working tree on: ${subject}`,
    ],
    { signal, environment: { ...ours, ...identity, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date } },
  )
}

async function gitlinks(
  root: string,
  ours: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const listing = await runGit(['-C', root, 'ls-files', '--stage', '-z'], { signal, environment: ours })
  return listing
    .toString('utf8')
    .split('\0')
    .filter((line) => line.startsWith('160000 '))
    .map((line) => line.slice(line.indexOf('\t') + 1))
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}
