// A provider that takes connections and answers nothing, beside one that is well.

import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { definition } from '../cli/command.ts'
import { githubFlavour } from '../providers/github-server.ts'
import { gitlabFlavour } from '../providers/gitlab-server.ts'
import {
  addRemoteSource,
  createSceneProject,
  definitionFile,
  fateOf,
  linkAccount,
  openProviderScene,
  waitMs,
} from './provider-scene.ts'
import { TestServer } from './test-server.ts'

const hangMs = 12_000
const pushes = 12

test('a provider that hangs keeps nobody else waiting, and loses nothing', { timeout: 300_000 }, async () => {
  await using hanging = await openProviderScene(githubFlavour)
  await using well = await openProviderScene(gitlabFlavour)
  await using server = await TestServer.start()
  const client = await server.setUp()
  const scenes = [
    [hanging, 'hanging'],
    [well, 'well'],
  ] as const
  for (const [scene, name] of scenes) {
    await addRemoteSource(client, server.url, scene, name)
    await linkAccount(server.url, scene, name)
    await createSceneProject(client, scene, { name, source: name })
  }
  const stateOf = (scene: typeof well, sha: string) => scene.repository.statusesOf(sha).at(-1)?.state
  const fate = (name: string, sha: string) => fateOf(client, sha, `user/ann/${name}`)

  // One is running there when it begins.
  const slow = definition({ wait: { approval: true, run: 'true' } })
  const running = await hanging.repository.commit({ branch: 'running', files: { [definitionFile]: slow } })
  await expect.poll(() => stateOf(hanging, running), { timeout: waitMs }).toBe('pending')
  await expect.poll(() => fate('hanging', running), { timeout: waitMs }).toBe('running')
  const over = Promise.withResolvers<void>()
  const begunAt = Date.now()
  hanging.provider.addFault({ kind: 'hang', until: over.promise, times: Number.POSITIVE_INFINITY })
  await using _ending = { [Symbol.asyncDispose]: async () => over.resolve() }

  const files = { [definitionFile]: definition({ quick: 'true' }) }
  const shas: string[] = []
  for (let push = 0; push < pushes; push++)
    shas.push(await hanging.repository.commit({ branch: `b${push}`, files, message: `push ${push}` }))
  const answers = hanging.provider.deliveries.slice(-pushes).map(({ status }) => status)
  expect(answers).toEqual(Array.from({ length: pushes }, () => 202))
  const run = (await client.call('listProjectRuns', { params: { projectRef: 'user/ann/hanging' } })).items[0]!
  const { tasks } = await client.call('getRun', { params: { runId: run.id } })
  await client.call('approveTask', { params: { runId: run.id, taskId: tasks[0]!.id } })
  await expect.poll(() => fate('hanging', running), { timeout: waitMs }).toBe('success')

  const other = await well.repository.commit({ files: { 'other.txt': 'x' }, message: 'second' })
  await expect.poll(() => fate('well', other), { timeout: waitMs }).toBe('success')
  await expect.poll(() => stateOf(well, other), { timeout: waitMs }).toBe('success')
  expect(stateOf(hanging, running)).toBe('pending')
  expect(await fate('hanging', shas[0]!)).toMatch(/^0 runs; /)

  await sleep(Math.max(0, begunAt + hangMs - Date.now()))
  hanging.provider.clearFaults()
  over.resolve()
  for (const sha of shas) await expect.poll(() => fate('hanging', sha), { timeout: waitMs }).toBe('success')
  await expect.poll(() => stateOf(hanging, running), { timeout: waitMs }).toBe('success')
  for (const sha of shas) await expect.poll(() => stateOf(hanging, sha), { timeout: waitMs }).toBe('success')
})
