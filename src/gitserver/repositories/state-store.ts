// The states of repositories on object storage, which alone says what was accepted:
//
//   git/<user>/<repository>/state/<number>    JSON; the highest number is the state, 12 digits from 1
//   git/<user>/<repository>/packs/<id>.pack   and <id>.idx, written before the first state that names them
//
// A state is created only where no object of its number is, so of two who follow the same state one succeeds, on whatever machines
// they are. Lower numbers are removed later, the lowest first; the highest never, or a late writer could begin the count anew.

import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { newUuid } from '../../lib/uuid.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import type { RepositoryName } from '../api.ts'
import { decodeState, emptyState, encodeState, type Pack, type RepositoryState } from './repository-state.ts'

export const repositoriesBase = 'git/'

export type NumberedState = {
  /** 0: there is nothing yet. */
  readonly number: number
  readonly state: RepositoryState
}

const numberDigits = 12
/** A storage that does not say whether it created something is asked so often. */
const askedMax = 5
/** Repositories whose newest state is remembered; those that were asked for longest ago are read again. */
const rememberedMax = 1000

export class StateStore {
  readonly #storage: ObjectStorage
  /** What was read last; there may be newer ones. */
  readonly #remembered = new Map<string, NumberedState>()

  constructor(storage: ObjectStorage) {
    this.#storage = storage
  }

  /** The newest state, as of now wherever it was written. */
  async load(name: RepositoryName, signal?: AbortSignal): Promise<NumberedState> {
    const prefix = statePrefix(name)
    for (;;) {
      const known = this.#remembered.get(prefix)
      const newest = await this.#findNewest(prefix, known?.number ?? 0, signal)
      if (newest === undefined) return known ?? { number: 0, state: emptyState }
      try {
        const { state } = decodeState(await this.#read(stateKey(prefix, newest), signal))
        return this.#remember(prefix, { number: newest, state })
      } catch (error) {
        // A still newer one has come, and this one was removed since.
        if (!isSlipwayError(error, 'object_not_found')) throw error
      }
    }
  }

  /**
   * Makes `next` the state after `before`; false when another one is that already. Errors: `outcome_unknown` when the storage does not
   * say; those of the storage.
   */
  async follow(name: RepositoryName, before: NumberedState, next: RepositoryState): Promise<boolean> {
    const prefix = statePrefix(name)
    const number = before.number + 1
    if (!(await this.#create(stateKey(prefix, number), next))) return false
    // Numbers are removed from the lowest on: while the one before is there, nobody has removed ours, so it was never there.
    if (before.number > 0 && (await this.#storage.stat(stateKey(prefix, before.number))) === undefined)
      throw new SlipwayError('commit_conflict', 'the repository has changed meanwhile')
    this.#remember(prefix, { number, state: next })
    return true
  }

  async #create(key: string, next: RepositoryState): Promise<boolean> {
    const writer = newUuid()
    const bytes = encodeState(next, writer)
    for (let asked = 1; ; asked++) {
      try {
        await this.#storage.create(key, bytes)
        return true
      } catch (error) {
        if (isSlipwayError(error, 'object_exists')) return decodeState(await this.#read(key)).writer === writer
        // It may be there or come yet: creating it once more tells.
        if (!isSlipwayError(error, 'outcome_unknown') || asked === askedMax) throw error
      }
    }
  }

  async #findNewest(prefix: string, after: number, signal: AbortSignal | undefined): Promise<number | undefined> {
    const options = {
      prefix,
      ...(after === 0 ? {} : { after: stateKey(prefix, after) }),
      ...(signal ? { signal } : {}),
    }
    let newest: number | undefined
    for await (const { key } of this.#storage.list(options)) newest = Number(key.slice(prefix.length))
    return newest
  }

  async #read(key: string, signal?: AbortSignal): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    for await (const chunk of this.#storage.read(key, signal ? { signal } : {})) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  #remember(prefix: string, state: NumberedState): NumberedState {
    this.#remembered.delete(prefix)
    this.#remembered.set(prefix, state)
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= rememberedMax) break
      this.#remembered.delete(oldest)
    }
    return state
  }
}

export function repositoryPrefix({ userId, repositoryId }: RepositoryName): string {
  return `${repositoriesBase}${userId}/${repositoryId}/`
}

export function packKeys(
  name: RepositoryName,
  { id }: Pick<Pack, 'id'>,
): { readonly pack: string; readonly index: string } {
  const base = `${repositoryPrefix(name)}packs/${id}`
  return { pack: `${base}.pack`, index: `${base}.idx` }
}

function statePrefix(name: RepositoryName): string {
  return `${repositoryPrefix(name)}state/`
}

function stateKey(prefix: string, number: number): string {
  return `${prefix}${String(number).padStart(numberDigits, '0')}`
}
