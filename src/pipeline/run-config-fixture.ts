// For tests: a run config in the spelling of the reference, as the worked samples have it, and events.

import type { Json, JsonObject } from '../lib/json.ts'
import type { GitEvent } from './event.ts'
import type { ArchiveContent, Container, RegistryAuth, RunConfig, RunConfigTask, Step } from './run-config.ts'

/** A push to master, but for what is given. */
export function anEvent(given: Partial<GitEvent> = {}): GitEvent {
  return {
    refType: 'branch',
    ref: 'refs/heads/master',
    branch: 'master',
    tag: '',
    pullRequestId: '',
    commitSha: '9f1c',
    message: 'fix',
    ...given,
  }
}

/** `a`, `b` as ids would be too easy to mistake for names: counts up. */
export function countingIds(): () => string {
  let count = 0
  return () => `task-${++count}`
}

/** The tasks by `id(NAME)`. Empty members are left out where the reference does so. */
export function inReferenceSpelling(runConfig: RunConfig): JsonObject {
  const names = new Map(runConfig.tasks.map((task) => [task.id, `id(${task.name})`]))
  return Object.fromEntries(runConfig.tasks.map((task) => [names.get(task.id), taskJson(task, names)]))
}

function taskJson(task: RunConfigTask, names: ReadonlyMap<string, string>): JsonObject {
  const depends = task.depends.map(({ taskId, conditions }) => {
    const id = names.get(taskId) ?? taskId
    return [id, { task_id: id, conditions: conditions.length === 0 ? [''] : conditions }] as const
  })
  return {
    ...nonEmpty({ level: task.level }),
    id: names.get(task.id) ?? task.id,
    name: task.name,
    depends: Object.fromEntries(depends),
    runtime: {
      type: task.runtime.type,
      ...nonEmpty({ arch: task.runtime.arch ?? '' }),
      containers: task.runtime.containers.map(containerJson),
    },
    ...nonEmpty({ environment: task.environment }),
    working_dir: task.workingDir,
    shell: task.shell,
    ...nonEmpty({ user: task.user, steps: task.steps.map(stepJson) }),
    ...nonEmpty({ ignore_failure: task.ignoreFailure, needs_approval: task.needsApproval }),
    ...nonEmpty({ skip: task.skip !== undefined }),
    docker_registries_auth: Object.fromEntries(
      Object.entries(task.registryAuth).map(([registry, auth]) => [registry, authJson(auth)]),
    ),
    task_timeout_interval: task.timeoutMs * 1_000_000,
  }
}

function containerJson(container: Container): JsonObject {
  return {
    image: container.image,
    ...nonEmpty({ environment: container.environment, user: container.user }),
    privileged: container.privileged,
    entrypoint: container.entrypoint,
    volumes: container.volumes.map(({ path, tmpfs }) => ({ path, tmpfs: { size: tmpfs.sizeBytes } })),
  }
}

function stepJson(step: Step): JsonObject {
  switch (step.type) {
    case 'run':
      return {
        type: 'run',
        name: step.name,
        command: step.command,
        ...nonEmpty({ environment: step.environment, working_dir: step.workingDir, shell: step.shell }),
        tty: step.tty,
      }
    case 'clone': {
      const options = [
        ...(step.depth === undefined ? [] : [` --depth ${step.depth}`]),
        ...(step.recurseSubmodules ? [' --recurse-submodules'] : []),
      ]
      return { type: 'run', name: step.name, command: `<clone${options.join('')}>`, tty: true }
    }
    case 'save_to_workspace':
      return { type: step.type, ...nonEmpty({ name: step.name, contents: step.contents.map(contentJson) }) }
    case 'restore_workspace':
      return { type: step.type, ...nonEmpty({ name: step.name, dest_dir: step.destDir }) }
    case 'save_cache':
      return {
        type: step.type,
        ...nonEmpty({ name: step.name, key: step.key, contents: step.contents.map(contentJson) }),
      }
    case 'restore_cache':
      return { type: step.type, ...nonEmpty({ name: step.name, keys: step.keys, dest_dir: step.destDir }) }
  }
}

function contentJson(content: ArchiveContent): JsonObject {
  return nonEmpty({ source_dir: content.sourceDir, dest_dir: content.destDir, paths: content.paths })
}

function authJson(auth: RegistryAuth): JsonObject {
  return auth.type === 'basic'
    ? { type: auth.type, username: auth.username, password: auth.password, auth: '' }
    : { type: auth.type, username: '', password: '', auth: auth.auth }
}

/** Without zero values. */
function nonEmpty(members: Readonly<Record<string, Json>>): JsonObject {
  const isZero = (value: Json) =>
    value === '' ||
    value === 0 ||
    value === false ||
    (typeof value === 'object' && Object.keys(value ?? {}).length === 0)
  return Object.fromEntries(Object.entries(members).filter(([, value]) => !isZero(value)))
}
