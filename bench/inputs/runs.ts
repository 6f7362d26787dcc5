// Runs of tasks that echo, as the runservice is asked for them.

import { newUuid } from '../../src/lib/uuid.ts'
import type { RunConfigTask, Step } from '../../src/pipeline/run-config.ts'
import type { NewRunRequest } from '../../src/runservice/api.ts'

export type TaskOptions = {
  /** Default: one `echo hello`. */
  readonly steps?: readonly Step[]
  /** Indexes of the tasks it depends on. */
  readonly after?: readonly number[]
  readonly image?: string
}

export function runStep(command: string): Step {
  return { type: 'run', name: command, command, environment: {}, workingDir: '', shell: '', tty: false }
}

export const echoStep = runStep('echo hello')

export function aRequest(tasks: readonly TaskOptions[]): NewRunRequest {
  const ids = tasks.map(() => newUuid())
  return {
    name: 'bench',
    group: `/user/bench/branch/${newUuid()}`,
    tasks: tasks.map((task, index) => aTask(task, index, ids)),
    annotations: { run_creation_trigger: 'manual', branch: 'main', ref: 'refs/heads/main' },
    staticEnvironment: { CI: 'true', AGOLA_GIT_BRANCH: 'main', AGOLA_GIT_REF: 'refs/heads/main' },
    secrets: {},
  }
}

/** One task after another. */
export function aChain(length: number): NewRunRequest {
  return aRequest(Array.from({ length }, (_, index) => (index === 0 ? {} : { after: [index - 1] })))
}

function aTask(
  { steps = [echoStep], after = [], image = 'busybox' }: TaskOptions,
  index: number,
  ids: readonly string[],
): RunConfigTask {
  return {
    id: ids[index]!,
    name: `task ${index}`,
    level: 0,
    depends: after.map((parent) => ({ taskId: ids[parent]!, conditions: ['on_success'] })),
    runtime: {
      type: 'pod',
      containers: [{ image, environment: {}, user: '', privileged: false, entrypoint: '', volumes: [] }],
    },
    environment: {},
    workingDir: '~/project',
    shell: '/bin/sh -e',
    user: '',
    steps,
    ignoreFailure: false,
    needsApproval: false,
    registryAuth: {},
    timeoutMs: 0,
    executorLabels: {},
  }
}
