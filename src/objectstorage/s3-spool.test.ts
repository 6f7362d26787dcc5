import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { collectBytes } from '../lib/bytes.ts'
import { footerBytes } from './object-footer.ts'
import { spool } from './s3-spool.ts'

const MiB = 1024 * 1024

async function contentOf(body: Readable | Uint8Array): Promise<Buffer> {
  const stored = body instanceof Uint8Array ? Buffer.from(body) : await collectBytes(body)
  return stored.subarray(0, -footerBytes)
}

test.each([0, 1, 8 * MiB - 1, 8 * MiB, 8 * MiB + 1, 20 * MiB])(
  '%d bytes come back whole, as often as wanted, from memory and from a stream whose buffer is used again',
  async (size) => {
    const folder = await mkdtemp(join(tmpdir(), 'slipway-spool-'))
    try {
      const data = randomBytes(size)
      async function* source() {
        const buffer = Buffer.alloc(900_000)
        for (let at = 0; at < size; at += buffer.length) yield buffer.subarray(0, data.copy(buffer, 0, at))
      }
      for (const each of [data, source()]) {
        await using spooled = await spool('key', each, {}, folder)
        expect(spooled.result.sizeBytes).toBe(size)
        for (let round = 0; round < 2; round++) expect((await contentOf(spooled.open())).equals(data)).toBe(true)
        expect(await readdir(folder)).toEqual([])
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  },
)

test('a folder that is missing is named in the error', async () => {
  const data = async function* () {
    for (let count = 0; count < 9; count++) yield Buffer.alloc(MiB)
  }
  await expect(spool('key', data(), {}, '/nowhere')).rejects.toMatchObject({
    code: 'object_storage_failed',
    message: expect.stringContaining('/nowhere'),
  })
})
