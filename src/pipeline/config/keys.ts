// The keys of a definition, as data: what decoding accepts and what docs/config.md documents.

export type KeyScope =
  | 'config'
  | 'run'
  | 'task'
  | 'runtime'
  | 'container'
  | 'volume'
  | 'tmpfs'
  | 'depend'
  | 'value'
  | 'credential'
  | 'clone'
  | 'run step'
  | 'save_to_workspace'
  | 'restore_workspace'
  | 'save_cache'
  | 'restore_cache'
  | 'content'
  | 'when'
  | 'conditions'
  | 'executor'

const everyStep = ['name', 'when'] as const

/** The keys of the reference, honoured in every definition. */
export const keysOf: Readonly<Record<KeyScope, readonly string[]>> = {
  config: ['runs', 'docker_registries_auth', 'task_timeout_interval'],
  run: ['name', 'tasks', 'when', 'docker_registries_auth', 'task_timeout_interval'],
  task: [
    'name',
    'runtime',
    'environment',
    'working_dir',
    'shell',
    'user',
    'steps',
    'depends',
    'ignore_failure',
    'approval',
    'when',
    'docker_registries_auth',
    'task_timeout_interval',
  ],
  runtime: ['type', 'arch', 'containers'],
  container: ['image', 'environment', 'user', 'privileged', 'entrypoint', 'volumes'],
  volume: ['path', 'tmpfs'],
  tmpfs: ['size'],
  depend: ['task', 'conditions'],
  value: ['from_variable'],
  credential: ['type', 'username', 'password', 'auth'],
  clone: ['depth', 'recurse_submodules', ...everyStep],
  'run step': ['command', 'environment', 'working_dir', 'shell', 'tty', ...everyStep],
  save_to_workspace: ['contents', ...everyStep],
  restore_workspace: ['dest_dir', ...everyStep],
  save_cache: ['key', 'contents', ...everyStep],
  restore_cache: ['keys', 'dest_dir', ...everyStep],
  content: ['source_dir', 'dest_dir', 'paths'],
  when: ['branch', 'tag', 'ref'],
  conditions: ['include', 'exclude'],
  executor: [],
}

export type SlipwayOnlyKey = {
  readonly scope: KeyScope
  readonly key: string
  /** Path as written in docs, for example `runs[].tasks[].executor`. */
  readonly path: string
  readonly type: string
  readonly doc: string
}

/** Keys beyond the reference: honoured under `.slipway/` only. */
export const slipwayOnlyKeys: readonly SlipwayOnlyKey[] = [
  {
    scope: 'task',
    key: 'executor',
    path: 'runs[].tasks[].executor',
    type: 'map',
    doc: 'What an executor must have to get this task.',
  },
  {
    scope: 'executor',
    key: 'labels',
    path: 'runs[].tasks[].executor.labels',
    type: 'map of label name to value (strings)',
    doc: 'Labels, each with its value, that an executor must carry. None: any executor.',
  },
  {
    scope: 'clone',
    key: 'lfs',
    path: 'runs[].tasks[].steps[].clone.lfs',
    type: 'boolean',
    doc: 'Fetches files of Git LFS. Without it a tree that has any fails the step.',
  },
]

export type StepKind = 'clone' | 'run' | 'save_to_workspace' | 'restore_workspace' | 'save_cache' | 'restore_cache'

/** The keys a step of each kind may have. */
export const stepScopes: ReadonlyMap<string, { readonly kind: StepKind; readonly scope: KeyScope }> = new Map(
  (
    [
      ['clone', 'clone'],
      ['run', 'run step'],
      ['save_to_workspace', 'save_to_workspace'],
      ['restore_workspace', 'restore_workspace'],
      ['save_cache', 'save_cache'],
      ['restore_cache', 'restore_cache'],
    ] as const
  ).map(([kind, scope]) => [kind, { kind, scope }]),
)
