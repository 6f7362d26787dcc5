// The expanded definition of a run as people see it: nothing in it that is secret.

import { isSecretRef, type RegistryAuth, type RunConfigTask, type Value } from '../../pipeline/run-config.ts'
import type { RunView } from '../../runservice/api.ts'

const hidden = { secret: true } as const

export function runConfigView({ run, tasks }: RunView) {
  const names = new Map(tasks.map(({ config }) => [config.id, config.name]))
  return { name: run.name, tasks: tasks.map(({ config }) => taskConfigView(config, names)) }
}

function taskConfigView(task: RunConfigTask, names: ReadonlyMap<string, string>): Record<string, unknown> {
  // Ids are others in each run and say nothing.
  const { id: _, level: __, depends, environment, runtime, steps, registryAuth, ...rest } = task
  return {
    ...rest,
    depends: depends.map(({ taskId, conditions }) => ({ task: names.get(taskId) ?? taskId, conditions })),
    runtime: {
      ...runtime,
      containers: runtime.containers.map((container) => ({
        ...container,
        environment: shown(container.environment),
      })),
    },
    environment: shown(environment),
    registryAuth: Object.fromEntries(Object.entries(registryAuth).map(([host, auth]) => [host, shownAuth(auth)])),
    steps: steps.map((step) => (step.type === 'run' ? { ...step, environment: shown(step.environment) } : { ...step })),
  }
}

function shown(environment: Readonly<Record<string, Value>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [name, isSecretRef(value) ? hidden : value]),
  )
}

/** Whoever wrote a password into a definition did not mean to publish it here as well. */
function shownAuth(auth: RegistryAuth): Record<string, unknown> {
  if (auth.type === 'encodedauth') return { type: auth.type, auth: hidden }
  return { type: auth.type, username: isSecretRef(auth.username) ? hidden : auth.username, password: hidden }
}
