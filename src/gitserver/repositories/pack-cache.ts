// The disk of one instance: packs as git wants them, copied from object storage when they are missing, and a throw-away repository for
// each request. Nothing here is the only copy of anything.
//
//   <dir>/packs/<user>/<repository>/pack/pack-<id>.pack, .idx    an object directory that others name as their alternate
//   <dir>/work/<uuid>.git                                        bare, the refs of one state; gone with its request
//   <dir>/hooks/pre-receive                                      see receive-pack.ts

import { createWriteStream, existsSync } from 'node:fs'
import { link, mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Clock } from '../../lib/clock.ts'
import { ignoring } from '../../lib/errno.ts'
import { newUuid } from '../../lib/uuid.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import type { RepositoryName } from '../api.ts'
import type { Pack, RepositoryState } from './repository-state.ts'
import { packKeys } from './state-store.ts'

export type PackCacheComponents = { readonly storage: ObjectStorage; readonly clock: Clock }

/** A repository of one state, for one request. Disposing removes it. */
export type WorkRepository = AsyncDisposable & { readonly path: string }

/** Packs that are copied at the same time for one repository. */
const copiesAtOnce = 4

export class PackCache {
  readonly #dir: string
  readonly #storage: ObjectStorage
  readonly #clock: Clock
  /** Requests that use a repository now, by folder: nothing is removed below their feet. */
  readonly #users = new Map<string, number>()
  /** One copies at a time, by folder; the next finds what it has copied. */
  readonly #copying = new Map<string, Promise<void>>()

  constructor(dir: string, { storage, clock }: PackCacheComponents) {
    this.#dir = dir
    this.#storage = storage
    this.#clock = clock
  }

  /** Makes the folders, and removes what requests of an earlier process have left. */
  async prepare(): Promise<void> {
    await rm(join(this.#dir, 'work'), { recursive: true, force: true })
    for (const folder of ['packs', 'work']) await mkdir(join(this.#dir, folder), { recursive: true, mode: 0o700 })
  }

  /** A repository with the refs of `state` and everything they reach. `settings`: of git, besides ours. */
  async open(
    name: RepositoryName,
    state: RepositoryState,
    settings: readonly string[],
    signal: AbortSignal,
  ): Promise<WorkRepository> {
    const folder = this.#folderOf(name)
    await using undo = new AsyncDisposableStack()
    this.#users.set(folder, (this.#users.get(folder) ?? 0) + 1)
    undo.defer(() => this.#leave(folder))
    await this.#copyMissing(name, folder, state.packs, signal)
    const path = join(this.#dir, 'work', `${newUuid(this.#clock.now())}.git`)
    undo.defer(() => rm(path, { recursive: true, force: true }))
    await writeRepository(path, { objects: folder, state, isSha256: name.repositoryId.endsWith('-sha256'), settings })
    const owned = undo.move()
    return { path, [Symbol.asyncDispose]: () => owned.disposeAsync() }
  }

  /** Takes files that are on this disk already, so that they need not be copied. */
  async adopt(
    name: RepositoryName,
    { id }: Pack,
    files: { readonly pack: string; readonly index: string },
  ): Promise<void> {
    const folder = join(this.#folderOf(name), 'pack')
    await mkdir(folder, { recursive: true, mode: 0o700 })
    // Git looks for indexes: the pack is there before.
    await link(files.pack, join(folder, `pack-${id}.pack`))
    await link(files.index, join(folder, `pack-${id}.idx`))
  }

  /** Whether nobody uses the repository now; else `removal` is for another time. */
  async #unused(folder: string, removal: () => Promise<void>): Promise<void> {
    if (this.#users.has(folder)) return
    // Whoever comes now waits for it as for a copy.
    await this.#alone(folder, removal)
  }

  /** Removes packs that the state does not name. */
  async tidy(name: RepositoryName, { packs }: Pick<RepositoryState, 'packs'>): Promise<void> {
    const folder = this.#folderOf(name)
    await this.#unused(folder, async () => {
      const kept = new Set(packs.map(({ id }) => id))
      for (const file of (await readdir(join(folder, 'pack')).catch(ignoring('ENOENT'))) ?? []) {
        const id = /^pack-([0-9a-f]+)\./.exec(file)?.[1]
        if (id === undefined || !kept.has(id)) await rm(join(folder, 'pack', file), { force: true })
      }
    })
  }

  /** Removes what was not used for `ageMs`. */
  async removeUnused(ageMs: number): Promise<void> {
    const root = join(this.#dir, 'packs')
    for (const user of (await readdir(root).catch(ignoring('ENOENT'))) ?? [])
      for (const repository of await readdir(join(root, user))) {
        const folder = join(root, user, repository)
        if (this.#clock.now() - (await stat(folder)).mtimeMs < ageMs) continue
        await this.#unused(folder, () => rm(folder, { recursive: true, force: true }))
      }
  }

  #folderOf({ userId, repositoryId }: RepositoryName): string {
    return join(this.#dir, 'packs', userId, repositoryId)
  }

  #leave(folder: string): void {
    const users = (this.#users.get(folder) ?? 1) - 1
    if (users === 0) this.#users.delete(folder)
    else this.#users.set(folder, users)
  }

  async #alone(folder: string, action: () => Promise<void>): Promise<void> {
    const before = this.#copying.get(folder) ?? Promise.resolve()
    const own = before.catch(() => {}).then(action)
    this.#copying.set(folder, own)
    try {
      await own
    } finally {
      if (this.#copying.get(folder) === own) this.#copying.delete(folder)
    }
  }

  async #copyMissing(name: RepositoryName, folder: string, packs: readonly Pack[], signal: AbortSignal): Promise<void> {
    await this.#alone(folder, async () => {
      await mkdir(join(folder, 'pack'), { recursive: true, mode: 0o700 })
      const now = new Date(this.#clock.now())
      await utimes(folder, now, now)
      const missing = packs.filter(({ id }) => !existsSync(join(folder, 'pack', `pack-${id}.idx`)))
      const copyNext = async (): Promise<void> => {
        for (let pack = missing.shift(); pack !== undefined; pack = missing.shift())
          await this.#copy(name, join(folder, 'pack'), pack, signal)
      }
      await Promise.all(Array.from({ length: copiesAtOnce }, copyNext))
    })
  }

  async #copy(name: RepositoryName, folder: string, pack: Pack, signal: AbortSignal): Promise<void> {
    const keys = packKeys(name, pack)
    for (const [key, file] of [
      [keys.pack, `pack-${pack.id}.pack`],
      [keys.index, `pack-${pack.id}.idx`],
    ] as const) {
      const unfinished = join(folder, `tmp-${newUuid()}`)
      try {
        await pipeline(this.#storage.read(key, { signal }), createWriteStream(unfinished, { mode: 0o600 }), { signal })
        await rename(unfinished, join(folder, file))
      } finally {
        await rm(unfinished, { force: true })
      }
    }
  }
}

/** What `git init --bare` and many `git update-ref` would do, without starting git (gitrepository-layout). */
async function writeRepository(
  path: string,
  {
    objects,
    state,
    isSha256,
    settings,
  }: {
    readonly objects: string
    readonly state: RepositoryState
    readonly isSha256: boolean
    readonly settings: readonly string[]
  },
): Promise<void> {
  for (const folder of ['objects/info', 'objects/pack', 'refs'])
    await mkdir(join(path, folder), { recursive: true, mode: 0o700 })
  const config = [
    '[core]',
    `\trepositoryformatversion = ${isSha256 ? 1 : 0}`,
    '\tbare = true',
    // What lasts is on object storage.
    '\tfsync = none',
    ...(isSha256 ? ['[extensions]', '\tobjectFormat = sha256'] : []),
    ...settings,
  ]
  const names = [...state.refs.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const refs = names.map((name) => `${state.refs.get(name)!.objectId} ${name}`)
  const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('')
  await Promise.all([
    writeFile(join(path, 'objects/info/alternates'), `${objects}\n`),
    writeFile(join(path, 'config'), text(config)),
    writeFile(join(path, 'packed-refs'), text(['# pack-refs with: sorted ', ...refs])),
    writeFile(join(path, 'HEAD'), `ref: ${headOf(names)}\n`),
    ...(state.shallow.length === 0 ? [] : [writeFile(join(path, 'shallow'), text(state.shallow))]),
  ])
}

/** What a clone checks out. */
function headOf(names: readonly string[]): string {
  const branches = names.filter((name) => name.startsWith('refs/heads/'))
  const usual = ['refs/heads/main', 'refs/heads/master'].find((name) => branches.includes(name))
  return usual ?? branches[0] ?? 'refs/heads/main'
}
