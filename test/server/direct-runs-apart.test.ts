// Direct runs where every part is elsewhere: gateway, git server and the others are processes of their own over PostgreSQL and S3,
// tasks are executed by Docker, and the disk of the git server is lost between two runs.

import { randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { definition } from '../cli/command.ts'
import { findTestImage } from '../crash/test-image.ts'
import { newBucket } from '../support/ceph-server.ts'
import { temporaryDirectory, testRepository } from '../support/git-repository.ts'
import { startPostgres } from '../support/postgres.ts'
import { freePort } from '../support/server-process.ts'
import { TestServer } from './test-server.ts'

test('a direct run needs nothing of one disk', { timeout: 240_000 }, async () => {
  using folder = temporaryDirectory('apart')
  await using postgres = await startPostgres()
  const bucket = await newBucket()
  const write = (name: string, text: string) => {
    const path = join(folder.path, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  const ports = { services: await freePort(), gitserver: await freePort(), gateway: await freePort() }
  const addressOf = (name: keyof typeof ports) => `http://127.0.0.1:${ports[name]}`
  const common = {
    SLIPWAY_URL: addressOf('gateway'),
    SLIPWAY_DATABASE_LOG: 'postgres',
    SLIPWAY_DATABASE_POSTGRES_URL: postgres.url,
    SLIPWAY_OBJECT_STORAGE_TYPE: 's3',
    SLIPWAY_OBJECT_STORAGE_ENDPOINT: bucket.endpoint,
    SLIPWAY_OBJECT_STORAGE_REGION: bucket.region,
    SLIPWAY_OBJECT_STORAGE_BUCKET: bucket.bucket,
    SLIPWAY_OBJECT_STORAGE_CREDENTIALS_FILE: write('s3.json', JSON.stringify(bucket.credentials)),
    SLIPWAY_KEYS_INSTALLATION_FILE: write('key', randomBytes(32).toString('base64')),
    SLIPWAY_KEYS_SERVICES_FILE: write('services', randomBytes(32).toString('hex')),
    SLIPWAY_EXECUTOR_DRIVER: 'docker',
  }
  const [configstore, runservice] = [addressOf('services'), addressOf('services')]
  const elsewhere = { SLIPWAY_SERVICES_CONFIGSTORE: configstore, SLIPWAY_SERVICES_RUNSERVICE: runservice }
  const start = (name: keyof typeof ports, components: string, others: Readonly<Record<string, string>> = {}) =>
    TestServer.start({ ...common, SLIPWAY_COMPONENTS: components, ...others }, ports[name])
  await using services = await start('services', 'configstore,runservice,executor')
  await using gitserver = await start('gitserver', 'gitserver', elsewhere)
  await using gateway = await start('gateway', 'gateway', {
    ...elsewhere,
    SLIPWAY_SERVICES_GITSERVER: addressOf('gitserver'),
  })
  await gateway.setUp()
  using repository = testRepository({
    '.slipway/config.json': definition({
      show: { image: await findTestImage(), steps: [{ clone: {} }, { run: 'cat file' }] },
    }),
    file: 'committed\n',
  })
  repository.commit('first')
  const directRun = async (content: string) => {
    repository.write({ file: `${content}\n` })
    const { status, stdout, stderr } = await gateway.slipway(['directrun', 'start'], { cwd: repository.dir })
    expect(stderr).toBe('')
    expect(stdout).toContain(`[show] ${content}\n`)
    expect(status).toBe(0)
  }
  await directRun('changed once')
  await gitserver.stop('SIGKILL')
  rmSync(join(gitserver.dataDir, 'gitserver'), { recursive: true })
  await gitserver.start()
  await directRun('changed twice')
  // The first one's commit comes from the bucket as well.
  const again = await gateway.slipway(['runs', 'restart', '@ann#1', '--from-start', '--watch'])
  expect(again, services.output.slice(-2000)).toMatchObject({ status: 0 })
})
