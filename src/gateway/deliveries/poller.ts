// Looks at the repositories of projects with a poll interval, in one instance at a time. Looks that find nothing write nothing.

import type { Configstore } from '../../configstore/api.ts'
import type { Project } from '../../configstore/types.ts'
import type { Database } from '../../datamanager/database.ts'
import type { Clock } from '../../lib/clock.ts'
import { errorMessage, isSlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import { newUuid } from '../../lib/uuid.ts'
import type { GatewaySchema } from '../rows.ts'
import type { ProjectSources } from '../runs/project-sources.ts'
import { forgetProjects } from './forget-projects.ts'
import { add, type Inbox } from './inbox.ts'
import { laneOfProject } from './lane.ts'
import { lookAt } from './look.ts'

/** Disposing lets another instance look. */
export type PollLock = AsyncDisposable & { readonly lost: AbortSignal }

export type PollerComponents = {
  readonly configstore: Pick<Configstore, 'findProjects' | 'resolveProjectAccess'>
  readonly database: Database<GatewaySchema>
  readonly inbox: Inbox
  readonly sources: ProjectSources
  /** Undefined while another instance has it. */
  readonly tryLock: (signal: AbortSignal) => Promise<PollLock | undefined>
  readonly clock: Clock
  readonly logger: Logger
}

const lockEveryMs = 10_000
/** New projects, and those with another interval, are noticed after so long. */
const roundMs = 5_000
const atOnce = 12
/** Of one server: one that hangs leaves places for the others. */
const perLane = 4
const lookMs = 2 * 60_000
/** A repository that does not answer is looked at less and less. */
const troubleMostMs = 15 * 60_000

/** Resolves when `signal` is aborted and looks have ended. Never rejects. */
export async function pollRepositories(components: PollerComponents, signal: AbortSignal): Promise<void> {
  const { tryLock, clock, logger } = components
  while (!signal.aborted) {
    try {
      await using lock = await tryLock(signal)
      if (lock !== undefined) await pollWhile(components, AbortSignal.any([signal, lock.lost]))
    } catch (error) {
      if (!signal.aborted && !isPassing(error)) logger.warn('repositories cannot be polled', { error })
    }
    await clock.sleep(lockEveryMs, signal).catch(() => {})
  }
}

type Times = Map<string, { readonly dueAt: number; readonly failures: number }>

/** What goes on from round to round. */
export class Polling {
  /** By project. */
  readonly times: Times = new Map()
  /** Those that are due and have no place yet, the longest first. */
  waiting: readonly Project[] = []
  /** Lanes by project. */
  readonly looking = new Map<string, string>()

  /** The first that has a place. */
  take(): Project | undefined {
    if (this.looking.size >= atOnce) return undefined
    const index = this.waiting.findIndex((project) => this.#lookingIn(laneOfPolled(project)) < perLane)
    const project = this.waiting[index]
    if (project === undefined) return undefined
    this.waiting = this.waiting.toSpliced(index, 1)
    this.looking.set(project.id, laneOfPolled(project))
    return project
  }

  #lookingIn(lane: string): number {
    return [...this.looking.values()].filter((other) => other === lane).length
  }
}

const laneOfPolled = (project: Project) => laneOfProject(project) ?? project.id

async function pollWhile(components: PollerComponents, signal: AbortSignal): Promise<void> {
  const polling = new Polling()
  const rounds = new Set<Promise<void>>()
  const over = new AbortController()
  const during = AbortSignal.any([signal, over.signal])
  let forgottenAt = Number.NEGATIVE_INFINITY
  try {
    while (!signal.aborted) {
      if (components.clock.now() - forgottenAt >= limits.cleaningMs.value) {
        await forgetProjects(components)
        forgottenAt = components.clock.now()
      }
      // Nobody waits for the slowest of a round.
      const { ended } = await pollOnce(components, polling, during)
      rounds.add(ended)
      void ended.finally(() => rounds.delete(ended))
      await components.clock.sleep(roundMs, signal).catch(() => {})
    }
  } finally {
    // Whoever looks after this, here or in another instance, begins anew.
    over.abort()
    await Promise.all(rounds)
  }
}

/** Begins to look at those that are due; `ended`: what was begun here, and what got a place by its end. Never rejects. */
export async function pollOnce(
  components: PollerComponents,
  polling: Polling,
  signal: AbortSignal,
): Promise<{ readonly ended: Promise<void> }> {
  const { times, looking } = polling
  const projects = new Map((await polledProjects(components)).map((project) => [project.id, project]))
  for (const id of [...times.keys()]) if (!projects.has(id)) times.delete(id)
  const now = components.clock.now()
  const isDue = ({ id }: Project) => !looking.has(id) && (times.get(id)?.dueAt ?? 0) <= now
  // Those that wait since before are as they are set now.
  const ids = new Set([...polling.waiting, ...[...projects.values()].filter(isDue)].map(({ id }) => id))
  polling.waiting = [...ids].flatMap((id) => projects.get(id) ?? [])
  const look = async () => {
    for (let project = polling.take(); project !== undefined; project = polling.take()) {
      if (!signal.aborted) await pollProject(project, components, times, signal)
      looking.delete(project.id)
    }
  }
  const looks = Array.from({ length: atOnce }, look)
  return { ended: Promise.all(looks).then(() => {}) }
}

async function pollProject(
  project: Project,
  components: PollerComponents,
  times: Times,
  signal: AbortSignal,
): Promise<void> {
  const { sources, clock, database, inbox } = components
  const interval = project.source.kind === 'git' ? project.source.pollIntervalMs : limits.pollIntervalMs.value
  const failures = times.get(project.id)?.failures ?? 0
  try {
    const repository = await sources.open(project, signal)
    const looking = AbortSignal.any([signal, clock.timeout(lookMs)])
    if (repository !== undefined) await lookAt(project, repository, { database, clock }, looking)
    times.set(project.id, { dueAt: clock.now() + interval, failures: 0 })
    inbox.wake()
  } catch (error) {
    if (signal.aborted) return
    const wait = Math.min(interval * 2 ** Math.min(failures, 10), Math.max(interval, troubleMostMs))
    times.set(project.id, { dueAt: clock.now() + wait, failures: failures + 1 })
    if (!isPassing(error)) await noteTrouble(project.id, error, components)
  }
}

/** Once for each kind of trouble: it is told where people ask why nothing starts. */
async function noteTrouble(
  projectId: string,
  error: unknown,
  { database, clock, logger }: PollerComponents,
): Promise<void> {
  const trouble = isSlipwayError(error) ? error.message.slice(0, limits.taskErrorCharacters.value) : 'internal error'
  if (!isSlipwayError(error)) logger.error('look at a repository failed', { projectId, error })
  const now = clock.now()
  const id = newUuid(now)
  try {
    await database.do((tx) => {
      const before = tx.get('lookedat', projectId)
      if (before?.trouble === trouble) return
      tx.put('lookedat', projectId, {
        ...(before ?? { url: '', digest: '' }),
        generation: (before?.generation ?? 0) + 1,
        trouble,
      })
      const outcome = { kind: 'failed', message: `the repository cannot be looked at: ${trouble}` } as const
      add(tx, id, { projectId, source: 'poll', event: 'look', outcome }, now)
    })
  } catch (cause) {
    if (!isPassing(cause))
      logger.warn('trouble with a repository cannot be noted', { projectId, error: errorMessage(cause) })
  }
}

async function polledProjects({ configstore }: PollerComponents): Promise<readonly Project[]> {
  const found: Project[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await configstore.findProjects({
      polled: true,
      limit: 100,
      ...(cursor === undefined ? {} : { cursor }),
    })
    found.push(...page.items)
    if (page.nextCursor === undefined) return found
    cursor = page.nextCursor
  }
}

function isPassing(error: unknown): boolean {
  return isSlipwayError(error) && error.kind === 'unavailable'
}
