import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { S3Double } from '../../test/support/s3-double.ts'
import { openObjectStorage } from './open-object-storage.ts'

test('a path opens a storage in that directory', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-ost-'))
  try {
    await using ost = await openObjectStorage({ type: 'posix', path: join(folder, 'ost') })
    await ost.put('a', Buffer.from('x'))
    expect(await readdir(join(folder, 'ost/data'))).toHaveLength(1)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('a bucket opens a storage in it, below its prefix', async () => {
  await using double = await S3Double.start()
  await using ost = await openObjectStorage({ type: 's3', ...double.settings, prefix: 'ci/' })
  await ost.put('a', Buffer.from('x'))
  expect([...double.objects.keys()]).toEqual(['ci/data/a'])
})
