// npm run race -- [--backend etcd|postgres|posix|s3] [--seconds N] [--writers N] [--seed N]
//
// Processes write to one log of a real backend while they and the server are killed, stopped and started again (disturb.ts);
// then the log is compared with what each of them was told. Without --backend all four, one after the other. Ends with
// status 1 when something that was acknowledged is missing or doubled. `s3` needs root and Debian's Ceph.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { disturb, type RacedServer } from '../../src/datamanager/simulation/disturb.ts'
import { prng } from '../../src/datamanager/simulation/prng.ts'
import { race } from '../../src/datamanager/simulation/race.ts'
import { errorMessage } from '../../src/lib/errors.ts'
import type { Json } from '../../src/lib/json.ts'
import type { ObjectStorageSettings } from '../../src/objectstorage/open-object-storage.ts'
import { startCeph } from '../support/ceph.ts'
import { startEtcd } from '../support/etcd.ts'
import { startPostgres } from '../support/postgres.ts'

type Backend = AsyncDisposable & {
  readonly settings: Json
  readonly storage?: ObjectStorageSettings
  readonly server?: RacedServer
}

const backends: Readonly<Record<string, () => Promise<Backend>>> = {
  etcd: async () => {
    const server = await startEtcd()
    const settings = { log: 'etcd', etcd: { endpoints: [server.endpoint] } }
    return { settings, server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
  },
  postgres: async () => {
    const server = await startPostgres()
    const settings = { log: 'postgres', postgres: { url: server.url } }
    return { settings, server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
  },
  posix: async () => ({ settings: { log: 'bucket' }, [Symbol.asyncDispose]: async () => {} }),
  s3: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'slipway-race-ceph-'))
    const ceph = await startCeph(folder)
    const { endpoint, accessKeyId, secretAccessKey } = ceph
    const place = { endpoint, region: 'us-east-1', credentials: { accessKeyId, secretAccessKey } }
    const client = new S3Client({ ...place, forcePathStyle: true })
    await client.send(new CreateBucketCommand({ Bucket: 'race' }))
    client.destroy()
    return {
      settings: { log: 'bucket' },
      storage: { type: 's3', bucket: 'race', ...place },
      async [Symbol.asyncDispose]() {
        await ceph[Symbol.asyncDispose]()
        rmSync(folder, { recursive: true, force: true })
      },
    }
  },
}

const { values } = parseArgs({
  options: {
    backend: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    writers: { type: 'string', default: '4' },
    seed: { type: 'string', default: '1' },
  },
})
const names = Object.keys(backends).filter((name) => (values.backend ?? name) === name)
if (names.length === 0) {
  process.stderr.write(`race: the backends are ${Object.keys(backends).join(', ')}\n`)
  process.exit(2)
}
for (const name of names) {
  await using backend = await backends[name]!() // one of its keys
  const { settings, storage, server } = backend
  const random = prng(Number(values.seed))
  let done = {}
  try {
    const report = await race({
      ...{ settings, writers: Number(values.writers), ...(storage ? { storage } : {}) },
      disturb: async (running) => {
        done = await disturb(running, { ms: Number(values.seconds) * 1000, random, server })
      },
    })
    process.stdout.write(`${name}: ${JSON.stringify({ ...report, ...done })}\n`)
  } catch (error) {
    process.exitCode = 1
    process.stderr.write(`${name}, seed ${values.seed}: ${errorMessage(error)} ${JSON.stringify(done)}\n`)
  }
}
