// Runs and their tasks, logs and changes.

import type { Configstore } from '../../configstore/api.ts'
import type { EventOf, QueryOf } from '../../contract/route.ts'
import type { ApiRoutes } from '../../contract/routes.ts'
import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { newestOnly } from '../../lib/newest-only.ts'
import { escapeSegment } from '../../pipeline/group.ts'
import type { FindRunsQuery, LogExtent, Runservice, RunView } from '../../runservice/api.ts'
import type { LogName } from '../../runservice/executor-api.ts'
import { isFinishedTask } from '../../runservice/types.ts'
import { describeCaller } from '../auth/caller.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { mayWithRun } from '../permissions/may.ts'
import { decide, isAtLeast, standingOf } from '../permissions/permission.ts'
import { permissions } from '../permissions/table.ts'
import type { HandlerContext, HandlersOf } from '../routes/handler.ts'
import { filterRuns } from '../runs/filter-runs.ts'
import type { ProjectSources } from '../runs/project-sources.ts'
import { planRunsByHand } from '../runs/run-by-hand.ts'
import type { RunOwner } from '../runs/run-owner.ts'
import { logTexts } from '../streams/log-text.ts'
import type { RunChangesFeed, RunFilter } from '../streams/run-changes.ts'
import type { SharedLogs } from '../streams/shared-logs.ts'
import {
  logLinesView,
  RunListViews,
  runRowView,
  runSummaryView,
  runView,
  taskStateView,
  taskView,
  withSteps,
} from '../views/runs.ts'
import { accessOf, defined, userOf } from './common.ts'

type Ids =
  | 'listProjectRuns'
  | 'createProjectRuns'
  | 'getProjectRun'
  | 'watchProjectRuns'
  | 'listUserRuns'
  | 'getUserRun'
  | 'watchUserRuns'
  | 'watchAllRuns'
  | 'getRun'
  | 'watchRun'
  | 'restartRun'
  | 'stopRun'
  | 'cancelRun'
  | 'getTask'
  | 'approveTask'
  | 'readLog'
  | 'followLog'
  | 'getLogSummary'
  | 'readLogLines'
  | 'searchLog'
  | 'findLogGroups'
  | 'deleteLog'

export type RunHandlersComponents = {
  readonly configstore: Configstore
  readonly runservice: Runservice
  readonly sources: ProjectSources
  readonly sharedLogs: SharedLogs
  readonly runChanges: RunChangesFeed
  readonly metrics: Pick<Metrics, 'countLogBytes'>
  readonly clock: Clock
}

type RunChangeEvents = AsyncIterable<EventOf<ApiRoutes['watchAllRuns']>>

/** How long a permission to hear of an owner's runs is believed, milliseconds. */
const permissionMs = 30_000
/** A run of so many is told at most ten times a second: it may change a hundred times, and is a hundred kilobytes each time. */
const manyTasks = 60
const manyTasksRestMs = 100
/** Enough to go through by hand. */
const summaryErrorsMax = 100

export function runHandlers(components: RunHandlersComponents): HandlersOf<Ids> {
  const { configstore, runservice, metrics, clock } = components
  const views = new RunListViews()

  const wrote = async (context: HandlerContext) => context.wrote('runservice', await runservice.position())
  const reload = async (runId: string): Promise<RunView> => {
    const run = await runservice.loadRun(runId)
    if (run === undefined) throw new SlipwayError('run_not_found', `there is no run ${runId}`)
    return run
  }
  const list = async (owner: RunOwner, query: QueryOf<ApiRoutes['listProjectRuns']>) => {
    const { text, author } = query
    if (text !== undefined || author !== undefined) {
      const filter = defined({ text, author })
      const found = await filterRuns(runservice, findRunsQuery(owner, query), filter)
      const more = found.next === undefined ? {} : { nextCursor: found.next }
      return { items: views.of(found.runs, found.rows), ...more }
    }
    const { runs, next } = await runservice.findRuns(findRunsQuery(owner, query))
    const rows = await runservice.runRows(runs.map(({ id }) => id))
    return { items: views.of(runs, rows), ...(next === undefined ? {} : { nextCursor: next }) }
  }
  const byNumber = async (owner: RunOwner, counter: number, context: HandlerContext) => {
    const { runs } = await runservice.findRuns({ group: groupOf(owner), isSubtree: true, counter, limit: 1 })
    const run = runs[0] && (await runservice.loadRun(runs[0].id))
    if (run === undefined) throw new SlipwayError('run_not_found', `there is no run #${counter}`)
    return runView(run, mayWithRun(context))
  }
  const watch = (filter: RunFilter, context: HandlerContext) => watchRuns(components.runChanges, filter, context)

  return {
    listProjectRuns: async ({ query }, context) => await list({ type: 'project', id: accessOf(context).id }, query),
    listUserRuns: async ({ query }, context) => await list({ type: 'user', id: accessOf(context).id }, query),
    getProjectRun: async ({ params }, context) =>
      await byNumber({ type: 'project', id: accessOf(context).id }, params.runNumber, context),
    getUserRun: async ({ params }, context) =>
      await byNumber({ type: 'user', id: accessOf(context).id }, params.runNumber, context),

    createProjectRuns: async ({ body }, context) => {
      const project = await configstore.getProject({ project: accessOf(context).id }, context.call)
      const { requests, notCreated } = await planRunsByHand(project, body, components, context.signal)
      const created = await runservice.createRuns(requests, repeatable(context))
      await wrote(context)
      return { runs: created.map((run) => runRowView(run)), notCreated: [...notCreated] }
    },

    watchProjectRuns: (_, context) => {
      const { id } = accessOf(context)
      const mayHear = readableRuns(context, { configstore, clock })
      return watch((owner) => owner.type === 'project' && owner.id === id && mayHear(owner), context)
    },
    watchUserRuns: (_, context) => {
      const { id } = accessOf(context)
      return watch((owner) => owner.type === 'user' && owner.id === id, context)
    },
    watchAllRuns: (_, context) => watch(readableRuns(context, { configstore, clock }), context),

    getRun: (_, context) => runView(runOf(context), mayWithRun(context)),

    watchRun: async function* ({ query }, context) {
      const views = runservice.watchRun(runOf(context).run.id, context.signal)
      const restMs = ({ tasks }: RunView) => (tasks.length < manyTasks ? 0 : manyTasksRestMs)
      for await (const view of newestOnly(views, { restMs, clock })) {
        const data = runView(view, mayWithRun(context))
        yield { event: 'run', id: String(view.position), data: query.steps === true ? withSteps(data, view) : data }
      }
      yield { event: 'end', data: {} }
    },

    restartRun: async ({ body }, context) => {
      const options = { fromStart: body.fromStart, ...repeatable(context) }
      const run = await runservice.restartRun(runOf(context).run.id, options)
      await wrote(context)
      return runRowView(run)
    },

    stopRun: async (_, context) => {
      const { id } = runOf(context).run
      await runservice.stopRun(id, nameOf(context), repeatable(context))
      await wrote(context)
      return runSummaryView(await reload(id))
    },

    cancelRun: async (_, context) => {
      const { id } = runOf(context).run
      await runservice.cancelRun(id, nameOf(context), repeatable(context))
      await wrote(context)
      return runSummaryView(await reload(id))
    },

    getTask: ({ params }, context) => taskView(taskOf(runOf(context), params.taskId), { isOwner: isOwner(context) }),

    approveTask: async ({ params }, context) => {
      const { run } = runOf(context)
      const { task } = taskOf(runOf(context), params.taskId)
      await runservice.approveTask(run.id, task.id, userOf(context).id, repeatable(context))
      await wrote(context)
      return taskView(taskOf(await reload(run.id), task.id), { isOwner: true })
    },

    readLog: async ({ params, query }, context) => {
      const { run, log } = logOf(params, runOf(context))
      await refuseRemoved({ run, taskId: params.taskId, log }, runservice, context.signal)
      const { fromByte = 0, bytes: most = Number.POSITIVE_INFINITY, download } = query
      const bytes = counted(upTo(runservice.readLog(params.taskId, log, fromByte), most), metrics)
      const fileName = `run-${run.run.counter}-${params.taskId}-${params.log}.log`
      return { bytes, ...(download === true ? { fileName } : {}) }
    },

    followLog: ({ params, query }, context) => {
      const { run, log } = logOf(params, runOf(context))
      const from = lastByteOf(context) ?? query.fromByte ?? 0
      return followLog({ run, log, taskId: params.taskId, from, signal: context.signal }, components)
    },

    getLogSummary: async ({ params }, context) => {
      const { log } = logOf(params, runOf(context))
      const [extent, errors] = await Promise.all([
        runservice.logExtent(params.taskId, log, context.signal),
        runservice.searchLog(params.taskId, log, { limit: summaryErrorsMax }, context.signal),
      ])
      const { sizeBytes, lineCount, isComplete } = extent
      return {
        ...{ sizeBytes, lineCount, isComplete, errorLines: [...errors.lines] },
        ...(errors.nextLine === undefined ? {} : { errorsBefore: errors.nextLine }),
      }
    },

    readLogLines: async ({ params, query }, context) => {
      const { log } = logOf(params, runOf(context))
      const { fromLine = 0, tailLines, count } = query
      const start = tailLines === undefined ? { fromLine } : { tailLines }
      const limit = count === undefined ? {} : { count }
      const page = await runservice.readLogLines(params.taskId, log, { ...start, ...limit }, context.signal)
      if (isRemoved(page, taskOf(runOf(context), params.taskId))) throw logRemoved(log)
      metrics.countLogBytes(page.endByte - page.fromByte)
      return logLinesView(page)
    },

    searchLog: async ({ params, query }, context) => {
      const { log } = logOf(params, runOf(context))
      const { lines, nextLine } = await runservice.searchLog(params.taskId, log, defined(query), context.signal)
      return { lines: [...lines], ...(nextLine === undefined ? {} : { nextLine }) }
    },

    findLogGroups: async ({ params, query }, context) => {
      const { log } = logOf(params, runOf(context))
      const groups = await runservice.logGroups(params.taskId, log, query.fromLine ?? 0, context.signal)
      const { begins, ends, commands, nextLine } = groups
      const lists = { begins: [...begins], ends: [...ends], commands: [...commands] }
      return { ...lists, ...(nextLine === undefined ? {} : { nextLine }) }
    },

    deleteLog: async ({ params }, context) => {
      const { log } = logOf(params, runOf(context))
      const { task } = taskOf(runOf(context), params.taskId)
      if (!isFinishedTask(task.status))
        throw new SlipwayError('log_not_complete', 'the task still writes it: stop the run, or wait until it has ended')
      await runservice.deleteLog(task.id, log)
    },
  }
}

type FollowedLog = {
  readonly run: RunView
  readonly log: LogName
  readonly taskId: string
  readonly from: number
  readonly signal: AbortSignal
}

/** Waits for a step that has not begun. */
async function* followLog(
  { run, log, taskId, from, signal }: FollowedLog,
  { runservice, sharedLogs, metrics }: Pick<RunHandlersComponents, 'runservice' | 'sharedLogs' | 'metrics'>,
): AsyncGenerator<EventOf<ApiRoutes['followLog']>, void, undefined> {
  if (!hasStarted(run, taskId, log)) await untilStarted({ runId: run.run.id, taskId, log }, runservice, signal)
  await refuseRemoved({ run, taskId, log }, runservice, signal)
  let end = from
  for await (const { text, endByte } of logTexts(sharedLogs.follow({ runTaskId: taskId, log }, from, signal))) {
    metrics.countLogBytes(endByte - end)
    end = endByte
    yield { event: 'log', id: String(endByte), data: { text } }
  }
  yield { event: 'end', id: String(end), data: {} }
}

function runOf({ run }: HandlerContext): RunView {
  if (run === undefined) throw new SlipwayError('invariant', 'the permission of this route is not on a run')
  return run
}

function repeatable({ call: { transactionId } }: HandlerContext): { readonly transactionId?: string } {
  return transactionId === undefined ? {} : { transactionId }
}

/** For the reason that people see. */
function nameOf({ caller }: HandlerContext): string {
  return caller.kind === 'user' ? caller.user.name : describeCaller(caller)
}

function isOwner(context: HandlerContext): boolean {
  return isAtLeast(standingOf(context.caller, context.access), 'owner')
}

function taskOf(view: RunView, taskId: string): RunView['tasks'][number] {
  const found = view.tasks.find(({ task }) => task.id === taskId)
  if (found === undefined) throw new SlipwayError('task_not_found', `run #${view.run.counter} has no task ${taskId}`)
  return found
}

type LogParams = { readonly taskId: string; readonly log: string }

/** Errors: `task_not_found`, `log_not_found` when there is and will be none. */
function logOf(params: LogParams, run: RunView): { readonly run: RunView; readonly log: LogName } {
  const { task, config } = taskOf(run, params.taskId)
  const log = params.log === 'setup' ? params.log : Number(params.log)
  const notFound = (why: string) => new SlipwayError('log_not_found', `there is no log ${params.log}: ${why}`)
  if (log !== 'setup' && log >= config.steps.length) throw notFound(`the task has ${config.steps.length} steps`)
  if (run.run.logsDeleted === true) throw notFound('the logs of this run were removed')
  if (isFinishedTask(task.status) && !hasStarted(run, task.id, log)) throw notFound('the step was never started')
  return { run, log }
}

function hasStarted(run: RunView, taskId: string, log: LogName): boolean {
  const { task } = taskOf(run, taskId)
  const step = log === 'setup' ? task.setupStep : task.steps[log]
  return step !== undefined && step.phase !== 'notstarted' && step.phase !== 'cancelled'
}

/** Logs are complete before their task has ended: then there is something of each that was not removed, if only its end. */
function isRemoved(
  { sizeBytes, isComplete }: Pick<LogExtent, 'sizeBytes' | 'isComplete'>,
  { task }: RunView['tasks'][number],
): boolean {
  return isFinishedTask(task.status) && sizeBytes === 0 && !isComplete
}

function logRemoved(log: LogName): SlipwayError {
  return new SlipwayError('log_not_found', `there is no log ${log}: it was removed, or nothing of it was ever stored`)
}

/** Errors: `log_not_found`. */
async function refuseRemoved(
  { run, taskId, log }: { readonly run: RunView; readonly taskId: string; readonly log: LogName },
  runservice: Pick<Runservice, 'logExtent'>,
  signal: AbortSignal,
): Promise<void> {
  const task = taskOf(run, taskId)
  if (!isFinishedTask(task.task.status)) return
  if (isRemoved(await runservice.logExtent(taskId, log, signal), task)) throw logRemoved(log)
}

/** Errors: `log_not_found` when the task ends before. */
async function untilStarted(
  of: { readonly runId: string; readonly taskId: string; readonly log: LogName },
  runservice: Pick<Runservice, 'watchRun'>,
  signal: AbortSignal,
): Promise<void> {
  for await (const view of runservice.watchRun(of.runId, signal)) {
    if (hasStarted(view, of.taskId, of.log)) return
    logOf({ taskId: of.taskId, log: String(of.log) }, view)
  }
  signal.throwIfAborted()
  throw new SlipwayError('log_not_found', `there is no log ${of.log}: the step was never started`)
}

function lastByteOf({ lastEventId }: HandlerContext): number | undefined {
  return lastEventId !== undefined && /^[0-9]{1,15}$/.test(lastEventId) ? Number(lastEventId) : undefined
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  metrics: Pick<Metrics, 'countLogBytes'>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    metrics.countLogBytes(chunk.length)
    yield chunk
  }
}

async function* upTo(chunks: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Uint8Array, void, undefined> {
  let left = most
  for await (const chunk of chunks) {
    yield chunk.length <= left ? chunk : chunk.subarray(0, left)
    left -= chunk.length
    if (left <= 0) return
  }
}

async function* watchRuns(feed: RunChangesFeed, filter: RunFilter, context: HandlerContext): RunChangeEvents {
  for await (const change of feed.subscribe(filter, lastByteOf(context), context.signal)) {
    const id = change.position === undefined ? {} : { id: String(change.position) }
    switch (change.kind) {
      case 'run':
        yield { event: 'run', ...id, data: runRowView(change.run) }
        break
      case 'task': {
        const { owner, task } = change
        yield { event: 'task', ...id, data: { runId: task.runId, owner, task: taskStateView(task) } }
        break
      }
      default:
        yield { event: change.kind, ...id, data: {} }
    }
  }
}

/** Whether the caller may read runs of an owner, asked again now and then: memberships end while streams go on. */
function readableRuns(
  { caller }: HandlerContext,
  { configstore, clock }: Pick<RunHandlersComponents, 'configstore' | 'clock'>,
): (owner: RunOwner) => Promise<boolean> {
  const known = new Map<string, { readonly may: boolean; readonly until: number }>()
  const ask = async ({ type, id }: RunOwner): Promise<boolean> => {
    const userId = caller.kind === 'user' ? { userId: caller.user.id } : {}
    try {
      const access = await configstore.resolveAccess({ type, ref: id, ...userId })
      const visible = type === 'user' ? { ...access, globalVisibility: 'private' as const } : access
      return decide(permissions.getRun, caller, visible) === 'allowed'
    } catch (error) {
      if (isSlipwayError(error) && error.kind === 'notfound') return false
      throw error
    }
  }
  return async (owner) => {
    const key = `${owner.type} ${owner.id}`
    const now = clock.now()
    const found = known.get(key)
    if (found !== undefined && found.until > now) return found.may
    // A stream of a large installation hears of many projects: what is old goes.
    if (known.size > 1000) known.clear()
    const may = await ask(owner)
    known.set(key, { may, until: now + permissionMs })
    return may
  }
}

function groupOf({ type, id }: RunOwner): string {
  return `/${type}/${escapeSegment(id)}`
}

/** Errors: `request_invalid`. */
function findRunsQuery(owner: RunOwner, query: QueryOf<ApiRoutes['listProjectRuns']>): FindRunsQuery {
  const named = (['branch', 'tag', 'pullRequest'] as const).filter((kind) => query[kind] !== undefined)
  if (named.length > 1) throw new SlipwayError('request_invalid', `query: only one of ${named.join(', ')} can be given`)
  const [kind = query.refType] = named
  if (query.refType !== undefined && query.refType !== kind)
    throw new SlipwayError('request_invalid', `query: of refType ${query.refType} none has a ${kind}`)
  const below = kind === undefined ? '' : `/${kind === 'pullRequest' ? 'pr' : kind}`
  const name = kind === undefined ? undefined : query[kind]
  return {
    group: `${groupOf(owner)}${below}${name === undefined ? '' : `/${escapeSegment(name)}`}`,
    isSubtree: true,
    ...(query.phase === undefined ? {} : { phases: query.phase }),
    ...(query.result === undefined ? {} : { results: query.result }),
    ...(query.sort === 'asc' ? { oldestFirst: true } : {}),
    ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
    ...(query.limit === undefined ? {} : { limit: query.limit }),
  }
}
