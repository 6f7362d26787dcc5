// Host drivers for tests: real sandboxes in data directories of their own.

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import type { Driver } from '../../driver.ts'

import { findHelperBinary, hostArch } from '../../helper/helper-binary.ts'

import { type HostDriverOptions, openHostDriver } from './host-driver.ts'

/** A directory below `parent`, /var/tmp by default: /tmp may be a small memory file system. */
export function makeDataDir(parent = '/var/tmp'): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(parent, 'slipway-host-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
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
