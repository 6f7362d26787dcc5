// Every version leaves a data directory; all of them are opened, run and exported by this one.

import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ApiError, createClient } from '../../src/contract/client.ts'
import { until } from '../../src/lib/until-fixture.ts'
import { openStoppedInstallation } from '../../src/server/stopped-installation.ts'
import { version } from '../../src/version.ts'
import { runSlipway } from '../cli/command.ts'
import { temporaryDirectory } from '../support/git-repository.ts'
import { fixtureVersions, unpackFixture } from './fixtures.ts'
import { openInstallation, ScriptedExecutor } from './opened.ts'

test('every version but the one that is being made has left something', () => {
  expect(fixtureVersions()).toContain('0.1.0')
  expect(fixtureVersions().at(-1)! <= version).toBe(true)
})

describe.each(fixtureVersions())('of version %s', (left) => {
  test('databases fit together, and move as an export with their secrets', async () => {
    using directory = temporaryDirectory('upgrade')
    const dataDir = join(directory.path, 'data')
    unpackFixture(left, dataDir)
    {
      await using installation = await openStoppedInstallation({ directory: dataDir }, { mustExist: true })
      const databases = await installation.databases()
      expect(databases.map(({ name }) => name)).toEqual(
        expect.arrayContaining(['configstore', 'runservice', 'gateway']),
      )
      for (const database of databases) {
        const { file, storage } = await installation.verify(database)
        expect([database.name, file?.problems, storage?.problems]).toEqual([database.name, [], []])
      }
    }
    const slipway = (...args: string[]) => runSlipway(args, { cwd: directory.path })
    const exported = await slipway('export', dataDir)
    expect([exported.status, exported.stderr]).toEqual([0, ''])
    const other = join(directory.path, 'other')
    const imported = await runSlipway(['import', other], { cwd: directory.path, stdin: exported.stdout })
    expect([imported.status, imported.stderr]).toEqual([0, ''])
    const rows = (text: string) => text.split('\n').filter((line) => line.includes('"type":'))
    expect(rows((await slipway('export', other)).stdout)).toEqual(rows(exported.stdout))
  })

  test('runs go on where they were, and begin anew', { timeout: 120_000 }, async () => {
    using directory = temporaryDirectory('upgrade')
    const dataDir = join(directory.path, 'data')
    const facts = unpackFixture(left, dataDir)
    await using installation = await openInstallation(dataDir)
    const { url } = installation
    const client = createClient({ url, token: facts.userToken })
    const params = { projectRef: facts.projectRef }
    const phaseOf = async (runId: string) => (await client.call('getRun', { params: { runId } })).phase
    const ends = async (runId: string) => {
      await until(async () => (await phaseOf(runId)) === 'finished', `${runId} finished`)
      return (await client.call('getRun', { params: { runId } })).result
    }

    const { items } = await client.call('listProjectRuns', { params, query: { limit: 100 } })
    const shown = Object.fromEntries(items.map(({ id, name, phase, result }) => [id, { name, phase, result }]))
    expect(shown).toEqual(facts.runs)
    const deliveries = await client.call('listDeliveries', { params })
    expect(deliveries.items.map(({ state }) => state)).toEqual(facts.deliveryStates)
    const secrets = await client.call('listProjectSecrets', { params })
    expect(secrets.items).toMatchObject([{ name: 'deploy', keys: ['token'] }])

    // One that ended long ago is read from object storage, with its log.
    const cold = await client.call('getRun', { params: { runId: facts.cold } })
    expect(cold.tasks).toMatchObject([{ name: 'work', status: 'success' }])
    const { runId, taskId, text } = facts.log
    const log = await fetch(`${url}/api/v1/runs/${runId}/tasks/${taskId}/logs/0`, {
      headers: { authorization: `token ${facts.userToken}` },
    })
    expect([log.status, await log.text()]).toEqual([200, text])

    await using executor = new ScriptedExecutor(url, facts.executor.token, facts.executor.id)
    const running = await executor.order('work', facts.running)
    expect(running.environment.TOKEN).toBe(facts.secret)
    await executor.finish(running, 'success', 'went on\n')
    expect(await ends(facts.running)).toBe('success')

    await executor.finish(await executor.order('work', facts.queued), 'failed', 'began\n')
    expect(await ends(facts.queued)).toBe('failed')

    const waiting = await client.call('getRun', { params: { runId: facts.waitingApproval } })
    const approved = { runId: facts.waitingApproval, taskId: waiting.tasks[0]!.id }
    await client.call('approveTask', { params: approved })
    await executor.finish(await executor.order('work', facts.waitingApproval), 'success', 'approved\n')
    expect(await ends(facts.waitingApproval)).toBe('success')

    // Secrets are opened and can be changed; a restart has the value of now.
    const secret = { projectRef: facts.projectRef, secretName: 'deploy' }
    await client.call('updateProjectSecret', { params: secret, body: { data: { token: 'the-second-value' } } })
    const again = await client.call('restartRun', { params: { runId: facts.cold }, body: { fromStart: true } })
    const order = await executor.order('work', again.id)
    expect(order.environment.TOKEN).toBe('the-second-value')
    await executor.finish(order, 'success', 'again\n')
    expect(await ends(again.id)).toBe('success')

    // Everything of it can be deleted.
    await client.call('deleteProject', { params })
    const gone = await client.call('getRun', { params: { runId: facts.cold } }).catch((error: unknown) => error)
    expect(gone instanceof ApiError && gone.status).toBe(404)
  })
})
