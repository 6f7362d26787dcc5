// A configstore on the real embedded database in a throw-away directory, and short ways to fill it.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect, isDeepStrictEqual } from 'node:util'
import type { Database } from '../datamanager/database.ts'
import { openDatabase } from '../datamanager/open-database.ts'
import type { Clock } from '../lib/clock.ts'
import { isSlipwayError } from '../lib/errors.ts'
import { type Logger, silentLogger } from '../lib/log.ts'
import { newSealingKey } from '../lib/sealing.ts'
import { type Configstore, configstoreMethods, type NewProject, type NewRemoteSource } from './api.ts'
import { type ConfigstoreSchema, configstoreRowTypes } from './row-types.ts'
import type { InstallationKeys } from './secrets/keyring.ts'
import { openConfigstore } from './service.ts'
import type { LinkedAccount, Organization, Project, RemoteSource, User } from './types.ts'

/** Time that passes only by `pass`; a sleep ends when it has passed. */
export class HandClock implements Clock {
  #now = 1_800_000_000_000
  readonly #sleepers = new Set<() => void>()

  now(): number {
    return this.#now
  }

  pass(ms: number): void {
    this.#now += ms
    for (const wake of [...this.#sleepers]) wake()
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const until = this.#now + ms
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#sleepers.delete(look)
        signal?.removeEventListener('abort', onAbort)
      }
      const look = () => {
        if (this.#now < until) return
        end()
        resolve()
      }
      const onAbort = () => {
        end()
        reject(signal?.reason)
      }
      if (signal?.aborted) return onAbort()
      this.#sleepers.add(look)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  timeout(): AbortSignal {
    return new AbortController().signal
  }
}

export type World = AsyncDisposable & {
  readonly dir: string
  readonly clock: HandClock
  readonly database: Database<ConfigstoreSchema>
  readonly configstore: Configstore
  readonly keys: InstallationKeys
}

export type WorldOptions = {
  /** Of an earlier world, to open it again. */
  readonly dir?: string
  readonly keys?: InstallationKeys
  readonly logger?: Logger
}

/** Disposing closes it; a directory that it made itself is removed. */
export async function openWorld(options: WorldOptions = {}): Promise<World> {
  await using undo = new AsyncDisposableStack()
  const clock = new HandClock()
  const dir = options.dir ?? aDirectory(undo)
  const database = undo.use(
    await openDatabase<ConfigstoreSchema>({ path: join(dir, 'configstore.db'), types: configstoreRowTypes, clock }),
  )
  const keys = options.keys ?? [newSealingKey()]
  const components = { database, clock, logger: options.logger ?? silentLogger }
  const configstore = undo.use(askedAsFromElsewhere(await openConfigstore({ installationKeys: keys }, components)))
  const owned = undo.move()
  return { dir, clock, database, configstore, keys, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/**
 * All that is answered has to survive the way to another process: a member that is undefined, a date or a class would
 * not be the same there.
 */
function askedAsFromElsewhere(configstore: Configstore): Configstore {
  const methods = Object.keys(configstoreMethods) as (keyof typeof configstoreMethods)[]
  const asked = methods.map((name) => {
    const method = configstore[name] as (...args: unknown[]) => Promise<unknown>
    const ask = async (input: unknown, ...rest: unknown[]) => {
      const answer = await method(input, ...rest)
      if (answer !== undefined && !isDeepStrictEqual(JSON.parse(JSON.stringify(answer)), answer))
        throw new Error(`${name} answers what is not plain JSON: ${inspect(answer)}`)
      return answer
    }
    return [name, ask]
  })
  return {
    ...(Object.fromEntries(asked) as Configstore),
    [Symbol.asyncDispose]: () => configstore[Symbol.asyncDispose](),
  }
}

export function aDirectory(owner: AsyncDisposableStack | DisposableStack): string {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-configstore-'))
  owner.defer(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** Members of `position` are left out, so that answers of changes and of reads compare. */
export function plain<T extends object>(written: T): Omit<T, 'position'> {
  const { position: _, ...rest } = written as T & { position?: number }
  return rest
}

export async function aUser(configstore: Configstore, name: string): Promise<User> {
  return await configstore.createUser({ name })
}

export async function anOrganization(
  configstore: Configstore,
  name: string,
  owner: User,
  visibility: 'public' | 'private' = 'public',
): Promise<Organization> {
  return await configstore.createOrganization({ name, visibility, owner: owner.id })
}

/** A group of every part of the path that is not there. */
export async function aGroup(configstore: Configstore, path: string, visibility: 'public' | 'private' = 'public') {
  const [parent, name] = [path.slice(0, path.lastIndexOf('/')), path.slice(path.lastIndexOf('/') + 1)]
  return await configstore.createProjectGroup({ parent, name, visibility })
}

export async function aProject(
  configstore: Configstore,
  path: string,
  settings: Partial<NewProject> = {},
): Promise<Project> {
  const [group, name] = [path.slice(0, path.lastIndexOf('/')), path.slice(path.lastIndexOf('/') + 1)]
  return await configstore.createProject({ group, name, visibility: 'public', source: { kind: 'none' }, ...settings })
}

export const githubSource: NewRemoteSource = {
  name: 'github',
  type: 'github',
  authType: 'oauth2',
  apiUrl: 'https://api.github.example',
  oauth2ClientId: 'client',
  oauth2ClientSecret: 'client-secret',
}

export type Linked = { readonly source: RemoteSource; readonly account: LinkedAccount }

/** A remote source `github`, made when it is not there, and an account of the user at it. */
export async function aLinkedAccount(configstore: Configstore, user: User): Promise<Linked> {
  const source = await configstore
    .getRemoteSource({ remoteSource: 'github' })
    .catch(() => configstore.createRemoteSource(githubSource))
  const account = await configstore.createLinkedAccount({
    user: user.id,
    remoteSource: source.id,
    remoteUserId: `remote-${user.name}`,
    remoteUserName: user.name,
    accessToken: `token-of-${user.name}`,
  })
  return { source, account }
}

export function fromRemote({ source, account }: Linked, repository = 'acme/web'): NewProject['source'] {
  return {
    kind: 'remotesource',
    remoteSourceId: source.id,
    linkedAccountId: account.id,
    repositoryId: `id-of-${repository}`,
    repositoryPath: repository,
  }
}

/** The code that it fails with, or what it gave. */
export async function codeOf(outcome: Promise<unknown>): Promise<unknown> {
  try {
    return await outcome
  } catch (error) {
    if (isSlipwayError(error)) return error.code
    throw error
  }
}
