// Removes what a task left behind: directories without write permission, of any depth, never through a symlink.

import { rm } from 'node:fs/promises'
import { runProcess } from '../../../lib/process.ts'

/** Removes `path` and everything below it. Idempotent. Files that belong to another user can be removed by root only. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true })
  } catch {
    // Directories without permissions, and paths longer than the system takes: the system's tools go down step by step.
    await runProcess('chmod', ['-R', 'u+rwx', '--', path])
    const { code, stderr } = await runProcess('rm', ['-rf', '--', path])
    if (code !== 0) throw new Error(`remove ${path}: ${stderr.trim()}`)
  }
}
