import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openDatabase } from '../../datamanager/open-database.ts'
import { systemClock as clock } from '../../lib/clock.ts'
import { silentLogger as logger } from '../../lib/log.ts'
import { newSealingKey } from '../../lib/sealing.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import type { RunConfigTask } from '../../pipeline/run-config.ts'
import { Caches } from '../archives/caches.ts'
import type { Order } from '../executor-api.ts'
import { type RunserviceSchema, runserviceRowTypes } from '../row-types.ts'
import { createRunservice } from '../service.ts'

function aTask(id: string, parents: readonly string[]): RunConfigTask {
  return {
    id,
    name: `name of ${id}`,
    level: 0,
    depends: parents.map((taskId) => ({ taskId, conditions: ['on_success'] })),
    runtime: {
      type: 'pod',
      containers: [{ image: '', environment: {}, user: '', privileged: false, entrypoint: '', volumes: [] }],
    },
    environment: {},
    workingDir: '~/project',
    shell: '/bin/sh -e',
    user: '',
    steps: [{ type: 'run', name: '', command: id, environment: {}, workingDir: '', shell: '', tty: false }],
    ignoreFailure: false,
    needsApproval: false,
    registryAuth: {},
    timeoutMs: 0,
    executorLabels: {},
  }
}

test('an order has the steps of its own task, whatever the order of the definition', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-order-'))
  try {
    await using database = await openDatabase<RunserviceSchema>({
      path: join(dir, 'database'),
      types: runserviceRowTypes,
      clock,
    })
    await using ost = await openPosixObjectStorage({ root: join(dir, 'objects'), clock })
    const cloneSource = { url: '', ref: '', commitSha: '', branch: '', originUrl: '', mirrorKey: '', submoduleUrls: {} }
    await using runservice = createRunservice(
      { storeId: 'test', keys: [newSealingKey()] },
      { database, ost, caches: new Caches({ ost, clock }), clock, logger, cloneSource: () => cloneSource },
    )
    // A child stands before a task without parents: by level the order is another one.
    const tasks = [aTask('a', []), aTask('child-of-a', ['a']), aTask('b', []), aTask('c', [])]
    await runservice.createRuns([{ name: 'test', group: '/project/p', tasks, secrets: {} }])
    const hello = { id: 'e', archs: [], labels: {}, allowPrivileged: false, drivers: ['host'], taskLimit: 0, has: [] }
    const orders: Order[] = []
    const enough = new AbortController()
    for await (const message of runservice.executorApi('e').connect(hello, enough.signal)) {
      if (message.kind === 'execute') orders.push(message.order)
      if (orders.length === 3) break
    }
    expect(
      orders.map(({ runTaskId, taskName, steps }) => [
        runTaskId,
        taskName,
        steps.map((step) => 'command' in step && step.command),
      ]),
    ).toEqual(['a', 'b', 'c'].map((id) => [id, `name of ${id}`, [id]]))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
