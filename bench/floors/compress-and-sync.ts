// Floor of storing a log: compress it in blocks of 1 MiB, four at a time, and write each to a file of its own, synced.

import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { constants, zstdCompress } from 'node:zlib'

const compress = promisify(zstdCompress)
const blockBytes = 1024 * 1024

/** Goes through `input` again and again until `totalBytes` are stored in `folder`. */
export async function compressAndSync(input: Buffer, totalBytes: number, folder: string): Promise<void> {
  const options = { chunkSize: blockBytes / 2, params: { [constants.ZSTD_c_compressionLevel]: 1 } }
  const blocks = Math.ceil(totalBytes / blockBytes)
  const blocksOfInput = Math.floor(input.length / blockBytes)
  let next = 0
  const worker = async () => {
    for (let block = next++; block < blocks; block = next++) {
      const start = (block % blocksOfInput) * blockBytes
      const data = await compress(input.subarray(start, start + blockBytes), options)
      const file = await open(join(folder, String(block)), 'w')
      await file.write(data)
      await file.sync()
      await file.close()
    }
  }
  await Promise.all([worker(), worker(), worker(), worker()])
}
