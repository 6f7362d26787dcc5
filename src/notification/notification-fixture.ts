// Runs whose events can be told as a test wants them, a provider that remembers commit statuses, receivers that listen on this machine,
// and notification over them on a database in a throw-away directory.

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ProviderAccess } from '../configstore/provider-access.ts'
import type { Project } from '../configstore/types.ts'
import type { Database } from '../datamanager/database.ts'
import { openDatabase } from '../datamanager/open-database.ts'
import type { CommitStatus, Provider, RemoteRepository } from '../gitsource/provider.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { SlipwayError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { newSealingKey, type SealingKey } from '../lib/sealing.ts'
import { newUuid } from '../lib/uuid.ts'
import type { RunChanges, RunView } from '../runservice/api.ts'
import { aConfigTask } from '../runservice/scheduler/run-fixture.ts'
import type { Run, RunEvent, RunTask, TaskStatus } from '../runservice/types.ts'
import type { NewReceiver, ReceiverWithSecret } from './api.ts'
import { consumerName } from './event-consumer.ts'
import { type NotificationSchema, notificationRowTypes } from './row-types.ts'
import { type NotificationComponents, type NotificationHost, openNotification } from './service.ts'
import type { Notification } from './types.ts'

export const sha = (letter: string) => letter.repeat(40)
const startAt = 1_800_000_000_000

export type RunSpec = {
  readonly projectId?: string
  readonly name?: string
  readonly refType?: 'branch' | 'tag' | 'pull_request'
  readonly branch?: string
  readonly commitSha?: string
  readonly message?: string
  readonly sender?: string
  readonly tasks?: Readonly<Record<string, TaskStatus>>
  readonly setupErrors?: readonly string[]
  /** Of a user, not of a project. */
  readonly isDirect?: boolean
}

/** What of the runservice notification asks for. */
export class FakeRuns {
  readonly events: RunEvent[] = []
  readonly views = new Map<string, RunView>()
  readonly passed = new Map<string, number>()
  readonly #watchers = new Set<(changes: RunChanges) => void>()
  #runs = 0
  #position = 0
  /** Thrown by every call while it is set. */
  trouble: Error | undefined

  /** A queued run, with its event. */
  add(spec: RunSpec = {}): string {
    const id = newUuid()
    const { projectId = 'p1', name = 'build', refType = 'branch', branch = 'main', isDirect = false } = spec
    const sequence = ++this.#runs
    const statuses: Readonly<Record<string, TaskStatus>> = spec.tasks ?? { test: 'notstarted' }
    const tasks = Object.entries(statuses).map(([task, status]) => aTask(id, task, status))
    const run: Run = {
      id,
      sequence,
      name,
      runConfigId: 'c',
      counter: sequence,
      group: isDirect ? '/user/u1/branch/main' : `/project/${projectId}/${refType}/${branch}`,
      annotations: {
        ref_type: refType,
        ref: `refs/heads/${branch}`,
        commit_sha: spec.commitSha ?? sha('a'),
        message: spec.message ?? 'fix it',
        commit_link: 'https://git.example/commit',
        run_creation_trigger: 'webhook',
        webhook_sender: spec.sender ?? 'ann',
        ...(refType === 'branch' ? { branch } : {}),
      },
      phase: 'queued',
      result: 'unknown',
      stop: false,
      setupErrors: spec.setupErrors ?? [],
      enqueuedAt: startAt,
    }
    this.views.set(id, { run, tasks, position: ++this.#position })
    this.change(id, {}, { isEvent: true })
    return id
  }

  /** Changes the run, and tells of it as an event unless it is none. */
  change(
    id: string,
    fields: Partial<Run>,
    options: { readonly isEvent?: boolean; readonly tasks?: Readonly<Record<string, Partial<RunTask>>> } = {},
  ): void {
    const before = this.view(id)
    const tasks = before.tasks.map(({ task, config }) => ({
      task: { ...task, ...options.tasks?.[config.name] },
      config,
    }))
    const run = { ...before.run, ...fields }
    const position = ++this.#position
    this.views.set(id, { run, tasks, position })
    if (options.isEvent !== false)
      this.events.push({
        sequence: this.events.length + 1,
        kind: 'run_phase_changed',
        runId: id,
        phase: run.phase,
        result: run.result,
        at: startAt + position,
      })
    const changed = Object.keys(options.tasks ?? {}).flatMap((name) =>
      tasks.flatMap(({ task, config }) => (config.name === name ? [{ group: run.group, task }] : [])),
    )
    for (const tell of this.#watchers) tell({ position, runs: [run], tasks: changed })
  }

  start(id: string): void {
    this.change(id, { phase: 'running', startedAt: startAt + 1000 })
  }

  /** As a run ends: first its result, then its phase. */
  end(id: string, result: 'success' | 'failed' | 'stopped', tasks: Readonly<Record<string, TaskStatus>> = {}): void {
    const states = Object.fromEntries(Object.entries(tasks).map(([name, status]) => [name, { status }]))
    this.change(id, { result }, { tasks: states })
    this.change(id, { phase: 'finished', endedAt: startAt + 126_000 })
  }

  view(id: string): RunView {
    const view = this.views.get(id)
    if (view === undefined) throw new Error(`there is no run ${id}`)
    return view
  }

  get runservice(): NotificationComponents['runservice'] {
    const answer = <T>(value: () => T): T => {
      if (this.trouble !== undefined) throw this.trouble
      return value()
    }
    return {
      registerEventConsumer: async (name) =>
        answer(() => {
          if (!this.passed.has(name)) this.passed.set(name, this.events.length)
          return this.passed.get(name) ?? 0
        }),
      listEvents: async (after) => answer(() => this.events.filter(({ sequence }) => sequence > after).slice(0, 100)),
      passEvents: async (name, sequence) => answer(() => void this.passed.set(name, sequence)),
      loadRun: async (id) => answer(() => this.views.get(id)),
      watchChanges: (_, signal) => this.#watch(signal),
    }
  }

  /** Registered, as an installation is whose notification was started before the runs. */
  register(): void {
    this.passed.set(consumerName, this.events.length)
  }

  async *#watch(signal: AbortSignal): AsyncGenerator<RunChanges> {
    const waiting: RunChanges[] = [{ position: this.#position, runs: [], tasks: [] }]
    let woken = Promise.withResolvers<void>()
    const tell = (changes: RunChanges) => {
      waiting.push(changes)
      woken.resolve()
    }
    const wake = () => woken.resolve()
    this.#watchers.add(tell)
    signal.addEventListener('abort', wake, { once: true })
    try {
      while (!signal.aborted) {
        if (this.trouble !== undefined) throw this.trouble
        woken = Promise.withResolvers()
        while (waiting.length > 0) yield waiting.shift()!
        if (!signal.aborted) await woken.promise
      }
    } finally {
      this.#watchers.delete(tell)
      signal.removeEventListener('abort', wake)
    }
  }
}

function aTask(runId: string, name: string, status: TaskStatus): RunView['tasks'][number] {
  const step = { phase: 'notstarted' } as const
  const task: RunTask = {
    id: `${runId}-${name}`,
    runId,
    status,
    waitingApproval: false,
    approved: false,
    approvers: [],
    timedOut: false,
    setupStep: step,
    steps: [step],
  }
  return { task, config: aConfigTask(name, {}) }
}

/** Projects by their ids: of a provider unless told otherwise. */
export class FakeProjects {
  readonly projects = new Map<string, Project>()
  trouble: Error | undefined

  constructor() {
    this.add('p1', 'org/acme/web')
  }

  add(id: string, path: string, isRemote = true): void {
    const source = isRemote
      ? {
          kind: 'remotesource',
          remoteSourceId: 's1',
          linkedAccountId: 'l1',
          repositoryId: 'r1',
          repositoryPath: 'acme/web',
        }
      : { kind: 'none' }
    this.projects.set(id, { id, path, name: path.split('/').at(-1)!, source } as unknown as Project)
  }

  get configstore(): NotificationComponents['configstore'] {
    return {
      getProject: async ({ project }) => {
        if (this.trouble !== undefined) throw this.trouble
        const found = this.projects.get(project)
        if (found === undefined) throw new SlipwayError('project_not_found', `there is no project ${project}`)
        return found
      },
      resolveProjectAccess: async ({ projectIds }) => ({
        items: projectIds.filter((id) => this.projects.has(id)).map((id) => ({ id })) as never,
      }),
    }
  }
}

/** Remembers commit statuses as a provider does: of each commit and context the last one is shown. */
export class FakeProvider {
  readonly statuses: CommitStatus[] = []
  trouble: Error | undefined
  isArchived = false
  /** Called with each status before it is set. */
  before: (status: CommitStatus) => Promise<void> = async () => {}

  /** State and description of what is shown, by context. */
  shown(commitSha = sha('a')): Readonly<Record<string, string>> {
    const entries = this.statuses.filter((status) => status.commitSha === commitSha)
    return Object.fromEntries(entries.map(({ context, state, description }) => [context, `${state}: ${description}`]))
  }

  get access(): Pick<ProviderAccess, 'openProviderOfProject'> {
    return {
      openProviderOfProject: async () => {
        if (this.trouble !== undefined) throw this.trouble
        const provider: Pick<Provider, 'setCommitStatus'> = {
          setCommitStatus: async (_, status) => {
            await this.before(status)
            this.statuses.push(status)
          },
        }
        const repository = { id: 'r1', path: 'acme/web', isArchived: this.isArchived } as RemoteRepository
        return { provider: provider as Provider, repository }
      },
    }
  }
}

export type Received = { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string }

/** Listens on this machine, and answers as it is told. */
export class HttpReceiver implements AsyncDisposable {
  readonly received: Received[] = []
  readonly #server: Server
  url = ''
  /** Of the nth request to a path, counted from 1. */
  answer: (received: Received, response: ServerResponse, count: number) => void = (_, response) => {
    response.writeHead(204).end()
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const received = { path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString() }
        this.received.push(received)
        this.answer(received, response, this.received.filter(({ path }) => path === received.path).length)
      })
    })
  }

  static async open(): Promise<HttpReceiver> {
    const receiver = new HttpReceiver()
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve))
    receiver.url = `http://127.0.0.1:${(receiver.#server.address() as AddressInfo).port}`
    return receiver
  }

  of(path: string): readonly Received[] {
    return this.received.filter((one) => one.path === path)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

export type World = AsyncDisposable & {
  readonly runs: FakeRuns
  readonly projects: FakeProjects
  readonly provider: FakeProvider
  readonly database: Database<NotificationSchema>
  readonly notification: NotificationHost
  readonly logged: { readonly message: string; readonly fields: unknown }[]
  /** A receiver of the project. */
  receiver(input: Partial<NewReceiver> & Pick<NewReceiver, 'kind'>): Promise<ReceiverWithSecret>
  list(state?: Notification['state']): Promise<readonly Notification[]>
}

export type WorldOptions = {
  readonly runs?: FakeRuns
  readonly projects?: FakeProjects
  readonly provider?: FakeProvider
  readonly database?: Database<NotificationSchema>
  readonly clock?: Clock
  readonly keys?: readonly [SealingKey, ...SealingKey[]]
  readonly settings?: Partial<Parameters<typeof openNotification>[0]>
}

export async function openNotificationWorld(options: WorldOptions = {}): Promise<World> {
  await using undo = new AsyncDisposableStack()
  const { runs = new FakeRuns(), projects = new FakeProjects(), provider = new FakeProvider() } = options
  const clock = options.clock ?? systemClock
  const database = options.database ?? undo.use(await aDatabase(undo, clock))
  const logged: World['logged'] = []
  const log = (message: string, fields: unknown) => void logged.push({ message, fields })
  const logger: Logger = { debug: () => {}, info: () => {}, warn: log, error: log }
  const notification = undo.use(
    await openNotification(
      {
        publicUrl: () => 'https://ci.example.org',
        statusPrefix: 'slipway',
        allowPrivateAddresses: true,
        version: '1.2.3',
        sealing: { storeId: 'store', keys: options.keys ?? [newSealingKey()] },
        ...options.settings,
      },
      {
        database,
        runservice: runs.runservice,
        configstore: projects.configstore,
        repositories: {
          use: async (project, act, signal) => await act(await provider.access.openProviderOfProject(project, signal)),
        },
        tryLock: async () => ({ lost: new AbortController().signal, [Symbol.asyncDispose]: async () => {} }),
        clock,
        logger,
      },
    ),
  )
  const owned = undo.move()
  return {
    runs,
    projects,
    provider,
    database,
    notification,
    logged,
    receiver: (input) => notification.createReceiver({ projectId: 'p1', name: `r${newUuid()}`, ...input }),
    list: async (state) =>
      (await notification.listNotifications({ projectId: 'p1', limit: 100, ...(state === undefined ? {} : { state }) }))
        .items,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export async function aDatabase(owner: AsyncDisposableStack, clock: Clock): Promise<Database<NotificationSchema>> {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-notification-'))
  owner.defer(() => rmSync(dir, { recursive: true, force: true }))
  return await openDatabase<NotificationSchema>({
    path: join(dir, 'notification.db'),
    types: notificationRowTypes,
    clock,
  })
}
