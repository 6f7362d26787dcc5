// A push. `git receive-pack` does the work in a repository of its own, and asks in its pre-receive hook, when all objects have come and
// are checked, whether it may go on. There the packs are stored and the next state is written; only after that git tells the client
// that its refs are accepted. What is killed before, has accepted nothing; what is killed after, has lost nothing.

import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, chmod, mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Clock } from '../../lib/clock.ts'
import { ignoring } from '../../lib/errno.ts'
import { errorMessage, isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { runProcess } from '../../lib/process.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import type { RepositoryName } from '../api.ts'
import { fileBytes } from '../repositories/file-bytes.ts'
import type { PackCache } from '../repositories/pack-cache.ts'
import type { Pack } from '../repositories/repository-state.ts'
import { type NumberedState, packKeys, type StateStore } from '../repositories/state-store.ts'
import { gitServerEnvironment } from './git-child.ts'
import { isNone, type PushLimits, planPush, type RefUpdate } from './plan-push.ts'

export type PushOutcome = 'accepted' | 'refused' | 'failed'

export type PushComponents = {
  readonly storage: ObjectStorage
  readonly states: StateStore
  readonly cache: PackCache
  readonly clock: Clock
  readonly logger: Logger
  /** Hears what became of each push. */
  readonly onPush?: (outcome: PushOutcome) => void
}

export type PushRequest = {
  readonly name: RepositoryName
  /** What git looks at. */
  readonly base: NumberedState
  /** Of the repository it works in. */
  readonly path: string
  /** Commits that the client says have no parents. */
  readonly shallow: () => readonly string[]
  readonly limits?: PushLimits
  readonly signal: AbortSignal
}

/** Others are too fast for it when it loses so often. */
const attemptsMax = 20
/** The hook says a line for each ref. */
const questionBytesMax = 8 * 1024 * 1024

/** It speaks with us through file descriptor 3, which git leaves open for it. Without an answer the push is refused. */
const hook = `#!/bin/sh
# Asks the server whether this push is accepted: it is when the server has stored it.
{ printf 'quarantine %s\\n' "$GIT_QUARANTINE_PATH" && cat && echo end; } >&3 || exit 1
IFS= read -r verdict <&3 || { echo 'The server stopped before the push was stored: push again' >&2; exit 1; }
test "$verdict" = accepted && exit 0
printf '%s\\n' "$verdict" >&2
exit 1
`

/** Settings of git for a repository that is pushed to. */
export function receiveSettings(hooks: string, { bytesMax }: { readonly bytesMax: number }): readonly string[] {
  return [
    '[core]',
    `\thooksPath = ${JSON.stringify(hooks)}`,
    '[receive]',
    // Whatever comes stays a pack.
    '\tunpackLimit = 1',
    `\tmaxInputSize = ${bytesMax}`,
    '\tshallowUpdate = true',
    '\tdenyCurrentBranch = ignore',
    '\tdenyDeleteCurrent = ignore',
    '\tautogc = false',
    '[gc]',
    '\tauto = 0',
    '[pack]',
    '\twriteReverseIndex = false',
  ]
}

/** Writes the hook, and sees that this machine runs it: git takes one that cannot be run for none. Errors: `config_invalid`. */
export async function installHook(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, 'pre-receive')
  // In one step: requests of an earlier process may still run it.
  const unfinished = `${path}.${process.pid}`
  await writeFile(unfinished, hook)
  await chmod(unfinished, 0o700)
  await rename(unfinished, path)
  try {
    // Nobody is at its descriptor 3, so it refuses.
    const { code, stderr } = await runProcess(path, [], { input: '' })
    if (code !== 1) throw new Error(stderr)
  } catch (cause) {
    throw new SlipwayError(
      'config_invalid',
      `dataDir: programs below ${folder} cannot be run (mounted with noexec?), which the git server needs: ${errorMessage(cause)}`,
      { cause },
    )
  }
}

/** Errors: `service_unavailable` when the hook has gone since. */
export async function checkHook(folder: string): Promise<void> {
  try {
    await access(join(folder, 'pre-receive'), constants.X_OK)
  } catch (cause) {
    throw new SlipwayError('service_unavailable', 'the git server cannot take pushes: restart it', { cause })
  }
}

/** Answers the hook at the other end of `channel`. Resolves when that is done; never throws. */
export async function answerHook(channel: Duplex, push: PushRequest, components: PushComponents): Promise<void> {
  let verdict: string
  try {
    const question = await readQuestion(channel)
    // Git ended without asking: there was nothing to ask.
    if (question === undefined) return
    verdict = await decide(question, push, components)
    components.onPush?.(verdict === accepted ? 'accepted' : 'refused')
  } catch (error) {
    components.onPush?.('failed')
    const isTold = isSlipwayError(error) && error.kind !== 'internal'
    if (!isTold) components.logger.error('push failed', { ...push.name, error })
    verdict = isTold ? `The push could not be stored: ${error.message}` : 'The push could not be stored'
  }
  channel.end(`${verdict.replaceAll(/\s+/g, ' ')}\n`)
  // Git has ended for us when its end of the channel is read, too.
  channel.resume()
}

type Question = { readonly quarantine: string; readonly updates: readonly RefUpdate[] }

async function readQuestion(channel: Duplex): Promise<Question | undefined> {
  let text = ''
  for await (const chunk of channel.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    text += chunk.toString('latin1')
    if (text.length > questionBytesMax) throw new SlipwayError('limit_exceeded', 'it changes too many refs at once')
    if (text.endsWith('\nend\n')) break
  }
  if (!text.endsWith('\nend\n')) return undefined
  // As bytes until here: a chunk may end within a character.
  const lines = Buffer.from(text, 'latin1').toString('utf8').split('\n').slice(0, -2)
  const quarantine = /^quarantine (.+)$/.exec(lines[0] ?? '')?.[1] ?? ''
  const updates = lines.slice(1).map((line) => {
    const [, oldId = '', newId = '', name = ''] = /^([0-9a-f]+) ([0-9a-f]+) (.*)$/s.exec(line) ?? []
    return { oldId, newId, name }
  })
  return { quarantine, updates }
}

/** What the hook waits for. */
const accepted = 'accepted'

/** `accepted` when everything is stored, else why not. */
async function decide(
  { quarantine, updates }: Question,
  { name, base, path, shallow, limits: pushLimits, signal }: PushRequest,
  { storage, states, cache, clock, logger }: PushComponents,
): Promise<string> {
  const found = await findPacks(quarantine)
  // Only what is stored below counts: without a pack refs may point to nothing but what is here already.
  const kinds = await kindsOf(
    updates.map(({ newId }) => newId).filter((id) => !isNone(id)),
    { path, quarantine: found.length === 0 ? undefined : quarantine },
    signal,
  )
  const grafts = await newGrafts(shallow(), { path, quarantine }, signal)
  const push = { updates, packs: found.map(({ pack }) => pack), shallow: grafts, kinds, now: clock.now() }
  // Refused before anything is stored, where that is clear already.
  const first = planPush(push, { base: base.state, latest: base.state }, pushLimits)
  if (first.kind === 'refused') return first.why
  await Promise.all(
    found.map(async ({ pack, files }) => {
      const keys = packKeys(name, pack)
      const options = (sizeBytes: number) => ({ sizeBytes, signal })
      await storage.put(keys.pack, fileBytes(files.pack), options(pack.packBytes))
      await storage.put(keys.index, fileBytes(files.index), options(pack.indexBytes))
    }),
  )
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const latest = await states.load(name, signal)
    const planned = planPush(push, { base: base.state, latest: latest.state }, pushLimits)
    if (planned.kind === 'refused') return planned.why
    if (!(await states.follow(name, latest, planned.next))) continue
    // The next one need not copy them; if it must, so be it.
    for (const { pack, files } of found)
      await cache
        .adopt(name, pack, files)
        .catch((error: unknown) => logger.warn('a pushed pack is not in the cache', { ...name, error }))
    return accepted
  }
  return 'others push to this repository all the time: push again'
}

type FoundPack = { readonly pack: Pack; readonly files: { readonly pack: string; readonly index: string } }

async function findPacks(quarantine: string): Promise<readonly FoundPack[]> {
  const folder = join(quarantine, 'pack')
  const names = ((await readdir(folder).catch(ignoring('ENOENT'))) ?? []).filter((name) => name.endsWith('.pack'))
  return await Promise.all(
    names.map(async (name) => {
      const files = { pack: join(folder, name), index: join(folder, `${name.slice(0, -'.pack'.length)}.idx`) }
      const [packBytes, indexBytes] = await Promise.all([sizeOf(files.pack), sizeOf(files.index)])
      return { pack: { id: randomBytes(20).toString('hex'), packBytes, indexBytes }, files }
    }),
  )
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file)).size
}

type Objects = { readonly path: string; readonly quarantine: string | undefined }

/** The commits that came with the push: those that were here before have their parents. */
async function newGrafts(
  shallow: readonly string[],
  { path, quarantine }: Objects,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (shallow.length === 0) return []
  const before = await kindsOf(shallow, { path, quarantine: undefined }, signal)
  const after = await kindsOf(shallow, { path, quarantine }, signal)
  return shallow.filter((id) => before.get(id) === undefined && after.get(id) === 'commit')
}

async function kindsOf(
  ids: readonly string[],
  { path, quarantine }: Objects,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string | undefined>> {
  const kinds = new Map<string, string | undefined>()
  if (ids.length === 0) return kinds
  const environment = {
    ...gitServerEnvironment(),
    ...(quarantine === undefined
      ? {}
      : { GIT_OBJECT_DIRECTORY: quarantine, GIT_ALTERNATE_OBJECT_DIRECTORIES: join(path, 'objects') }),
  }
  const { code, stdout, stderr } = await runProcess(
    'git',
    ['--git-dir', path, 'cat-file', '--batch-check=%(objectname) %(objecttype)'],
    { environment, input: ids.map((id) => `${id}\n`).join(''), signal },
  )
  if (code !== 0) throw new SlipwayError('git_failed', `look at pushed objects: ${stderr.trim()}`)
  for (const line of stdout.toString('utf8').split('\n')) {
    const [id = '', kind] = line.split(' ')
    if (id !== '') kinds.set(id, kind === 'missing' ? undefined : kind)
  }
  return kinds
}

/** Folder of the hook below that of the git server. */
export function hooksFolder(dir: string): string {
  return join(dir, 'hooks')
}
