// What leaves the git server: refs that nobody pushed for long, packs that could be fewer, objects that no state names, and the
// repositories of users that are gone. Any instance may do it at any time, several at once: every change is a next state, which only
// one of them writes, and nothing young is removed.

import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import { runProcess } from '../../lib/process.ts'
import type { ObjectInfo, ObjectStorage } from '../../objectstorage/object-storage.ts'
import type { RepositoryName } from '../api.ts'
import { fileBytes } from '../repositories/file-bytes.ts'
import type { PackCache } from '../repositories/pack-cache.ts'
import type { Pack, RepositoryState } from '../repositories/repository-state.ts'
import {
  type NumberedState,
  packKeys,
  repositoriesBase,
  repositoryPrefix,
  type StateStore,
} from '../repositories/state-store.ts'
import { gitServerEnvironment } from '../requests/git-child.ts'
import { choosePacks, expireRefs, withoutGarbage } from './plan-cleaning.ts'

export type RepositoryCleaning = {
  /** Refs that were pushed longer ago go; 0 keeps them. */
  readonly refsMs: number
  /** Whether the user is known; asked again a day later before anything is removed. */
  readonly isUser: (userId: string) => Promise<boolean>
  readonly signal: AbortSignal
}

export type CleaningComponents = {
  readonly storage: ObjectStorage
  readonly states: StateStore
  readonly cache: PackCache
  readonly clock: Clock
  readonly logger: Logger
}

type StoredRepository = { readonly name: RepositoryName; readonly objects: readonly ObjectInfo[] }

/** One round. A repository that fails is logged, and the next round tries again. */
export async function cleanRepositories(cleaning: RepositoryCleaning, components: CleaningComponents): Promise<void> {
  const { storage, cache, logger } = components
  const { signal } = cleaning
  for await (const repository of storedRepositories(storage, signal)) {
    signal.throwIfAborted()
    try {
      await cleanRepository(repository, cleaning, components)
    } catch (error) {
      if (signal.aborted) throw error
      logger.warn('a repository of direct runs could not be cleaned', { ...repository.name, error })
    }
  }
  await cache.removeUnused(limits.gitCacheMs.value)
}

/** What repositories take in object storage, all that is stored for them counted. */
export async function measureRepositories(
  storage: ObjectStorage,
  signal: AbortSignal,
): Promise<{ readonly count: number; readonly bytes: number }> {
  let count = 0
  let bytes = 0
  for await (const { objects } of storedRepositories(storage, signal)) {
    count++
    for (const { sizeBytes } of objects) bytes += sizeBytes
  }
  return { count, bytes }
}

async function* storedRepositories(
  storage: ObjectStorage,
  signal: AbortSignal,
): AsyncGenerator<StoredRepository, void, undefined> {
  let current: { readonly name: RepositoryName; readonly objects: ObjectInfo[] } | undefined
  for await (const object of storage.list({ prefix: repositoriesBase, signal })) {
    const [, userId = '', repositoryId = ''] = object.key.split('/')
    if (current?.name.userId !== userId || current.name.repositoryId !== repositoryId) {
      if (current !== undefined) yield current
      current = { name: { userId, repositoryId }, objects: [] }
    }
    current.objects.push(object)
  }
  if (current !== undefined) yield current
}

async function cleanRepository(
  { name, objects }: StoredRepository,
  { refsMs, isUser, signal }: RepositoryCleaning,
  components: CleaningComponents,
): Promise<void> {
  const { storage, states, cache, clock, logger } = components
  const now = clock.now()
  const isOld = ({ modifiedAt }: ObjectInfo) => now - modifiedAt > limits.storageGraceMs.value
  // A user who was made a moment ago may not be known here yet.
  if (objects.every(isOld) && !(await isUser(name.userId))) {
    for (const { key } of objects) await storage.delete(key, signal)
    await cache.tidy(name, { packs: [] })
    logger.info('the repository of a deleted user is removed', { ...name })
    return
  }
  let current = await states.load(name, signal)
  current = await follow(name, current, expireRefs(current.state, { now, refsMs }), components)
  current = await compact(name, current, components, signal)
  await cache.tidy(name, current.state)
  const named = new Set(current.state.packs.flatMap((pack) => Object.values(packKeys(name, pack))))
  const statesPrefix = `${repositoryPrefix(name)}state/`
  // In the order of their keys, so of states the lowest first.
  for (const object of objects) {
    const { key } = object
    const isNeeded = key.startsWith(statesPrefix)
      ? Number(key.slice(statesPrefix.length)) >= current.number
      : named.has(key)
    if (!isNeeded && isOld(object)) await storage.delete(key, signal)
  }
}

/** The state there is then: the next one, or the same when there is none or somebody else was first. */
async function follow(
  name: RepositoryName,
  current: NumberedState,
  next: RepositoryState | undefined,
  { states }: Pick<CleaningComponents, 'states'>,
): Promise<NumberedState> {
  if (next !== undefined) await states.follow(name, current, next)
  return await states.load(name)
}

async function compact(
  name: RepositoryName,
  current: NumberedState,
  components: CleaningComponents,
  signal: AbortSignal,
): Promise<NumberedState> {
  const { storage, cache, clock, logger } = components
  const chosen = choosePacks(current.state, clock.now())
  if (chosen === undefined) return current
  await using repository = await cache.open(name, current.state, [], signal)
  const folder = await mkdtemp(join(repository.path, 'compact-'))
  try {
    const made = await packTogether(repository.path, folder, chosen, signal)
    const pack: Pack | undefined = made && { id: randomBytes(20).toString('hex'), ...made.bytes }
    if (made !== undefined && pack !== undefined) {
      const keys = packKeys(name, pack)
      await storage.put(keys.pack, fileBytes(made.pack), { sizeBytes: pack.packBytes, signal })
      await storage.put(keys.index, fileBytes(made.index), { sizeBytes: pack.indexBytes, signal })
      await cache.adopt(name, pack, made)
    }
    const next = withoutGarbage(current.state, chosen, { pack, now: clock.now() })
    const after = await follow(name, current, next, components)
    logger.info('packs of a repository were put together', {
      ...name,
      packs: chosen.packs.length,
      isFull: chosen.isFull,
    })
    return after
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

type MadePack = { readonly pack: string; readonly index: string; readonly bytes: Omit<Pack, 'id'> }

/** Undefined when there is nothing to pack. */
async function packTogether(
  path: string,
  folder: string,
  { packs, isFull }: { readonly packs: readonly Pack[]; readonly isFull: boolean },
  signal: AbortSignal,
): Promise<MadePack | undefined> {
  const what = isFull ? ['--revs', '--all'] : ['--stdin-packs']
  const { code, stderr } = await runProcess(
    'git',
    ['--git-dir', path, 'pack-objects', '--quiet', '--delta-base-offset', '--non-empty', ...what, join(folder, 'pack')],
    {
      environment: gitServerEnvironment(),
      input: isFull ? '' : packs.map(({ id }) => `pack-${id}.pack\n`).join(''),
      signal,
    },
  )
  if (code !== 0) throw new SlipwayError('git_failed', `put packs together: ${stderr.trim()}`)
  const name = (await readdir(folder)).find((file) => file.endsWith('.pack'))
  if (name === undefined) return undefined
  const pack = join(folder, name)
  const index = join(folder, `${name.slice(0, -'.pack'.length)}.idx`)
  const [packBytes, indexBytes] = [(await stat(pack)).size, (await stat(index)).size]
  return { pack, index, bytes: { packBytes, indexBytes } }
}
