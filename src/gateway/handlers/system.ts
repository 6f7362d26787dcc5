// What concerns the installation.

import type { Configstore } from '../../configstore/api.ts'
import { openApiDocument } from '../../contract/openapi.ts'
import { pageLimitMax } from '../../contract/schemas/common.ts'
import type { Clock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import type { Runservice } from '../../runservice/api.ts'
import type {
  ExecutorTokenView,
  ExecutorView,
  QueueEntry,
  QueueOptions,
} from '../../runservice/executors/executor-admin.ts'
import { describeCaller, isAdministrator } from '../auth/caller.ts'
import type { DatabasesStatus, Maintenance, MaintenanceStatus } from '../maintenance.ts'
import type { HandlersOf } from '../routes/handler.ts'
import { projectBadge } from '../runs/badge.ts'
import { runOwnerOf } from '../runs/run-owner.ts'
import type { GatewaySettings } from '../settings.ts'
import { lookAgain } from '../streams/look-again.ts'
import { pageOptions, pageView } from '../views/pages.ts'
import { reasonView } from '../views/runs.ts'
import { remoteSourceDetailView, remoteSourceView } from '../views/stored.ts'
import { optionalTime, timeText } from '../views/time.ts'
import { accessOf, defined, guardOf, written } from './common.ts'

type Ids =
  | 'getBadge'
  | 'listRemoteSources'
  | 'createRemoteSource'
  | 'getRemoteSource'
  | 'updateRemoteSource'
  | 'deleteRemoteSource'
  | 'listExecutors'
  | 'drainExecutor'
  | 'removeExecutor'
  | 'listExecutorTokens'
  | 'createExecutorToken'
  | 'deleteExecutorToken'
  | 'listQueue'
  | 'watchInstallation'
  | 'getMaintenance'
  | 'getDatabaseStatus'
  | 'startMaintenance'
  | 'endMaintenance'
  | 'exportData'
  | 'importData'
  | 'getVersion'
  | 'getOpenApi'

export type SystemHandlersComponents = {
  readonly settings: GatewaySettings
  readonly configstore: Configstore
  readonly runservice: Runservice
  readonly maintenance: Maintenance
  readonly clock: Clock
}

/** Object storage is asked for their status, so streams ask no more often. */
const databasesMs = 10_000

export function systemHandlers({
  settings,
  configstore,
  runservice,
  maintenance,
  clock,
}: SystemHandlersComponents): HandlersOf<Ids> {
  let document: ReturnType<typeof openApiDocument> | undefined
  const shownExecutors = async () => ({ items: (await runservice.listExecutors()).map(executorView) })
  const shownQueue = async (options: QueueOptions) => {
    const { items, nextCursor, total } = await runservice.listQueue(options)
    return { items: items.map(queueEntryView), total, ...(nextCursor === undefined ? {} : { nextCursor }) }
  }
  const shownDatabases = atMostEvery(databasesMs, clock, async () =>
    databasesView(await maintenance.databasesStatus(), clock.now()),
  )
  return {
    getBadge: async ({ query }, context) => {
      const image = await projectBadge(runservice, accessOf(context).id, query.branch)
      context.setHeader('cache-control', 'no-cache')
      context.setHeader('cross-origin-resource-policy', 'cross-origin')
      return { bytes: oneChunk(image) }
    },

    listRemoteSources: async ({ query }, { call }) =>
      pageView(await configstore.listRemoteSources(pageOptions(query), call), remoteSourceView),

    createRemoteSource: async ({ body }, context) =>
      remoteSourceDetailView(written(context, await configstore.createRemoteSource(defined(body), context.call))),

    getRemoteSource: async ({ params }, { caller, call }) => {
      const source = await configstore.getRemoteSource({ remoteSource: params.remoteSourceRef }, call)
      return isAdministrator(caller) ? remoteSourceDetailView(source) : remoteSourceView(source)
    },

    updateRemoteSource: async ({ params, body }, context) => {
      const input = { remoteSource: params.remoteSourceRef, ...defined(body), ...guardOf(context) }
      return remoteSourceDetailView(written(context, await configstore.updateRemoteSource(input, context.call)))
    },

    deleteRemoteSource: async ({ params }, context) => {
      const input = { remoteSource: params.remoteSourceRef, ...guardOf(context) }
      written(context, await configstore.deleteRemoteSource(input, context.call))
    },

    listExecutors: shownExecutors,

    drainExecutor: async ({ params, body }, context) => {
      await runservice.drainExecutor(params.executorId, { draining: body.isDraining })
      context.wrote('runservice', await runservice.position())
      const found = (await runservice.listExecutors()).find(({ id }) => id === params.executorId)
      if (found === undefined)
        throw new SlipwayError('executor_not_found', `there is no executor ${params.executorId} any more`)
      return executorView(found)
    },

    removeExecutor: async ({ params }, context) => {
      await runservice.removeExecutor(params.executorId)
      context.wrote('runservice', await runservice.position())
    },

    listExecutorTokens: async () => ({ items: (await runservice.listExecutorTokens()).map(executorTokenView) }),

    createExecutorToken: async ({ body }, { caller, call }) => {
      const asked = { ...defined(body), createdBy: describeCaller(caller) }
      const { transactionId } = call
      const made = await runservice.createExecutorToken(asked, transactionId === undefined ? {} : { transactionId })
      return { token: executorTokenView(made), value: made.token }
    },

    deleteExecutorToken: async ({ params }) => {
      await runservice.revokeExecutorToken(params.tokenId)
    },

    listQueue: ({ query }) => shownQueue(defined(query)),

    watchInstallation: async function* (_, { signal }) {
      const look = {
        executors: shownExecutors,
        queue: () => shownQueue({ limit: pageLimitMax }),
        maintenance: async () => maintenanceView(await maintenance.status(signal)),
        // Without object storage the rest is told all the same.
        databases: () => shownDatabases().catch(() => undefined),
      }
      const position = () => runservice.position()
      for await (const change of lookAgain(look, { position, clock, signal, lookEveryMs: 2000 })) {
        if (change.name === 'executors') yield { event: 'executors', data: change.value }
        else if (change.name === 'queue') yield { event: 'queue', data: change.value }
        else if (change.name === 'maintenance') yield { event: 'maintenance', data: change.value }
        else if (change.value !== undefined) yield { event: 'databases', data: change.value }
      }
    },

    getMaintenance: async (_, { signal }) => maintenanceView(await maintenance.status(signal)),

    getDatabaseStatus: async (_, { signal }) => databasesView(await maintenance.databasesStatus(signal), clock.now()),

    startMaintenance: async ({ body }, { caller, signal }) => {
      await maintenance.enter(describeCaller(caller), body.why ?? '')
      return maintenanceView(await maintenance.status(signal))
    },

    endMaintenance: async (_, { signal }) => {
      await maintenance.leave()
      return maintenanceView(await maintenance.status(signal))
    },

    exportData: (_, { signal, passphrase }) => ({
      bytes: maintenance.exportAll({ signal, ...(passphrase === undefined ? {} : { passphrase }) }),
      fileName: 'slipway-export.jsonl',
    }),

    importData: async ({ body }, { signal, passphrase }) => {
      await maintenance.import(body, { signal, ...(passphrase === undefined ? {} : { passphrase }) })
    },

    getVersion: () => ({ version: settings.version, api: 'v1' as const }),

    getOpenApi: () => {
      document ??= openApiDocument({ version: settings.version })
      return document
    },
  }
}

/** For all who ask: what was found last, until it is that old. */
function atMostEvery<T>(ms: number, clock: Pick<Clock, 'now'>, find: () => Promise<T>): () => Promise<T> {
  let last: { readonly at: number; readonly found: Promise<T> } | undefined
  return () => {
    if (last !== undefined && clock.now() - last.at < ms) return last.found
    last = { at: clock.now(), found: find() }
    return last.found
  }
}

async function* oneChunk(text: string): AsyncGenerator<Uint8Array, void, undefined> {
  yield Buffer.from(text)
}

function executorView(executor: ExecutorView) {
  const { id, name, version, state, isDraining = false, isHeld, archs, labels, allowPrivileged, drivers } = executor
  return {
    id,
    ...(name === undefined ? {} : { name }),
    ...(version === undefined ? {} : { version }),
    state,
    isDraining,
    isHeld,
    archs: [...archs],
    labels: { ...labels },
    allowPrivileged,
    drivers: [...drivers],
    taskLimit: executor.taskLimit,
    slotsUsed: executor.slotsUsed,
    tasks: executor.tasks.map(({ runId, runTaskId, phase, stop, createdAt }) => ({
      runId,
      taskId: runTaskId,
      phase,
      isStopping: stop,
      createdAt: timeText(createdAt),
    })),
    connectedAt: timeText(executor.connectedAt),
    ...optionalTime('lastSeenAt', executor.lastSeenAt),
  }
}

function executorTokenView(token: ExecutorTokenView) {
  const { id, name, executorId, labels, createdAt, createdBy } = token
  return {
    id,
    name,
    executorId,
    createdAt: timeText(createdAt),
    ...(labels === undefined ? {} : { labels: { ...labels } }),
    ...(createdBy === undefined ? {} : { createdBy }),
  }
}

function queueEntryView({ position, runId, runCounter, runName, group, since, task, reason }: QueueEntry) {
  return {
    position,
    run: {
      id: runId,
      number: runCounter,
      name: runName,
      owner: runOwnerOf(group) ?? { type: 'project' as const, id: '' },
    },
    since: timeText(since),
    reason: reasonView(reason),
    ...(task === undefined
      ? {}
      : { task: { id: task.id, name: task.name, ...(task.arch === undefined ? {} : { arch: task.arch }) } }),
  }
}

function maintenanceView({ databases, instances, isEverywhere }: MaintenanceStatus) {
  const reason = databases.find(({ maintenance }) => maintenance !== undefined)?.maintenance
  return {
    isActive: reason !== undefined,
    isEverywhere,
    ...(reason === undefined ? {} : { by: reason.by, why: reason.why, since: timeText(reason.since) }),
    databases: databases.map(({ service, position, maintenance }) => ({
      service,
      position,
      isActive: maintenance !== undefined,
    })),
    instances: instances.map(({ instanceId, version, hasEntered, isPresent, seenAt, databases: own }) => ({
      id: instanceId,
      version,
      hasEntered,
      isPresent,
      seenAt: timeText(seenAt),
      positions: Object.fromEntries(Object.entries(own).map(([service, { position }]) => [service, position])),
    })),
  }
}

function databasesView({ log, databases, instances }: DatabasesStatus, now: number) {
  const newest = (service: string) =>
    Math.max(
      databases.find((one) => one.service === service)?.position ?? 0,
      ...instances.map(({ databases: own }) => own[service]?.position ?? 0),
    )
  return {
    log,
    databases: databases.map(({ service, generation, position, shipped, snapshots, snapshotAgeMs, waiting }) => ({
      service,
      generation,
      position,
      ...(shipped === undefined ? {} : { shipped }),
      snapshotCount: snapshots.length,
      ...(snapshots[0] === undefined ? {} : { snapshotPosition: snapshots[0] }),
      ...(snapshotAgeMs === undefined ? {} : { snapshotAt: timeText(now - snapshotAgeMs) }),
      waiting: waiting.map(({ oldestAt, ...work }) => ({ ...work, oldestAt: timeText(oldestAt) })),
    })),
    instances: instances.map(({ instanceId, version, isPresent, seenAt, databases: own }) => ({
      id: instanceId,
      version,
      isPresent,
      seenAt: timeText(seenAt),
      databases: Object.entries(own).map(([service, { position }]) => ({
        service,
        position,
        behind: newest(service) - position,
      })),
    })),
  }
}
