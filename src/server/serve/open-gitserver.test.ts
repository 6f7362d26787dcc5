// What a task of a direct run may fetch, and for how long.

import { expect, test } from 'vitest'
import { directRunAnnotations } from '../../gitserver/api.ts'
import type { Clock } from '../../lib/clock.ts'
import type { RunView } from '../../runservice/api.ts'
import type { RunPhase, TaskStatus } from '../../runservice/types.ts'
import { directRunCloneSource, repositoryOfTask } from './open-gitserver.ts'

const repository = { userId: 'u1', repositoryId: 'local' }
const direct = { repository, originUrl: 'https://git.example.org/a.git', submodules: ['vendor/x'] }
const name = { runId: 'r1', taskId: 't1' }

/** Time passes only by sleeping. */
function fakeClock(): Clock {
  let now = 0
  return {
    now: () => now,
    sleep: async (ms) => {
      now += ms
    },
    timeout: () => new AbortController().signal,
  }
}

function aRun(phase: RunPhase, status: TaskStatus, annotations = directRunAnnotations(direct)): RunView {
  const run = { group: '/user/u1/branch/main/local', annotations, phase }
  return { run, tasks: [{ task: { id: 't1', status } }] } as unknown as RunView // what is looked at
}

test.each<readonly [RunPhase, TaskStatus, boolean]>([
  ['queued', 'notstarted', true],
  ['running', 'notstarted', true],
  ['running', 'running', true],
  ['running', 'success', false],
  ['running', 'failed', false],
  ['running', 'stopped', false],
  ['finished', 'success', false],
  ['cancelled', 'cancelled', false],
])('in a run that is %s a task that is %s may fetch: %s', async (phase, status, may) => {
  const runservice = { loadRun: async () => aRun(phase, status) }
  expect(await repositoryOfTask(name, { runservice, clock: fakeClock() })).toEqual(may ? repository : undefined)
})

test('a task that the run does not have, and runs of other kinds, open nothing', async () => {
  const clock = fakeClock()
  const of = async (view: RunView, taskId = 't1') =>
    await repositoryOfTask({ ...name, taskId }, { runservice: { loadRun: async () => view }, clock })
  expect(await of(aRun('running', 'running'), 't2')).toBeUndefined()
  expect(await of(aRun('running', 'running', {}))).toBeUndefined()
  const ofProject = aRun('running', 'running')
  expect(await of({ ...ofProject, run: { ...ofProject.run, group: '/project/u1/branch/main' } })).toBeUndefined()
})

test('a run that this instance has not heard of yet is asked for again, for a while', async () => {
  let asked = 0
  const runservice = { loadRun: async () => (++asked < 3 ? undefined : aRun('running', 'running')) }
  expect(await repositoryOfTask(name, { runservice, clock: fakeClock() })).toEqual(repository)
  const clock = fakeClock()
  expect(await repositoryOfTask(name, { runservice: { loadRun: async () => undefined }, clock })).toBeUndefined()
  expect(clock.now()).toBeLessThan(3000)
})

test('clones have a mirror for each local repository, and submodules come from the same place', () => {
  const config = {
    group: '/user/u1/branch/main/local',
    annotations: directRunAnnotations(direct),
  } as unknown as Parameters<typeof directRunCloneSource>[0] // what is looked at
  const source = {
    url: 'https://ci.example.org/repos/u1/local.git',
    ref: 'refs/heads/main',
    commitSha: 'c',
    branch: 'main',
    originUrl: '',
    mirrorKey: 'user-u1',
    submoduleUrls: {},
  }
  expect(directRunCloneSource(config, source)).toEqual({
    ...source,
    originUrl: direct.originUrl,
    mirrorKey: 'user-u1-local',
    submoduleUrls: { 'vendor/x': source.url },
  })
  expect(directRunCloneSource({ ...config, annotations: {} }, source)).toBe(source)
})
