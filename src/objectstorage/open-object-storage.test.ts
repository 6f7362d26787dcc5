import { execFileSync } from 'node:child_process'
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

test('without the SDK of S3 a directory works, and a bucket says what is missing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-ost-'))
  const script = `
    import { registerHooks } from 'node:module'
    registerHooks({
      resolve(name, context, next) {
        if (name.startsWith('@aws-sdk/')) throw new Error('Cannot find package ' + name)
        return next(name, context)
      },
    })
    const { openObjectStorage } = await import(${JSON.stringify(join(import.meta.dirname, 'open-object-storage.ts'))})
    await using ost = await openObjectStorage({ type: 'posix', path: ${JSON.stringify(folder)} })
    const { sizeBytes } = await ost.put('a', Buffer.from('x'))
    const failure = await openObjectStorage({ type: 's3', region: 'r', bucket: 'bucket' }).catch((error) => error)
    console.log(sizeBytes, failure.code, failure.message)`
  try {
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' })
    expect(output).toMatch(/^1 object_storage_config .*npm install @aws-sdk\/client-s3$/m)
  } finally {
    await rm(folder, { recursive: true })
  }
})
