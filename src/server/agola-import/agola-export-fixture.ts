// Exports of Agola as its documentation describes them, for tests: objects of both formats, and arbitrary runs.

import fc from 'fast-check'
import type { Json } from '../../lib/json.ts'

type Members = Readonly<Record<string, Json>>

export const times = { creationTime: '2025-03-01T10:00:00.123456Z', updateTime: '2025-03-01T10:05:00.5Z' }

/** One object of the newer format. */
export const newer = (kind: string, members: Members): string =>
  `${JSON.stringify({ exportMeta: { kind }, ...members })}\n`

/** One object of v0.7. */
export const older = (type: string, id: string, value: Json): string =>
  JSON.stringify({ id, data_type: type, data: Buffer.from(JSON.stringify(value)).toString('base64') })

export async function* streamOf(text: string | Buffer, chunk = 1000): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text as string)
  for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk)
}

const step = (phase: string, more: Members = {}): Json => ({ phase, log_phase: 'finished', exit_status: null, ...more })

/** A finished run of two tasks, one of which was approved, with everything a run can have. */
export function aRun(id: string, more: Members = {}): Members {
  return {
    id,
    ...times,
    sequence: 7,
    name: 'build',
    run_config_id: `config of ${id}`,
    counter: 3,
    group: '/project/p1/branch/feat%2Fx',
    annotations: { branch: 'feat/x' },
    phase: 'finished',
    result: 'success',
    tasks: {
      t1: {
        id: 't1',
        status: 'success',
        annotations: { approvers: '["u1","u2"]' },
        approved: true,
        setup_step: step('success', { start_time: '2025-03-01T10:00:01Z' }),
        steps: [
          step('success', { exit_status: 0, start_time: '2025-03-01T10:00:02Z', end_time: '2025-03-01T10:00:03Z' }),
        ],
        workspace_archives: [0],
        workspace_archives_phase: ['finished'],
        start_time: '2025-03-01T10:00:01Z',
        end_time: '2025-03-01T10:00:04Z',
        task_timeout_interval: null,
      },
      t2: { id: 't2', status: 'skipped', skip: true, setup_step: step('notstarted'), steps: [step('notstarted')] },
    },
    enqueue_time: '2025-03-01T10:00:00.1Z',
    start_time: '2025-03-01T10:00:00.5Z',
    end_time: '2025-03-01T10:00:05Z',
    archived: true,
    ...more,
  }
}

export function aRunConfig(id: string, more: Members = {}): Members {
  return {
    id,
    ...times,
    name: 'build',
    group: '/project/p1/branch/feat%2Fx',
    annotations: { branch: 'feat/x' },
    static_environment: { CI: 'true', AGOLA_GIT_BRANCH: 'feat/x', AGOLA_SSHPRIVKEY: 'PRIVATE' },
    environment: { TOKEN: 'hunter2' },
    tasks: {
      t1: {
        id: 't1',
        name: 'compile',
        depends: null,
        runtime: {
          type: 'pod',
          arch: 'amd64',
          containers: [
            {
              image: 'golang:1.22',
              privileged: false,
              entrypoint: '',
              environment: { HOME: '/tmp' },
              volumes: [{ path: '/mnt', tmpfs: { size: 1024 } }],
            },
          ],
        },
        environment: { PASSWORD: 'geheim' },
        shell: '/bin/sh -e',
        steps: [
          { type: 'run', name: 'make', command: 'make', tty: true },
          { type: 'save_to_workspace', contents: [{ source_dir: '.', dest_dir: '.', paths: ['**'] }] },
        ],
        needs_approval: true,
        docker_registries_auth: { 'r.example.org': { type: 'basic', username: 'ann', password: 'pw', auth: '' } },
        task_timeout_interval: 60_000_000_000,
      },
      t2: {
        level: 1,
        id: 't2',
        name: 'deploy',
        depends: { t1: { task_id: 't1', conditions: ['on_success'] } },
        runtime: { type: 'pod', containers: [{ image: 'alpine', privileged: false, entrypoint: '', volumes: [] }] },
        steps: [{ type: 'restore_cache', keys: ['a', 'b'], dest_dir: '/c' }],
        skip: true,
        docker_registries_auth: null,
        task_timeout_interval: 0,
      },
    },
    cache_group: 'cg',
    ...more,
  }
}

const text = fc.string({ maxLength: 8 })
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const at = fc.integer({ min: 1, max: 4e12 }).map((ms) => new Date(ms).toISOString())
const statuses = ['notstarted', 'skipped', 'cancelled', 'running', 'stopped', 'success', 'failed']
const phases = ['notstarted', 'cancelled', 'running', 'stopped', 'success', 'failed']
const strings = fc.dictionary(fc.stringMatching(/^[A-Z_]{1,6}$/), text, { maxKeys: 3 })

const arbitraryStep = fc.record({
  phase: fc.constantFrom(...phases),
  exit_status: optional(fc.integer({ min: 0, max: 255 })),
  start_time: optional(at),
  end_time: optional(at),
})

export type ArbitraryRun = {
  readonly number: number
  readonly phase: string
  readonly result: string
  readonly group: string
  readonly name: string
  readonly counter: number
  readonly annotations: Readonly<Record<string, string>>
  readonly environment: Readonly<Record<string, string>>
  readonly tasks: readonly {
    readonly status: string
    readonly approvers: readonly string[]
    readonly timedout: boolean
    readonly steps: readonly Json[]
    readonly start_time: string | undefined
    readonly commands: readonly string[]
  }[]
  readonly start_time: string | undefined
  readonly enqueue_time: string
  /** A member that no version has, somewhere in the objects of the run. */
  readonly unknown: 'Run' | 'Run.tasks.*' | 'Run.tasks.*.steps[]' | 'RunConfig' | 'RunConfig.tasks.*' | undefined
}

export const arbitraryRun: fc.Arbitrary<ArbitraryRun> = fc.record({
  number: fc.nat({ max: 1e6 }),
  phase: fc.constantFrom('setuperror', 'queued', 'cancelled', 'running', 'finished'),
  result: fc.constantFrom('unknown', 'success', 'failed', 'stopped'),
  group: fc.constantFrom('/project/p1/branch/main', '/user/u1/tag/v1', '/project/p2/pr/4'),
  name: text,
  counter: fc.integer({ min: 1, max: 1000 }),
  annotations: strings,
  environment: strings,
  tasks: fc.array(
    fc.record({
      status: fc.constantFrom(...statuses),
      approvers: fc.array(text, { maxLength: 2 }),
      timedout: fc.boolean(),
      steps: fc.array(arbitraryStep as fc.Arbitrary<Json>, { maxLength: 2 }),
      start_time: optional(at),
      commands: fc.array(text, { maxLength: 2 }),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  start_time: optional(at),
  enqueue_time: at,
  unknown: fc.constantFrom('Run', 'Run.tasks.*', 'Run.tasks.*.steps[]', 'RunConfig', 'RunConfig.tasks.*', undefined),
})

const planted = (run: ArbitraryRun, here: ArbitraryRun['unknown']): Members =>
  run.unknown === here ? { planted: 'value' } : {}

/** The run and its config as Agola's objects. */
export function objectsOf(run: ArbitraryRun, id: string): { readonly run: Members; readonly config: Members } {
  const { phase, result, group, name, counter, annotations, environment, start_time, enqueue_time } = run
  const tasks = run.tasks.map(({ approvers, commands: _, steps, ...task }, index) => [
    `t${index}`,
    {
      ...task,
      id: `t${index}`,
      annotations: { approvers: JSON.stringify(approvers) },
      setup_step: { phase: 'success' },
      steps: steps.map((given) => ({ ...(given as Members), ...planted(run, 'Run.tasks.*.steps[]') })),
      ...planted(run, 'Run.tasks.*'),
    },
  ])
  const configTasks = run.tasks.map(({ commands }, index) => [
    `t${index}`,
    {
      id: `t${index}`,
      name: `task ${index}`,
      level: index,
      steps: commands.map((command) => ({ type: 'run', command, tty: false })),
      ...planted(run, 'RunConfig.tasks.*'),
    },
  ])
  const times = { start_time, enqueue_time }
  const shown = { name, group, annotations }
  return clean({
    run: { id, ...shown, phase, result, counter, ...times, tasks: Object.fromEntries(tasks), ...planted(run, 'Run') },
    config: { id, ...shown, environment, tasks: Object.fromEntries(configTasks), ...planted(run, 'RunConfig') },
  })
}

/** Without members that are undefined, as JSON has none. */
function clean<T>(value: unknown): T {
  return JSON.parse(JSON.stringify(value)) as T // its members are Json then
}
