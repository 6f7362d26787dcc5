// Ends host pods that a test left on purpose, as --keep-failed does.

import { readdirSync, readFileSync } from 'node:fs'

/** Kills the first process of every sandbox that has a directory below `path` mounted: with it goes all of the sandbox. */
export function endPodsBelow(path: string): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (readFileSync(`/proc/${pid}/mountinfo`, 'utf8').includes(`${path}/`)) process.kill(Number(pid), 'SIGKILL')
    } catch {
      // It ended meanwhile.
    }
  }
}
