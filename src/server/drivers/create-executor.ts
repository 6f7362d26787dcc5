// An executor on a directory of its own, for whoever runs one for long: in the server's process or as a process.
//
//   <dir>/journal/    what it remembers of its tasks
//   <dir>/mirrors/    repositories it cloned from

import { join } from 'node:path'
import { freePercent, readDiskSpace } from '../../executor/drivers/host/disk-watch.ts'
import { Executor, type ExecutorComponents, type ExecutorSettings } from '../../executor/executor.ts'
import { GitMirrors } from '../../executor/git/mirrors.ts'
import { openJournal } from '../../executor/journal.ts'

/** It goes on with what an executor before it left in `dir`. Nothing runs before its `run` is called. */
export function createExecutor(
  dir: string,
  settings: Omit<ExecutorSettings, 'keepFailed'>,
  components: Pick<ExecutorComponents, 'api' | 'drivers' | 'clock' | 'logger'>,
): Executor {
  return new Executor(
    { ...settings, keepFailed: false },
    {
      ...components,
      mirrors: new GitMirrors({ dir: join(dir, 'mirrors') }, { clock: components.clock }),
      journal: openJournal(join(dir, 'journal')),
      freeDiskPercent: () => freePercent(readDiskSpace(dir)),
    },
  )
}
