// Every version leaves a data directory; all of them are opened, run and exported by this one.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ApiError, createClient } from '../../src/contract/client.ts'
import { runProcess } from '../../src/lib/process.ts'
import { until } from '../../src/lib/until-fixture.ts'
import { signature } from '../../src/notification/send/webhook.ts'
import { openStoppedInstallation } from '../../src/server/stopped-installation.ts'
import { version } from '../../src/version.ts'
import { runSlipway } from '../cli/command.ts'
import { openWebhookReceiver } from '../server/webhook-receiver.ts'
import { temporaryDirectory } from '../support/git-repository.ts'
import { fixtureVersions, unpackFixture } from './fixtures.ts'
import { openInstallation, ScriptedExecutor } from './opened.ts'

test('every version that was released has left something, and the one that is being made may have', () => {
  const changelog = readFileSync(join(import.meta.dirname, '../../CHANGELOG.md'), 'utf8')
  const versions = [...changelog.matchAll(/^## (\S+)( \(unreleased\))?$/gm)].map(([, name, unreleased]) => ({
    name: name!,
    isReleased: unreleased === undefined,
  }))
  expect(versions[0]!.name).toBe(version)
  expect(versions.map(({ name }) => name)).toEqual(expect.arrayContaining([...fixtureVersions()]))
  expect(fixtureVersions()).toEqual(
    expect.arrayContaining(versions.filter(({ isReleased }) => isReleased).map(({ name }) => name)),
  )
  expect(fixtureVersions()).not.toEqual([])
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
        expect.arrayContaining(['configstore', 'runservice', 'gateway', 'notification']),
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

    // The receiver is elsewhere now; it hears of what ends from now on, signed as before.
    await using listening = await openWebhookReceiver()
    listening.answer()
    const receivers = await client.call('listReceivers', { params })
    expect(receivers.items).toMatchObject([{ id: facts.receiver.id, name: 'program', kind: 'webhook' }])
    const receiver = { ...params, receiverId: facts.receiver.id }
    await client.call('updateReceiver', { params: receiver, body: { url: listening.url } })

    // The provider is gone; what is known of it is there.
    const ofProvider = { projectRef: facts.remote.projectRef }
    expect(await client.call('getProject', { params: ofProvider })).toMatchObject({
      source: { kind: 'remotesource', repositoryPath: facts.remote.repositoryPath },
      hasWebhookSecret: true,
    })
    const accounts = await client.call('listLinkedAccounts', { params: { userRef: 'ann' } })
    expect(accounts.items).toMatchObject([{ remoteUserName: facts.remote.account }])

    // What was pushed for a direct run can be fetched.
    const asAnn = new URL(facts.directRun.repository, url)
    Object.assign(asAnn, { username: 'ann', password: facts.userToken })
    const { stdout: refs } = await runProcess('git', ['ls-remote', asAnn.href])
    expect(refs.toString()).toContain(facts.directRun.commitSha)

    await using executor = new ScriptedExecutor(url, facts.executor.token, facts.executor.id)
    const running = await executor.order('work', facts.running)
    expect(running.environment.TOKEN).toBe(facts.secret)
    await executor.finish(running, 'success', 'went on\n')
    expect(await ends(facts.running)).toBe('success')
    await until(() => listening.told.some(({ body }) => body.includes(facts.running)), 'a webhook of it')
    const told = listening.told.find(({ body }) => body.includes(facts.running))!
    expect(told.signature).toBe(`v1=${signature(facts.receiver.secret, told.timestamp, told.body)}`)

    await executor.finish(await executor.order('work', facts.queued), 'failed', 'began\n')
    expect(await ends(facts.queued)).toBe('failed')

    const waiting = await client.call('getRun', { params: { runId: facts.waitingApproval } })
    const approved = { runId: facts.waitingApproval, taskId: waiting.tasks[0]!.id }
    await client.call('approveTask', { params: approved })
    await executor.finish(await executor.order('work', facts.waitingApproval), 'success', 'approved\n')
    expect(await ends(facts.waitingApproval)).toBe('success')

    const direct = await executor.order('work', facts.directRun.runId)
    expect(direct.clone.commitSha).toBe(facts.directRun.commitSha)
    await executor.finish(direct, 'success', 'direct\n')
    expect(await ends(facts.directRun.runId)).toBe('success')

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
