// Git servers for tests: real git, real HTTP, a storage in a directory that several of them may share, and users who are only tokens.

import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { temporaryDirectory } from '../../test/support/git-repository.ts'
import type { Configstore } from '../configstore/api.ts'
import type { TokenScope, User, UserToken } from '../configstore/types.ts'
import { openHttpServer } from '../http/http-server.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { type Logger, silentLogger } from '../lib/log.ts'
import type { ObjectStorage } from '../objectstorage/object-storage.ts'
import { openPosixObjectStorage } from '../objectstorage/posix.ts'
import type { RepositoryName } from './api.ts'
import type { PushOutcome } from './requests/receive-pack.ts'
import type { RequestQueue } from './requests/request-queue.ts'
import type { CredentialKeys, RunTaskName } from './requests/run-credential.ts'
import { mountGitserver } from './requests/smart-http.ts'
import { type GitserverHost, type GitserverSettings, openGitserver } from './service.ts'

export const ann = '0198a000-0000-7000-8000-00000000000a'
export const bob = '0198a000-0000-7000-8000-00000000000b'
export const root = '0198a000-0000-7000-8000-00000000000c'

type KnownToken = {
  readonly userId: string
  readonly scope: TokenScope
  readonly isAdmin?: true
  readonly projectIds?: string[]
}

/** By their values. */
export const tokens: Readonly<Record<string, KnownToken>> = {
  'ann-read': { userId: ann, scope: 'read' },
  'ann-run': { userId: ann, scope: 'run' },
  'ann-admin': { userId: ann, scope: 'admin' },
  'ann-projects': { userId: ann, scope: 'admin', projectIds: ['0198a000-0000-7000-8000-0000000000ff'] },
  'bob-run': { userId: bob, scope: 'run' },
  'root-read': { userId: root, scope: 'read', isAdmin: true },
  'root-admin': { userId: root, scope: 'admin', isAdmin: true },
}

export const configstore: Pick<Configstore, 'authenticateToken'> = {
  authenticateToken: async ({ value }) => {
    const known = tokens[value]
    if (known === undefined) return {}
    const { userId, isAdmin = false, scope, projectIds } = known
    const user = { id: userId, name: 'somebody', isAdmin } as unknown as User // only these are looked at
    return { user, token: { scope, ...(projectIds ? { projectIds } : {}) } as unknown as UserToken } // the same
  },
}

export const credentialKeys: CredentialKeys = [Buffer.alloc(32, 7), Buffer.alloc(32, 8)]

export type TestGitserver = AsyncDisposable & {
  readonly url: string
  /** With a token as password. */
  repositoryUrl(repositoryId: string, token?: string, userId?: string): string
  readonly host: GitserverHost
  /** Its cache. */
  readonly dir: string
}

export type TestGitserverOptions = {
  /** Folder of this installation. */
  readonly folder: string
  /** Instances of one installation have different ones. */
  readonly instance?: string
  readonly storage?: (storage: ObjectStorage) => ObjectStorage
  readonly clock?: Clock
  readonly logger?: Logger
  readonly onPush?: (outcome: PushOutcome) => void
  readonly limits?: GitserverSettings['limits']
  readonly queue?: RequestQueue
  readonly repositoryOfTask?: (task: RunTaskName) => Promise<RepositoryName | undefined>
}

export async function startGitserver(options: TestGitserverOptions): Promise<TestGitserver> {
  const {
    folder,
    instance = 'one',
    clock = systemClock,
    logger = silentLogger,
    limits,
    queue,
    onPush = () => {},
  } = options
  await using undo = new AsyncDisposableStack()
  const posix = undo.use(await openPosixObjectStorage({ root: join(folder, 'objects') }))
  const storage = options.storage?.(posix) ?? posix
  const dir = join(folder, instance)
  const host = await openGitserver({ dir, ...(limits ? { limits } : {}) }, { storage, clock, logger, onPush })
  const { repositoryOfTask = async () => undefined } = options
  const server = undo.use(
    await openHttpServer(
      { listen: { host: '127.0.0.1', port: 0 }, stopMs: 500 },
      {
        logger,
        mount: (app) =>
          mountGitserver(app, {
            gitserver: host,
            configstore,
            keys: credentialKeys,
            repositoryOfTask,
            ...(queue ? { queue } : {}),
          }),
      },
    ),
  )
  const owned = undo.move()
  return {
    url: server.url,
    host,
    dir,
    repositoryUrl: (repositoryId, token = 'ann-run', userId = ann) =>
      `${server.url.replace('http://', `http://x:${token}@`)}/repos/${userId}/${repositoryId}.git`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export type GitResult = { readonly ok: boolean; readonly stdout: string; readonly stderr: string }

/** A user's own git with settings of nobody; never fails by itself. */
export async function git(cwd: string, ...args: readonly string[]): Promise<GitResult> {
  mkdirSync(cwd, { recursive: true })
  const env = {
    PATH: process.env.PATH,
    HOME: cwd,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_AUTHOR_NAME: 'Test',
    GIT_AUTHOR_EMAIL: 'test@example.org',
    GIT_COMMITTER_NAME: 'Test',
    GIT_COMMITTER_EMAIL: 'test@example.org',
  }
  try {
    const { stdout, stderr } = await promisify(execFile)('git', ['-c', 'protocol.file.allow=always', ...args], {
      cwd,
      env,
      maxBuffer: 64 * 1024 * 1024,
    })
    return { ok: true, stdout: stdout.trim(), stderr }
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    return { ok: false, stdout: stdout.trim(), stderr }
  }
}

/** What a ref is on the server, asked by git. */
export async function remoteRefs(cwd: string, url: string): Promise<Readonly<Record<string, string>>> {
  const { stdout } = await git(cwd, 'ls-remote', url)
  return Object.fromEntries(
    stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('\t').reverse() as [string, string]),
  )
}

export const temporary = temporaryDirectory
