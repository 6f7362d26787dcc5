import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { silentLogger } from '../../lib/log.ts'
import { cleanKilled } from './left-invocations.ts'
import { openPods } from './open-pods.ts'
import { endOf, markDrivers, markEnd, newInvocation, openStateDirectory, usedDrivers } from './state-directory.ts'

const components = { clock: systemClock, logger: silentLogger, notice: () => {} }

function anInvocation() {
  const root = mkdtempSync(join(tmpdir(), 'slipway-pods-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const state = openStateDirectory(root)
  const invocation = newInvocation(state, 0, 'abcdef')
  onTestFinished(() => invocation.lock[Symbol.dispose]())
  return { state, invocation }
}

test('an invocation is marked before the host driver makes a sandbox on trial, and as ended when that is gone', async () => {
  const { state, invocation } = anInvocation()
  const opening = openPods(state, invocation, { driver: 'host', keepFailed: false, environment: {} }, components)
  // Whoever is killed from here on is cleaned up after.
  expect(usedDrivers(invocation)).toEqual(['host'])
  {
    await using pods = await opening
    expect(pods.drivers.map(({ name }) => name)).toEqual(['host'])
    expect(endOf(state, invocation.id)).toBeUndefined()
  }
  expect(endOf(state, invocation.id)).toBe('clean')
})

test('pods that were kept are found also when the invocation was repeated with another driver', async () => {
  const { state, invocation } = anInvocation()
  markDrivers(invocation, ['docker'])
  markEnd(invocation, 'kept')
  const settings = { driver: 'host', keepFailed: false, environment: {} } as const
  await (await openPods(state, invocation, settings, components))[Symbol.asyncDispose]()
  expect(usedDrivers(invocation)).toEqual(['docker', 'host'])
  expect(endOf(state, invocation.id)).toBe('kept')
})

test('that pods of a killed invocation may be left is told, when their engine cannot be reached', async () => {
  const { invocation } = anInvocation()
  const environment = { DOCKER_HOST: 'unix:///nonexistent/docker.sock' }
  markDrivers(invocation, ['docker'])
  expect(await cleanKilled(invocation, { ...components, environment })).toBe(false)
  markDrivers(invocation, [])
  expect(await cleanKilled(invocation, { ...components, environment })).toBe(true)
})

test('an invocation whose driver cannot be opened leaves nothing to clean up', async () => {
  const { state, invocation } = anInvocation()
  const environment = { DOCKER_HOST: 'unix:///nonexistent/docker.sock' }
  const settings = { driver: 'docker', keepFailed: false, environment } as const
  await expect(openPods(state, invocation, settings, components)).rejects.toMatchObject({ code: 'driver_unavailable' })
  expect(usedDrivers(invocation)).toEqual([])
  expect(endOf(state, invocation.id)).toBe('clean')
})
