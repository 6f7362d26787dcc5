import { expect, test } from 'vitest'
import { limits } from '../lib/limits.ts'
import { nothingLeft } from './service-expectations-fixture.ts'
import { aRequest, ended, FakeExecutor, openInstallation } from './service-fixture.ts'

// Takes a few seconds when nothing else runs.
test('a run of as many tasks as there may be is created and executed', async () => {
  await using installation = await openInstallation()
  await using executor = new FakeExecutor(installation.runservice, { taskLimit: 50 })
  await executor.connect()
  const width = 100
  const specs = Object.fromEntries(
    Array.from({ length: limits.tasksPerRun.value }, (_, index) => [
      `t${index}`,
      index < width ? {} : { after: { [`t${index - width}`]: 'S' as const } },
    ]),
  )
  const [run] = await installation.runservice.createRuns([aRequest(specs)])
  const view = await ended(installation.runservice, run!.id)
  expect(view.run.result).toBe('success')
  expect(view.tasks).toHaveLength(limits.tasksPerRun.value)
  nothingLeft(installation.database)
}, 300_000)
