// Files of a build: many, of all sizes, about half as large when compressed.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { logLines } from './log-lines.ts'
import { seededRandom } from './random.ts'

/** Makes `count` files of `totalBytes` together below `folder`. */
export function makeFiles(
  folder: string,
  seed: number,
  { count, totalBytes }: { readonly count: number; readonly totalBytes: number },
): void {
  const random = seededRandom(seed)
  const text = logLines(seed, 16 * 1024 * 1024)
  // Squares: many small files and some large ones.
  const shares = Array.from({ length: count }, () => random() ** 2 + 0.01)
  const sum = shares.reduce((total, share) => total + share, 0)
  for (const [index, share] of shares.entries()) {
    const sizeBytes = Math.round((share / sum) * totalBytes)
    const directory = join(folder, String(index % 50), String(Math.floor(index / 50) % 20))
    mkdirSync(directory, { recursive: true })
    const start = Math.floor(random() * (text.length - sizeBytes))
    writeFileSync(join(directory, `file-${index}`), text.subarray(start, start + sizeBytes))
  }
}
