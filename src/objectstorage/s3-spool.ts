// The data of a conditional write, complete before the first byte is sent: S3 can make one PUT conditional, which needs the
// length at its beginning, and only what is kept can be sent again.

import { randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { chunksOf, DataMeter, type Measured } from './object-source.ts'
import type { ObjectData, ObjectKey, PutOptions } from './object-storage.ts'

/** More than that goes to a file, which has no name any more when the first byte is in it. */
const memoryBytes = 8 * 1024 * 1024
const fileChunkBytes = 1024 * 1024

export type SpooledData = Measured &
  AsyncDisposable & {
    /** Content and footer, from the beginning, as often as wanted but one at a time. */
    open(): Readable | Uint8Array
  }

/** Takes all of the data. `object_too_large` beyond `limits.createdObjectBytes`, `disk_full` when there is no room. */
export async function spool(
  key: ObjectKey,
  data: ObjectData,
  options: PutOptions,
  folder: string | undefined,
): Promise<SpooledData> {
  const most = limits.createdObjectBytes.value
  const known = data instanceof Uint8Array ? data.length : (options.sizeBytes ?? 0)
  if (known > most) throw tooLarge(key)
  await using undo = new AsyncDisposableStack()
  const meter = new DataMeter(key, options)
  const chunks: Uint8Array[] = []
  let file: FileHandle | undefined
  for await (const chunk of chunksOf(data, options.signal)) {
    meter.add(chunk)
    if (meter.sizeBytes > most) throw tooLarge(key)
    if (data instanceof Uint8Array || (file === undefined && meter.sizeBytes <= memoryBytes)) {
      // A stream may use its buffer again.
      chunks.push(data instanceof Uint8Array ? chunk : Buffer.from(chunk))
      continue
    }
    if (file === undefined) {
      file = undo.use(await openNameless(folder ?? tmpdir()))
      for (const kept of chunks.splice(0)) await write(file, kept)
    }
    await write(file, chunk)
  }
  const measured = meter.finish()
  const kept = file
  const owned = undo.move()
  return {
    ...measured,
    open() {
      if (kept !== undefined) return Readable.from(fromFile(kept, measured), { objectMode: false })
      if (measured.result.sizeBytes <= memoryBytes) return Buffer.concat([...chunks, measured.footer])
      return Readable.from([...chunks, measured.footer], { objectMode: false })
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function* fromFile(file: FileHandle, { result, footer }: Measured): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < result.sizeBytes; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(fileChunkBytes), 0, fileChunkBytes, offset)
    if (bytesRead === 0) throw new Error('the spool file became shorter')
    yield buffer.subarray(0, bytesRead)
    offset += bytesRead
  }
  yield footer
}

async function openNameless(folder: string): Promise<FileHandle> {
  const path = join(folder, `slipway-${randomUUID()}`)
  try {
    const file = await open(path, 'wx+', 0o600)
    await unlink(path)
    return file
  } catch (cause) {
    throw new SlipwayError('object_storage_failed', `make a file in ${folder} for data on its way to S3`, { cause })
  }
}

async function write(file: FileHandle, chunk: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten
  } catch (cause) {
    if (!['ENOSPC', 'EDQUOT'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause
    throw new SlipwayError('disk_full', 'the disk for data on its way to S3 is full; make room and try again', {
      cause,
    })
  }
}

function tooLarge(key: ObjectKey): SlipwayError {
  const message = `object ${key} has more than ${limits.createdObjectBytes.value} bytes and cannot be created; put has no such limit`
  return new SlipwayError('object_too_large', message)
}
