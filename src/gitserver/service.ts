// The git server of one process: repositories of direct runs, by git's smart HTTP and for the services of the installation.

import { join } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { Logger } from '../lib/log.ts'
import { runProcess } from '../lib/process.ts'
import type { ObjectStorage } from '../objectstorage/object-storage.ts'
import type { Gitserver, RepositoryFile, RepositoryName } from './api.ts'
import { cleanRepositories, measureRepositories, type RepositoryCleaning } from './cleaning/cleaning.ts'
import { PackCache, type WorkRepository } from './repositories/pack-cache.ts'
import { type NumberedState, StateStore } from './repositories/state-store.ts'
import { gitServerEnvironment } from './requests/git-child.ts'
import { defaultPushLimits, type PushLimits } from './requests/plan-push.ts'
import { hooksFolder, installHook, type PushOutcome } from './requests/receive-pack.ts'

export type GitserverSettings = {
  /** Everything in it is a copy. */
  readonly dir: string
  readonly limits?: Partial<PushLimits> & { readonly pushBytesMax?: number }
}

export type GitserverComponents = {
  readonly storage: ObjectStorage
  readonly clock: Clock
  readonly logger: Logger
  readonly onPush?: (outcome: PushOutcome) => void
}

/** What this process serves. */
export interface GitserverHost extends Gitserver {
  /** A round of cleaning, see there. */
  clean(cleaning: Omit<RepositoryCleaning, 'signal'>, signal: AbortSignal): Promise<void>
  /** Repositories and their bytes, as they are stored now. */
  measure(signal: AbortSignal): Promise<{ readonly count: number; readonly bytes: number }>
  /** For the routes of this room. */
  readonly repositories: Repositories
}

/** Errors: `config_invalid` when the directory cannot be used. */
export async function openGitserver(
  settings: GitserverSettings,
  components: GitserverComponents,
): Promise<GitserverHost> {
  const repositories = new Repositories(settings, components)
  await repositories.prepare()
  return {
    repositories,
    readFiles: (name, commitSha, folder, names) => readFiles(repositories, name, { commitSha, folder, names }),
    measure: (signal) => measureRepositories(components.storage, signal),
    clean: (cleaning, signal) => cleanRepositories({ ...cleaning, signal }, { ...components, ...repositories.parts }),
  }
}

export type OpenRepository = AsyncDisposable & {
  readonly state: NumberedState
  /** Of a repository with the refs of that state. */
  readonly path: string
}

export class Repositories {
  readonly #dir: string
  readonly #components: GitserverComponents
  readonly pushLimits: PushLimits
  readonly pushBytesMax: number
  readonly parts: { readonly states: StateStore; readonly cache: PackCache }

  constructor({ dir, limits: given = {} }: GitserverSettings, components: GitserverComponents) {
    this.#dir = dir
    this.#components = components
    this.pushLimits = { ...defaultPushLimits, ...given }
    this.pushBytesMax = given.pushBytesMax ?? limits.gitPushBytes.value
    this.parts = { states: new StateStore(components.storage), cache: new PackCache(dir, components) }
  }

  get components(): GitserverComponents {
    return this.#components
  }

  get hooks(): string {
    return hooksFolder(this.#dir)
  }

  async prepare(): Promise<void> {
    await this.parts.cache.prepare()
    await installHook(this.hooks)
  }

  /** Opens the repository as it is now; disposing removes what was made for it. */
  async open(name: RepositoryName, settings: readonly string[], signal: AbortSignal): Promise<OpenRepository> {
    const state = await this.parts.states.load(name, signal)
    const work: WorkRepository = await this.parts.cache.open(name, state.state, settings, signal)
    return { state, path: work.path, [Symbol.asyncDispose]: () => work[Symbol.asyncDispose]() }
  }
}

type FilesQuery = { readonly commitSha: string; readonly folder: string; readonly names: readonly string[] }

async function readFiles(
  repositories: Repositories,
  name: RepositoryName,
  { commitSha, folder, names }: FilesQuery,
): Promise<readonly RepositoryFile[]> {
  const signal = repositories.components.clock.timeout(limits.gitRequestMs.value)
  await using repository = await repositories.open(name, [], signal)
  const git = (args: readonly string[]) =>
    runProcess('git', ['--git-dir', repository.path, ...args], { environment: gitServerEnvironment(), signal })
  const tree = await git(['ls-tree', '-z', '-l', `${commitSha}^{commit}`, '--', `${folder}/`])
  if (tree.code !== 0)
    throw new SlipwayError(
      'commit_not_found',
      `the repository has no commit ${commitSha}: it was not pushed, or long ago`,
    )
  const files: RepositoryFile[] = []
  for (const entry of tree.stdout.toString('utf8').split('\0')) {
    const [, mode, id = '', size, path] = /^(\d+) blob ([0-9a-f]+) +(\d+)\t(.*)$/s.exec(entry) ?? []
    if (path === undefined || mode === '120000' || !names.includes(path.slice(folder.length + 1))) continue
    if (Number(size) > limits.definitionBytes.value)
      throw new SlipwayError('limit_exceeded', `${path} is larger than ${limits.definitionBytes.value} bytes`)
    const { stdout } = await git(['cat-file', 'blob', id])
    files.push({ path, text: stdout.toString('utf8') })
  }
  return files
}

/** Where the git server keeps its copies, below the data directory. */
export function gitserverDirectory(dataDir: string): string {
  return join(dataDir, 'gitserver')
}
