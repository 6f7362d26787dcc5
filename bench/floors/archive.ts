// What packing files takes at best: tar and zstd of the system, to a file and back.

import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { promisify } from 'node:util'

const shell = (script: string, ...args: string[]) => promisify(execFile)('/bin/sh', ['-c', script, 'sh', ...args])

/** Packs `source` to the file `archive` and unpacks that into the new folder `target`. Milliseconds. */
export async function packAndUnpack(source: string, archive: string, target: string): Promise<number> {
  await mkdir(target)
  const begin = performance.now()
  await shell('tar -C "$1" -cf - . | zstd -q -1 -f -o "$2"', source, archive)
  await shell('zstd -q -d -c "$1" | tar -C "$2" -xf -', archive, target)
  return performance.now() - begin
}
