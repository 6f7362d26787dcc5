// The least a command in JavaScript takes: Node.js starts and ends.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Milliseconds. */
export async function nodeStart(): Promise<number> {
  const begin = performance.now()
  await promisify(execFile)(process.execPath, ['-e', '0'])
  return performance.now() - begin
}
