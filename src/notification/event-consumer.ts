// Reads run events, each once: how far it has come is a row of our own, written with what was made of the events. Any number of
// instances may; the one with the lock does, and should two do at once, only one of them finds the row as it has read it.
//
// Beside the events it follows the changes of runs: they wake it, and tell of tasks that wait for approval, which is no event. What is
// missed of that while nobody follows is made good by looking at all runs that have not ended.

import type { Configstore } from '../configstore/api.ts'
import type { Project } from '../configstore/types.ts'
import type { Database } from '../datamanager/database.ts'
import type { Clock } from '../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { Logger } from '../lib/log.ts'
import type { RunChanges, Runservice, RunView } from '../runservice/api.ts'
import type { RunEvent } from '../runservice/types.ts'
import { type Notifications, newIds } from './notifications.ts'
import { isPassing } from './passing.ts'
import { type ReadEvent, type TellSettings, tellEvent, tellStatus } from './plan-event.ts'
import { consumerRowId, type NotificationSchema } from './row-types.ts'
import { isKnownEvent, isOlderThan } from './run-state.ts'

/** Disposing lets another instance read. */
export type ConsumerLock = AsyncDisposable & { readonly lost: AbortSignal }

export type EventConsumerComponents = {
  readonly database: Database<NotificationSchema>
  readonly notifications: Pick<Notifications, 'wake'>
  readonly runservice: Pick<
    Runservice,
    'registerEventConsumer' | 'listEvents' | 'passEvents' | 'loadRun' | 'watchChanges'
  >
  readonly configstore: Pick<Configstore, 'getProject'>
  /** Undefined while another instance has it. */
  readonly tryLock: (signal: AbortSignal) => Promise<ConsumerLock | undefined>
  readonly clock: Clock
  readonly logger: Logger
}

/** Of the runservice's list of consumers. */
export const consumerName = 'notification'

const lockEveryMs = 5_000
const pauseMs = { first: 500, most: 15_000 }
/** Without being told of a change. */
const lookEveryMs = 10_000
/** Of one transaction. */
const eventsAtOnce = 20
/** What cannot be read is tried so often, within half a minute, before it is passed over. */
const attemptsMost = 7
/** A run that is not there may be so only in an instance that is behind; mostly it was deleted. */
const attemptsToFind = 3
const attemptWaitMs = 250
const openRunsMost = 1000

/** Resolves when `signal` is aborted. Never rejects. */
export async function consumeEvents(
  settings: TellSettings,
  components: EventConsumerComponents,
  signal: AbortSignal,
): Promise<void> {
  const { tryLock, clock, logger } = components
  let pause = pauseMs.first
  while (!signal.aborted) {
    try {
      await using lock = await tryLock(signal)
      if (lock !== undefined) {
        const during = AbortSignal.any([signal, lock.lost])
        await new EventConsumer(settings, components).run(during, () => {
          pause = pauseMs.first
        })
      }
    } catch (error) {
      if (!signal.aborted && !isPassing(error)) logger.warn('run events cannot be read', { error })
      await clock.sleep(pause, signal).catch(() => {})
      pause = Math.min(pause * 2, pauseMs.most)
      continue
    }
    await clock.sleep(lockEveryMs, signal).catch(() => {})
  }
}

export class EventConsumer {
  readonly #settings: TellSettings
  readonly #components: EventConsumerComponents
  /** Runs whose tasks began or ended to wait for approval. */
  readonly #changed = new Set<string>()
  #wake = Promise.withResolvers<void>()

  constructor(settings: TellSettings, components: EventConsumerComponents) {
    this.#settings = settings
    this.#components = components
  }

  /** Until `signal` is aborted. `onProgress`: after each round that went well. Errors: those of the services and the database. */
  async run(signal: AbortSignal, onProgress: () => void = () => {}): Promise<void> {
    await this.start()
    const over = new AbortController()
    const during = AbortSignal.any([signal, over.signal])
    const following = this.#follow(during)
    // It ends with an error only; that ends the rounds as well, and is thrown at the end.
    following.catch(() => over.abort())
    try {
      while (!during.aborted) {
        const { promise: woken } = this.#wake
        const isMore = await this.readEvents(during)
        await this.#readChanged(during)
        onProgress()
        if (!isMore && this.#changed.size === 0) await this.#wait(woken, during)
      }
    } catch (error) {
      if (!during.aborted) throw error
    } finally {
      over.abort()
    }
    await following
  }

  /** Registers, and finds where to go on. */
  async start(): Promise<void> {
    const { database, runservice, logger } = this.#components
    const registered = await runservice.registerEventConsumer(consumerName)
    const known = database.view((tx) => tx.get('consumer', consumerRowId))
    if (known === undefined) {
      await database.do((tx) => {
        if (tx.get('consumer', consumerRowId) === undefined) tx.put('consumer', consumerRowId, { passed: registered })
      })
    } else if (known.passed > registered && !(await this.#hasEvent(known.passed))) {
      // What has not been passed there is kept there. So those events are of a future that an older state does not know.
      logger.warn('the runservice has gone back to an older state: its events are read from there', {
        passed: known.passed,
        goesOnAfter: registered,
      })
      await database.do((tx) => {
        if (tx.get('consumer', consumerRowId)?.passed === known.passed)
          tx.put('consumer', consumerRowId, { passed: registered })
      })
    }
  }

  async #hasEvent(sequence: number): Promise<boolean> {
    const [first] = await this.#components.runservice.listEvents(sequence - 1)
    return first !== undefined && (first as Partial<RunEvent>).sequence === sequence
  }

  /** Some events, in one transaction; whether there may be more. */
  async readEvents(signal: AbortSignal): Promise<boolean> {
    const { database, runservice, notifications, logger } = this.#components
    const passed = database.view((tx) => tx.get('consumer', consumerRowId)?.passed) ?? 0
    const events = (await runservice.listEvents(passed)).slice(0, eventsAtOnce)
    const last = events.at(-1)
    if (last === undefined) return false
    const read = await Promise.all(events.map((event) => this.#read(event, signal)))
    signal.throwIfAborted()
    try {
      if (!(await this.#tell(read, { passed, next: last.sequence }))) return true
    } catch (error) {
      if (isPassing(error)) throw error
      // One of them cannot be told: it must not keep the others waiting for ever.
      for (const [index, event] of events.entries()) {
        const step = { passed: events[index - 1]?.sequence ?? passed, next: event.sequence }
        await this.#tell([read[index]], step).catch(async (cause: unknown) => {
          if (isPassing(cause)) throw cause
          logger.error('a run event is passed over: it cannot be told', { event, error: cause })
          await this.#tell([], step)
        })
      }
    }
    notifications.wake()
    await runservice.passEvents(consumerName, last.sequence)
    return true
  }

  /** False when somebody else has told them. */
  async #tell(
    read: readonly (ReadEvent | undefined)[],
    { passed, next }: { readonly passed: number; readonly next: number },
  ): Promise<boolean> {
    const { database, clock } = this.#components
    const now = clock.now()
    const { result } = await database.do((tx) => {
      if ((tx.get('consumer', consumerRowId)?.passed ?? 0) !== passed) return false
      for (const one of read) if (one !== undefined) tellEvent(tx, one, this.#settings, now)
      tx.put('consumer', consumerRowId, { passed: next })
      return true
    })
    return result
  }

  /** Undefined for what is told to nobody: a run of a user, one that is gone, or what cannot be understood. */
  async #read(event: RunEvent, signal: AbortSignal): Promise<ReadEvent | undefined> {
    const { logger, clock } = this.#components
    if (!isKnownEvent(event)) {
      logger.warn('a run event is passed over: this version does not know its kind', { event })
      return undefined
    }
    try {
      const found = await this.#load(event.runId, signal, (view) => !isOlderThan(view.run, event))
      if (found === undefined) return undefined
      return { event, ...found, ids: newIds(clock.now(), 1 + limits.receiversPerProject.value) }
    } catch (error) {
      if (signal.aborted || isPassing(error)) throw error
      logger.error('a run event is passed over: its run cannot be read', { run: event.runId, error })
      return undefined
    }
  }

  /** The run and its project; undefined when it is of a user, or one of them is gone. `isNewEnough`: else it is asked for again. */
  async #load(
    runId: string,
    signal: AbortSignal,
    isNewEnough: (view: RunView) => boolean,
  ): Promise<{ readonly view: RunView; readonly project: Project } | undefined> {
    const { runservice, configstore, clock } = this.#components
    for (let attempt = 1; ; attempt++) {
      try {
        const view = await runservice.loadRun(runId, signal)
        // What never becomes newer is told as it is: the event itself says what happened.
        if (view !== undefined && (isNewEnough(view) || attempt === attemptsMost)) {
          const projectId = projectOf(view.run.group)
          if (projectId === undefined) return undefined
          return { view, project: await configstore.getProject({ project: projectId }) }
        }
        if (view === undefined && attempt >= attemptsToFind) return undefined
      } catch (error) {
        if (isSlipwayError(error, 'project_not_found')) return undefined
        if (signal.aborted || isPassing(error) || attempt === attemptsMost) throw error
      }
      await clock.sleep(attemptWaitMs * 2 ** (attempt - 1), signal)
    }
  }

  async #readChanged(signal: AbortSignal): Promise<void> {
    const { database, clock, notifications, logger } = this.#components
    for (const runId of [...this.#changed]) {
      signal.throwIfAborted()
      this.#changed.delete(runId)
      try {
        const found = await this.#load(runId, signal, () => true)
        if (found === undefined || found.view.run.phase === 'queued') continue
        const now = clock.now()
        const [id = ''] = newIds(now, 1)
        await database.do((tx) => {
          const sequence = tx.get('consumer', consumerRowId)?.passed ?? 0
          tellStatus(tx, { ...found, id, sequence }, this.#settings, now)
        })
        notifications.wake()
      } catch (error) {
        if (signal.aborted || isPassing(error)) {
          this.#changed.add(runId)
          throw error
        }
        logger.warn('the commit status of a run cannot be made', { run: runId, error })
      }
    }
  }

  /** Throws when it cannot follow any more: then begin anew. */
  async #follow(signal: AbortSignal): Promise<void> {
    try {
      let isFollowing = false
      for await (const changes of this.#components.runservice.watchChanges(undefined, signal)) {
        // The first one says that it follows: what changed before is seen in the rows.
        if (!isFollowing) this.#lookAtOpenRuns()
        isFollowing = true
        this.#saw(changes)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
    if (!signal.aborted) throw new SlipwayError('service_unavailable', 'the changes of runs ended')
  }

  #lookAtOpenRuns(): void {
    const { database } = this.#components
    const open = database.view((tx) => tx.list('statuscontext', { index: 'byOpenRun', limit: openRunsMost }))
    for (const { body } of open) this.#changed.add(body.runId)
  }

  #saw({ runs, tasks }: RunChanges): void {
    for (const { group, task } of tasks) {
      if (projectOf(group) === undefined) continue
      if (task.waitingApproval || task.approved) this.#changed.add(task.runId)
    }
    if (runs.length === 0 && this.#changed.size === 0) return
    this.#wake.resolve()
    this.#wake = Promise.withResolvers()
  }

  async #wait(woken: Promise<void>, signal: AbortSignal): Promise<void> {
    const waiting = new AbortController()
    const slept = this.#components.clock.sleep(lookEveryMs, AbortSignal.any([signal, waiting.signal])).catch(() => {})
    await Promise.race([woken, slept])
    waiting.abort()
  }
}

/** `/project/ID/...`; runs of users are nobody else's business. */
function projectOf(group: string): string | undefined {
  const [, owner, id] = group.split('/')
  return owner === 'project' && id !== undefined && id !== '' ? decodeURIComponent(id) : undefined
}
