// Finished runs of ten tasks as rows, the same in every run of a benchmark: what a runservice has of a few years.

import type { Family, FamilyMember } from '../../src/datamanager/cold/family-file.ts'
import type { RunConfigTask } from '../../src/pipeline/run-config.ts'
import { type RunserviceSchema, runTaskRowId } from '../../src/runservice/row-types.ts'
import { toConfigTaskRows } from '../../src/runservice/runs/config-task-rows.ts'
import { toFamilyEntry } from '../../src/runservice/runs/run-entries.ts'
import type { Run, RunConfigRow, RunTask, TaskStep } from '../../src/runservice/types.ts'
import { seededRandom } from './random.ts'

export const tasksPerRun = 10
const projects = 300
const branches = 40
const startedAt = 1_700_000_000_000
/** Between two runs. */
const pauseMs = 60_000
const words = 'build test lint deploy package check migrate publish scan docs'.split(' ')

/** In the order of their ids. One in 12 has failed; a few projects have most of the runs. */
export function* finishedRuns(count: number, seed = 1): Generator<Family> {
  const random = seededRandom(seed)
  const counters = new Map<string, number>()
  for (let sequence = 1; sequence <= count; sequence++) {
    const now = startedAt + sequence * pauseMs + Math.floor(random() * pauseMs)
    const project = `p${Math.floor(projects * random() ** 3)}`
    const branch = random() < 0.4 ? 'main' : `feature-${Math.floor(branches * random())}`
    const counter = (counters.get(project) ?? 0) + 1
    counters.set(project, counter)
    const id = uuid(now, random)
    const taskIds = words.map(() => uuid(now, random))
    const hasFailed = random() < 1 / 12
    const sha = hex(40, random)
    const group = `/project/${project}/branch/${branch}`
    const annotations = {
      run_creation_trigger: 'webhook',
      branch,
      ref: `refs/heads/${branch}`,
      commit_sha: sha,
      message: `${words[sequence % 10]} the ${words[(sequence >> 3) % 10]} of ${project}, number ${counter}`,
    }
    const run: Run = {
      id,
      sequence,
      name: sequence % 4 === 0 ? 'nightly' : 'build',
      runConfigId: id,
      counter,
      group,
      annotations,
      phase: 'finished',
      result: hasFailed ? 'failed' : 'success',
      stop: false,
      setupErrors: [],
      enqueuedAt: now,
      startedAt: now + 300,
      endedAt: now + 40_000 + Math.floor(random() * 400_000),
    }
    const config: RunConfigRow = {
      id,
      name: run.name,
      group,
      setupErrors: [],
      annotations,
      staticEnvironment: {
        CI: 'true',
        AGOLA_GIT_BRANCH: branch,
        AGOLA_GIT_REF: `refs/heads/${branch}`,
        AGOLA_GIT_COMMITSHA: sha,
      },
      environment: {},
      cacheGroup: '',
      trust: 'trusted',
    }
    const rows: FamilyMember[] = [row('run', id, run), row('runconfig', id, config)]
    for (const [index, taskId] of taskIds.entries()) {
      for (const { id: rowId, body } of toConfigTaskRows(id, index, aConfigTask(taskId, index, taskIds)))
        rows.push(row('runconfigtask', rowId, body))
      rows.push(row('runtask', runTaskRowId(id, taskId), aTask(taskId, index, run)))
    }
    rows.sort((a, b) => (a.type === b.type ? compare(a.id, b.id) : compare(a.type, b.type)))
    yield { id, entry: toFamilyEntry(run), rows }
  }
}

function aConfigTask(id: string, index: number, ids: readonly string[]): RunConfigTask {
  const name = words[index] ?? ''
  return {
    id,
    name,
    level: index === 0 ? 0 : 1,
    depends: index === 0 ? [] : [{ taskId: ids[0]!, conditions: ['on_success'] }],
    runtime: {
      type: 'pod',
      containers: [{ image: 'node:24', environment: {}, user: '', privileged: false, entrypoint: '', volumes: [] }],
    },
    environment: { NODE_ENV: 'test' },
    workingDir: '~/project',
    shell: '/bin/sh -e',
    user: '',
    steps: [
      { type: 'clone', name: 'clone', recurseSubmodules: false },
      {
        type: 'run',
        name,
        command: `npm ci\nnpm run ${name}\n`,
        environment: {},
        workingDir: '',
        shell: '',
        tty: false,
      },
    ],
    ignoreFailure: false,
    needsApproval: false,
    registryAuth: {},
    timeoutMs: 0,
    executorLabels: {},
  }
}

function aTask(id: string, index: number, run: Run): RunTask {
  const begin = (run.startedAt ?? 0) + index * 1000
  const step = (at: number): TaskStep => ({
    phase: 'success',
    exitStatus: 0,
    startedAt: begin + at,
    endedAt: begin + at + 900,
  })
  const hasFailed = run.result === 'failed' && index === tasksPerRun - 1
  return {
    id,
    runId: run.id,
    status: hasFailed ? 'failed' : 'success',
    waitingApproval: false,
    approved: false,
    approvers: [],
    timedOut: false,
    setupStep: step(0),
    steps: [step(1000), hasFailed ? { ...step(2000), phase: 'failed', exitStatus: 1 } : step(2000)],
    startedAt: begin,
    endedAt: begin + 3000,
    executorId: `executor-${index % 4}`,
  }
}

function row<T extends keyof RunserviceSchema & string>(type: T, id: string, body: RunserviceSchema[T]): FamilyMember {
  return { type, id, changedAt: 0, body: JSON.stringify(body) }
}

const compare = (a: string, b: string) => (a < b ? -1 : 1)

function hex(digits: number, random: () => number): string {
  let text = ''
  while (text.length < digits)
    text += Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0')
  return text.slice(0, digits)
}

/** As newUuid. */
function uuid(now: number, random: () => number): string {
  const time = now.toString(16).padStart(12, '0')
  const rest = hex(19, random)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${rest.slice(0, 3)}-8${rest.slice(3, 6)}-${rest.slice(6, 18)}`
}
