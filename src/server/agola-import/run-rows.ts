// Runs, run configs and counters of Agola as rows of the runservice. Pure but for sealing.
//
// - Runs keep their ids, numbers and times. A run that had not ended does not go on here: it arrives as cancelled or stopped.
// - Agola keeps values of secrets in run configs in clear, and does not say which values are: so every value of an environment
//   that is not one of its own plain variables is sealed here.

import { createHash } from 'node:crypto'
import { limits } from '../../lib/limits.ts'
import { type SealingKey, seal } from '../../lib/sealing.ts'
import {
  archs,
  type Container,
  type Depend,
  dependConditions,
  type Environment,
  type RegistryAuth,
  type RunConfigTask,
  type Step,
  type Value,
} from '../../pipeline/run-config.ts'
import { runTaskRowId } from '../../runservice/row-types.ts'
import { toConfigTaskRows } from '../../runservice/runs/config-task-rows.ts'
import { counterName } from '../../runservice/scheduler/create-run.ts'
import {
  type Run,
  type RunConfigRow,
  type RunTask,
  runPhases,
  runResults,
  stepPhases,
  type TaskStep,
  taskStatuses,
} from '../../runservice/types.ts'
import { AgolaFields } from './agola-fields.ts'
import type { ReportBuilder } from './import-report.ts'
import type { AgolaObject } from './read-agola-export.ts'

export type ImportedRow = { readonly type: string; readonly id: string; readonly body: unknown }

export type RunSealing = { readonly storeId: string; readonly key: SealingKey }

export type RunRowsParts = { readonly report: ReportBuilder; readonly sealing: RunSealing }

/** Why whole kinds have no rows; each object of them is in the report. */
export const droppedRunKinds: Readonly<Record<string, string>> = {
  ChangeGroup: 'locks of requests that were under way',
  RunEvent: 'they were delivered, or are told by the runs themselves',
  Executor: 'executors connect anew, each with a token',
  ExecutorTask: 'orders to executors that are not here',
}

const collected = 'logs, workspaces and caches are no part of an export'

/**
 * The rows of one run. `sequence`: its place among all runs. `config`: its run config, which may be missing. Empty, with a line
 * in the report, for a run that cannot be here.
 */
export function runRows(
  object: AgolaObject,
  config: AgolaObject | undefined,
  { sequence, report, sealing }: RunRowsParts & { readonly sequence: number },
): readonly ImportedRow[] {
  const { id } = object
  const fields = new AgolaFields(object.value, 'Run', { id, report })
  const group = fields.text('group') ?? ''
  if (!isGroup(group)) {
    report.drop('Run', 'its group is not a path like /project/ID/branch/NAME', id)
    return []
  }
  const configured = configRows(config, { id, group, report, sealing })
  const run = readRun(fields, { id, group, sequence, configured })
  const rows: ImportedRow[] = [{ type: 'run', id, body: run.body }, ...configured.rows]
  for (const task of run.tasks) rows.push({ type: 'runtask', id: runTaskRowId(id, task.id), body: task })
  const tooLarge = rows.find(({ body }) => Buffer.byteLength(JSON.stringify(body)) > limits.rowBytes.value)
  if (tooLarge === undefined) return rows
  report.drop('Run', `it has more than ${limits.rowBytes.value} bytes in one ${tooLarge.type}`, id)
  return []
}

/** The number that a project or user has come to. */
export function readRunCounter(
  object: AgolaObject,
  report: ReportBuilder,
): { name: string; value: number } | undefined {
  if (object.format === 'v0.7') {
    const { id, value } = object
    if (typeof value === 'number' && Number.isSafeInteger(value)) return { name: id, value }
  } else {
    const fields = new AgolaFields(object.value, 'RunCounter', { id: object.id, report })
    fields.leave(ownMetadata, 'id', 'creationTime', 'updateTime')
    const name = fields.text('GroupID')
    const value = fields.number('Value')
    fields.end()
    if (name !== undefined && name !== '' && value !== undefined) return { name, value }
  }
  report.drop('RunCounter', 'it has no group or no number', object.id)
  return undefined
}

/** The place of a run among all; Agola v0.7 has ids that sort so. */
export function sequenceOf(object: AgolaObject): number | undefined {
  const { sequence } = object.value as { readonly sequence?: unknown }
  return typeof sequence === 'number' && Number.isSafeInteger(sequence) ? sequence : undefined
}

export function runConfigIdOf(object: AgolaObject): string {
  const { run_config_id: id } = object.value as { readonly run_config_id?: unknown }
  return typeof id === 'string' ? id : object.id
}

const ownMetadata = 'ids and times of Agola that nothing here has'

type ReadConfig = {
  readonly id: string
  readonly setupErrors: readonly string[]
  readonly rows: readonly ImportedRow[]
}
type RunPlace = {
  readonly id: string
  readonly group: string
  readonly sequence: number
  readonly configured: ReadConfig
}

function readRun(fields: AgolaFields, { id, group, sequence, configured }: RunPlace) {
  fields.leave(ownMetadata, 'updateTime')
  const createdAt = fields.time('creationTime')
  fields.skip('id', 'sequence', 'run_config_id')
  fields.leave('every run that ended is', 'archived')
  const phase = fields.oneOf('phase', runPhases) ?? 'finished'
  const result = fields.oneOf('result', runResults) ?? 'unknown'
  const startedAt = fields.time('start_time')
  const enqueuedAt = fields.time('enqueue_time') ?? createdAt ?? startedAt ?? 0
  const endTime = fields.time('end_time')
  const isActive = phase === 'queued' || phase === 'running'
  if (isActive)
    fields.drop('phase', `it was ${phase}; here it is ${phase === 'queued' ? 'cancelled' : 'finished, stopped'}`)
  const tasks = fields.entries('tasks').map(([key, task]) => readTask(task, { key, runId: id, isActive }))
  const endPhase = phase === 'queued' ? 'cancelled' : phase === 'running' ? 'finished' : phase
  const latest = Math.max(enqueuedAt, startedAt ?? 0, ...tasks.map(({ endedAt, startedAt: at }) => endedAt ?? at ?? 0))
  const body: Run = {
    id,
    sequence,
    name: fields.text('name') ?? '',
    runConfigId: configured.id,
    counter: fields.number('counter') ?? 0,
    group,
    annotations: fields.map('annotations'),
    phase: endPhase,
    result: phase === 'running' && result === 'unknown' ? 'stopped' : result,
    stop: fields.flag('stop') || phase === 'running',
    setupErrors: configured.setupErrors,
    enqueuedAt,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(endPhase === 'setuperror' ? {} : { endedAt: endTime ?? latest }),
    logsDeleted: true,
  }
  fields.end()
  return { body, tasks }
}

type TaskPlace = { readonly key: string; readonly runId: string; readonly isActive: boolean }

function readTask(fields: AgolaFields, { key, runId, isActive }: TaskPlace): RunTask {
  fields.skip('id', 'task_timeout_interval')
  fields.leave('it is that of the run config', 'skip')
  fields.leave(collected, 'workspace_archives', 'workspace_archives_phase')
  const status = fields.oneOf('status', taskStatuses) ?? 'notstarted'
  const startedAt = fields.time('start_time')
  const endedAt = fields.time('end_time')
  const { approvers = '[]', ...annotations } = fields.map('annotations')
  for (const name of Object.keys(annotations)) fields.drop(`annotations.${name}`, 'tasks have no annotations here')
  const ended =
    isActive && status === 'running' ? 'stopped' : isActive && status === 'notstarted' ? 'cancelled' : status
  const task: RunTask = {
    id: key,
    runId,
    status: ended,
    waitingApproval: fields.flag('waiting_approval') && !isActive,
    approved: fields.flag('approved'),
    approvers: parseApprovers(approvers, fields),
    timedOut: fields.flag('timedout'),
    setupStep: readStep(fields.object('setup_step'), isActive),
    steps: fields.objects('steps').map((step) => readStep(step, isActive)),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
  }
  fields.end()
  return task
}

function readStep(fields: AgolaFields | undefined, isActive: boolean): TaskStep {
  if (!fields) return { phase: 'notstarted' }
  fields.leave(collected, 'log_phase')
  const phase = fields.oneOf('phase', [...stepPhases, '']) || 'notstarted'
  const exitStatus = fields.number('exit_status')
  const startedAt = fields.time('start_time')
  const endedAt = fields.time('end_time')
  fields.end()
  return {
    phase: isActive && phase === 'running' ? 'stopped' : phase,
    ...(exitStatus === undefined ? {} : { exitStatus }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
  }
}

/** A JSON array of user ids in a string. */
function parseApprovers(text: string, fields: AgolaFields): readonly string[] {
  try {
    const value: unknown = JSON.parse(text)
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  } catch {
    // Told below, as any other value that is none.
  }
  fields.drop('annotations.approvers', 'it is no list of users')
  return []
}

type ConfigPlace = RunRowsParts & { readonly id: string; readonly group: string }

function configRows(object: AgolaObject | undefined, place: ConfigPlace): ReadConfig {
  const { report, sealing, group } = place
  if (!object) {
    report.drop('Run.run_config_id', 'the run config is not in the export', place.id)
    const body = emptyConfig(place)
    return { id: body.id, setupErrors: [], rows: [{ type: 'runconfig', id: body.id, body }] }
  }
  const { id } = object
  const fields = new AgolaFields(object.value, 'RunConfig', { id, report })
  fields.leave(ownMetadata, 'creationTime', 'updateTime')
  fields.skip('id')
  if ((fields.text('group') ?? group) !== group) fields.drop('group', 'that of the run is another')
  const secrets = new Secrets({ id, report, sealing })
  const annotations = fields.map('annotations')
  const body: RunConfigRow = {
    ...emptyConfig({ ...place, id }),
    name: fields.text('name') ?? '',
    setupErrors: fields.texts('setup_errors'),
    annotations,
    staticEnvironment: secrets.environment('static', fields.map('static_environment'), isOwnVariable),
    environment: secrets.environment('environment', fields.map('environment')),
    cacheGroup: fields.text('cache_group') ?? '',
    // Agola does not say whether a pull request came from a fork, so it is taken for one.
    trust: annotations.ref_type === 'pull_request' ? 'fork' : 'trusted',
  }
  const tasks = fields.entries('tasks').map(([key, task]) => readConfigTask(task, key, secrets))
  fields.end()
  tasks.sort((a, b) => a.level - b.level || (a.name < b.name ? -1 : 1))
  const taskRows = tasks.flatMap((task, index) => toConfigTaskRows(id, index, task))
  const rows: ImportedRow[] = [{ type: 'runconfig', id, body }, ...secrets.rows]
  for (const row of taskRows) rows.push({ type: 'runconfigtask', id: row.id, body: row.body })
  return { id, setupErrors: body.setupErrors, rows }
}

function emptyConfig({ id, group }: { readonly id: string; readonly group: string }): RunConfigRow {
  const none = { annotations: {}, staticEnvironment: {}, environment: {} }
  return { id, name: '', group, setupErrors: [], ...none, cacheGroup: '', trust: 'trusted' }
}

function readConfigTask(fields: AgolaFields, key: string, secrets: Secrets): RunConfigTask {
  fields.skip('id')
  const runtime = fields.object('runtime')
  runtime?.skip('type')
  const containers = (runtime?.objects('containers') ?? []).map((container, index) =>
    readContainer(container, `${key}/container/${index}`, secrets),
  )
  const arch = runtime?.oneOf('arch', archs)
  runtime?.end()
  const timeoutNs = fields.number('task_timeout_interval') ?? 0
  const task: RunConfigTask = {
    id: key,
    name: fields.text('name') ?? '',
    level: fields.number('level') ?? 0,
    depends: fields.entries('depends').map(readDepend),
    runtime: { type: 'pod', ...(arch === undefined ? {} : { arch }), containers },
    environment: secrets.environment(`${key}/environment`, fields.map('environment')),
    workingDir: fields.text('working_dir') ?? '',
    shell: fields.text('shell') ?? '',
    user: fields.text('user') ?? '',
    steps: fields.objects('steps').map((step, index) => readConfigStep(step, `${key}/step/${index}`, secrets)),
    ignoreFailure: fields.flag('ignore_failure'),
    needsApproval: fields.flag('needs_approval'),
    ...(fields.flag('skip') ? { skip: { rule: '', ref: '' } } : {}),
    registryAuth: readRegistryAuth(fields, key, secrets),
    timeoutMs: Math.ceil(timeoutNs / 1e6),
    executorLabels: {},
  }
  fields.end()
  return task
}

function readDepend([taskId, fields]: readonly [string, AgolaFields]): Depend {
  fields.skip('task_id')
  const asked = fields.texts('conditions')
  const conditions = dependConditions.filter((condition) => asked.includes(condition))
  if (conditions.length < new Set(asked).size) fields.drop('conditions', 'one of them is not known')
  fields.end()
  return { taskId, conditions }
}

function readContainer(fields: AgolaFields, name: string, secrets: Secrets): Container {
  const volumes = fields.objects('volumes').flatMap((volume) => {
    const path = volume.text('path') ?? ''
    const tmpfs = volume.object('tmpfs')
    const sizeBytes = tmpfs?.number('size') ?? 0
    tmpfs?.end()
    volume.end()
    if (!tmpfs) volume.drop('path', 'it is no tmpfs')
    return tmpfs ? [{ path, tmpfs: { sizeBytes } }] : []
  })
  const container: Container = {
    image: fields.text('image') ?? '',
    environment: secrets.environment(`${name}/environment`, fields.map('environment')),
    user: fields.text('user') ?? '',
    privileged: fields.flag('privileged'),
    entrypoint: fields.text('entrypoint') ?? '',
    volumes,
  }
  fields.end()
  return container
}

const stepTypes = ['run', 'save_to_workspace', 'restore_workspace', 'save_cache', 'restore_cache'] as const

function readConfigStep(fields: AgolaFields, place: string, secrets: Secrets): Step {
  const type = fields.oneOf('type', stepTypes)
  const name = fields.text('name') ?? ''
  const contents = () =>
    fields.objects('contents').map((content) => {
      const sourceDir = content.text('source_dir') ?? ''
      const read = { sourceDir, destDir: content.text('dest_dir') ?? '', paths: content.texts('paths') }
      content.end()
      return read
    })
  const step = ((): Step => {
    switch (type) {
      case 'run': {
        const environment = secrets.environment(`${place}/environment`, fields.map('environment'))
        const [command, workingDir, shell] = ['command', 'working_dir', 'shell'].map((key) => fields.text(key) ?? '')
        // Agola reads a missing tty as true, and always writes it.
        const tty = fields.flag('tty')
        return { type, name, command: command!, environment, workingDir: workingDir!, shell: shell!, tty }
      }
      case 'save_to_workspace':
        return { type, name, contents: contents() }
      case 'restore_workspace':
        return { type, name, destDir: fields.text('dest_dir') ?? '' }
      case 'save_cache':
        return { type, name, key: fields.text('key') ?? '', contents: contents() }
      case 'restore_cache':
        return { type, name, keys: fields.texts('keys'), destDir: fields.text('dest_dir') ?? '' }
      case undefined:
        // Steps are counted, so its place is kept; it failed there as well.
        return { type: 'run', name, command: 'exit 1', environment: {}, workingDir: '', shell: '', tty: false }
    }
  })()
  fields.end()
  return step
}

function readRegistryAuth(fields: AgolaFields, key: string, secrets: Secrets): Readonly<Record<string, RegistryAuth>> {
  const found: [string, RegistryAuth][] = []
  for (const [registry, auth] of fields.entries('docker_registries_auth')) {
    const type = auth.oneOf('type', ['basic', 'encodedauth'])
    const place = `${key}/registry/${registry}`
    const sealed = (name: string) => secrets.value(`${place}/${name}`, auth.text(name) ?? '')
    if (type === 'basic')
      found.push([registry, { type, username: auth.text('username') ?? '', password: sealed('password') }])
    if (type === 'encodedauth') found.push([registry, { type, auth: sealed('auth') }])
    auth.end()
  }
  return Object.fromEntries(found)
}

/** The values of one run config that are sealed. */
class Secrets {
  readonly rows: ImportedRow[] = []
  readonly #parts: { readonly id: string; readonly report: ReportBuilder; readonly sealing: RunSealing }

  constructor(parts: { readonly id: string; readonly report: ReportBuilder; readonly sealing: RunSealing }) {
    this.#parts = parts
  }

  environment(place: string, given: Readonly<Record<string, string>>, isPlain = (_name: string) => false): Environment {
    const entries = Object.entries(given).map(([name, value]): [string, Value] => [
      name,
      isPlain(name) ? value : this.value(`${place}/${name}`, value),
    ])
    return Object.fromEntries(entries)
  }

  value(name: string, value: string): Value {
    if (value === '') return ''
    const { id, report, sealing } = this.#parts
    if (Buffer.byteLength(value) > limits.secretBytes.value) {
      report.drop(
        'RunConfig',
        `the value ${name} has more than ${limits.secretBytes.value} bytes and is empty here`,
        id,
      )
      return ''
    }
    const place = { storeId: sealing.storeId, type: 'runconfig', id, field: name }
    const body = { runConfigId: id, name, sealed: seal(sealing.key, place, value) }
    this.rows.push({ type: 'runsecret', id: `${id}/${createHash('sha256').update(name).digest('hex')}`, body })
    return { secret: name }
  }
}

/** What Agola itself gives a run, but for the key. */
function isOwnVariable(name: string): boolean {
  return name === 'CI' || (name.startsWith('AGOLA_') && name !== 'AGOLA_SSHPRIVKEY')
}

function isGroup(group: string): boolean {
  try {
    counterName(group)
    return true
  } catch {
    return false
  }
}
