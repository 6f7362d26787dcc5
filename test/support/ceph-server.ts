// The Ceph of this test run, for tests.

import { randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { inject } from 'vitest'
import { collectBytes } from '../../src/lib/bytes.ts'
import type { S3Settings } from '../../src/objectstorage/s3-settings.ts'
import type { CephServer } from './ceph.ts'

/** Waits until it has started, which the first caller causes. Fails when it cannot start, also for want of its packages. */
export async function cephServer(): Promise<Omit<CephServer, typeof Symbol.asyncDispose>> {
  const answer = await new Promise<Buffer>((resolve, reject) => {
    const asking = request({ socketPath: inject('cephSocket'), agent: false }, (response) => {
      collectBytes(response).then(resolve, reject)
    })
    asking.on('error', reject)
    asking.end()
  })
  const ceph: CephServer | { readonly failure: string } = JSON.parse(answer.toString())
  if ('failure' in ceph)
    throw new Error(`needs root and Debian's ceph-mon, ceph-osd, radosgw and ceph-common: ${ceph.failure}`)
  return ceph
}

/** Settings of a new, empty bucket. Nobody removes it: the server is in memory and ends with the run. */
export async function newBucket(): Promise<S3Settings & { readonly endpoint: string }> {
  const { endpoint, accessKeyId, secretAccessKey } = await cephServer()
  const bucket = `test-${randomUUID()}`
  const credentials = { accessKeyId, secretAccessKey }
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  client.destroy()
  return { endpoint, region: 'us-east-1', bucket, credentials }
}
