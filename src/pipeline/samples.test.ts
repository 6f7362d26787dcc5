// The worked samples: definitions written for the reference give the same run configs.

import { expect, test } from 'vitest'
import type { Json, JsonObject } from '../lib/json.ts'
import { type CheckedDefinition, checkDefinition } from './config/check.ts'
import { formatDiagnostic } from './config/diagnostic.ts'
import { expandRun } from './expand.ts'
import { anEvent, countingIds, inReferenceSpelling } from './run-config-fixture.ts'
import { type Sample, samples } from './samples-fixture.ts'

/** Where the meaning was clear and the reference lost it: the name given to a clone step is kept. */
const keptCloneName = 'my checkout'

test.each(samples)('$id: $title', (sample) => {
  expect(expanded(sample)).toEqual(expectedTasks(sample))
})

test('a config of several runs expands each of them with its own tasks', () => {
  const checked = checkDefinition({
    path: '.agola/config.yml',
    text: 'runs: [{name: a, tasks: [{name: t, runtime: {containers: [{image: alpine}]}}]}, {name: b}]',
  })
  const config = validConfig(checked)
  const tasksOf = config.runs.map(
    (run) =>
      expandRun({ config, run, event: anEvent(), variables: new Map(), newId: countingIds() }).runConfig.tasks.length,
  )
  expect(tasksOf).toEqual([1, 0])
})

function expanded(sample: Sample): JsonObject {
  const config = validConfig(checkDefinition({ path: `.agola/${sample.file}`, text: sample.definition }))
  const { runConfig } = expandRun({
    config,
    run: config.runs[0]!,
    event: anEvent(sample.event),
    variables: new Map(Object.entries(sample.variables ?? {})),
    newId: countingIds(),
  })
  return inReferenceSpelling(runConfig)
}

function validConfig(checked: CheckedDefinition) {
  expect(checked.errors.map(formatDiagnostic)).toEqual([])
  return checked.config!
}

function expectedTasks(sample: Sample): JsonObject {
  return Object.fromEntries(
    Object.entries(sample.tasks).map(([id, task]) => [
      id,
      sample.id === 'S5' ? withKeptName(filled(id, task)) : filled(id, task),
    ]),
  )
}

function filled(id: string, { '@': image, ...task }: JsonObject): JsonObject {
  if (image === undefined) return { id, ...task }
  return {
    id,
    runtime: { type: 'pod', containers: [{ image, privileged: false, entrypoint: '', volumes: [] }] },
    working_dir: '~/project',
    shell: '/bin/sh -e',
    docker_registries_auth: {},
    task_timeout_interval: 0,
    ...task,
  }
}

function withKeptName(task: JsonObject): JsonObject {
  const steps = (task.steps as readonly JsonObject[]).map(
    (step, index): Json => (index === 1 ? { ...step, name: keptCloneName } : step),
  )
  return { ...task, steps }
}
