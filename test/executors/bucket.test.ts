// `slipway executor` as a process of its own, whose server keeps its objects in an S3 bucket: Ceph's gateway.

import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import { expect, onTestFinished, test } from 'vitest'
import { until } from '../../src/lib/until-fixture.ts'
import { openS3ObjectStorage } from '../../src/objectstorage/s3.ts'
import type { S3Settings } from '../../src/objectstorage/s3-settings.ts'
import type { RunConfigTask, Step } from '../../src/pipeline/run-config.ts'
import type { Runservice, RunView } from '../../src/runservice/api.ts'
import { aConfigTask } from '../../src/runservice/scheduler/run-fixture.ts'
import { newBucket } from '../support/ceph-server.ts'
import { startLossyProxy } from '../support/lossy-proxy.ts'
import { startCluster } from './cluster.ts'

const timeout = 120_000
/** Four parts of an upload; not compressible. */
const sizeMiB = 30
const contents = [{ sourceDir: '.', destDir: '', paths: ['data'] }]

const run = (command: string): Step => ({
  type: 'run',
  name: 'run',
  command,
  environment: {},
  workingDir: '',
  shell: '',
  tty: false,
})
const make = run(`head -c ${sizeMiB}M /dev/urandom > data; sha256sum data`)

function aTask(name: string, steps: readonly Step[], parent?: string): RunConfigTask {
  const depends = parent === undefined ? [] : [{ taskId: parent, conditions: ['on_success' as const] }]
  return { ...aConfigTask(name), id: name, workingDir: '~', depends, steps }
}

async function aScene() {
  const owner = new AsyncDisposableStack()
  onTestFinished(() => owner.disposeAsync())
  const bucket = await newBucket()
  const line = owner.use(await startLossyProxy(Number(new URL(bucket.endpoint).port)))
  const settings = { ...bucket, publicEndpoint: `http://127.0.0.1:${line.port}` }
  const cluster = owner.use(await startCluster(1, { s3: settings }))
  const { runservice } = cluster.servers[0]!
  const executor = await cluster.executor('one')
  executor.start()
  return { cluster, runservice, executor, line, bucket }
}

async function created(runservice: Runservice, tasks: readonly RunConfigTask[]): Promise<string> {
  return (await runservice.createRuns([{ name: 'r', group: '/project/p1/branch/b', tasks, secrets: {} }]))[0]!.id
}

async function ended(runservice: Runservice, runId: string): Promise<RunView> {
  let last: RunView | undefined
  for await (const view of runservice.watchRun(runId, AbortSignal.timeout(timeout))) last = view
  return last!
}

async function hashIn(runservice: Runservice, task: string, step: number): Promise<string | undefined> {
  const log = Buffer.concat(await Array.fromAsync(runservice.readLog(task, step))).toString()
  return /^[0-9a-f]{64}/m.exec(log)?.[0]
}

async function uploadsIn({ endpoint, region, bucket, credentials }: S3Settings): Promise<number> {
  const client = new S3Client({ endpoint: endpoint!, region, forcePathStyle: true, credentials: credentials! })
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  client.destroy()
  return Uploads.length
}

test('workspaces and caches of several parts go to the bucket and back, and their bytes never to the server', {
  timeout,
}, async () => {
  const { cluster, runservice, executor, line } = await aScene()
  const save: Step = { type: 'save_to_workspace', name: 'save', contents }
  const runId = await created(runservice, [
    aTask('a', [make, save, { type: 'save_cache', name: 'cache', key: 'k', contents }]),
    aTask('b', [{ type: 'restore_workspace', name: 'restore', destDir: 'w' }, run('sha256sum w/data')], 'a'),
    aTask('c', [{ type: 'restore_cache', name: 'restore', keys: ['k'], destDir: 'c' }, run('sha256sum c/data')], 'a'),
  ])
  const { run: after } = await ended(runservice, runId)
  expect(after.result, executor.output).toBe('success')
  const hash = await hashIn(runservice, 'a', 0)
  expect([await hashIn(runservice, 'b', 1), await hashIn(runservice, 'c', 1)]).toEqual([hash, hash])
  expect(line.passedBytes).toBeGreaterThan(4 * sizeMiB * 1024 * 1024)
  expect(cluster.passedBytes).toBeLessThan(1024 * 1024)
  expect(executor.output).not.toMatch(/X-Amz|Signature/i)
})

test('an executor that is killed in the middle of an upload saves it anew; what it left is removed when it is old', {
  timeout,
}, async () => {
  const { runservice, executor, line, bucket } = await aScene()
  // The bucket takes the parts that come, and does not say so: the upload stands still.
  line.loseAnswers()
  const save: Step = { type: 'save_to_workspace', name: 'save', contents }
  const runId = await created(runservice, [
    aTask('a', [make, save]),
    aTask('b', [{ type: 'restore_workspace', name: 'restore', destDir: 'w' }, run('sha256sum w/data')], 'a'),
  ])
  await until(async () => (await uploadsIn(bucket)) === 1, `the upload began: ${executor.output}`)
  await executor.kill()
  line.recover()
  executor.start()
  const { run: after } = await ended(runservice, runId)
  expect(after.result, executor.output).toBe('success')
  expect(await hashIn(runservice, 'b', 1)).toBe(await hashIn(runservice, 'a', 0))
  expect(await uploadsIn(bucket)).toBe(1)
  await using storage = await openS3ObjectStorage(bucket)
  await storage.direct!.removeOldUploads(Date.now() + 60_000)
  expect(await uploadsIn(bucket)).toBe(0)
  expect(await Array.fromAsync(storage.list({ prefix: 'archives/' }))).toHaveLength(1)
})
