// A file as bytes for object storage. It is opened when it is read, so one that nobody comes to read fails nobody.

import { createReadStream } from 'node:fs'

const chunkBytes = 1024 * 1024

export async function* fileBytes(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  yield* createReadStream(path, { highWaterMark: chunkBytes })
}
