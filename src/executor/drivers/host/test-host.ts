// Host drivers for tests: real sandboxes in data directories of their own.

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { killProcess } from '../../../lib/process-identity.ts'
import type { Driver } from '../../driver.ts'
import { findHelperBinary, hostArch } from '../../helper/helper-binary.ts'
import { type HostDriverOptions, openHostDriver } from './host-driver.ts'
import { listPodDirectories, loadSandboxRecord, podDirectory } from './pod-directory.ts'

/** A directory below `parent`, /var/tmp by default: /tmp may be a small memory file system. */
export function makeDataDir(parent = '/var/tmp'): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(parent, 'slipway-host-'))
  return {
    path,
    remove() {
      killPods(join(path, 'pods'))
      rmSync(path, { recursive: true, force: true })
    },
  }
}

/** Of tests that failed before they removed theirs. */
function killPods(dir: string): void {
  for (const owner of listPodDirectories(dir))
    for (const id of listPodDirectories(join(dir, owner))) {
      const sandbox = loadSandboxRecord(podDirectory(join(dir, owner), id))
      if (sandbox !== undefined) killProcess(sandbox.init)
    }
}

export async function openTestHost(
  options: Partial<HostDriverOptions> & { readonly dataDir: string },
): Promise<Driver> {
  return await openHostDriver({
    ownerId: 'test',
    helperFile: (await findHelperBinary(hostArch())).path,
    allowUnsandboxed: false,
    readOnlyPaths: [],
    clock: systemClock,
    logger: silentLogger,
    ...options,
  })
}
