// Finds the built helper in a clone and in an installed package alike: `helper/dist` at the root of the package.

import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SlipwayError } from '../../lib/errors.ts'

export type HelperBinary = {
  readonly path: string
  readonly bytes: Uint8Array
  /** Of the bytes, lower case hex: names a volume or file that holds this very helper. */
  readonly sha256: string
}

/** Depth of the deepest file that may ask: the search for the package's root goes no further up. */
const parentsMax = 6

const loaded = new Map<string, Promise<HelperBinary>>()

/**
 * The helper for `arch`, in Go's names (`amd64`, `arm64`, `arm`, `386`); read once. Fails with `driver_unsupported` when
 * there is none, naming what is missing.
 */
export function findHelperBinary(arch: string): Promise<HelperBinary> {
  let binary = loaded.get(arch)
  if (binary === undefined) {
    binary = readBinary(arch)
    loaded.set(arch, binary)
    binary.catch(() => loaded.delete(arch))
  }
  return binary
}

/** Go's name of the architecture this process runs on. */
export function hostArch(): string {
  return { x64: 'amd64', ia32: '386' }[process.arch as string] ?? process.arch
}

/** Path of the helper for `arch`, as `findHelperBinary` finds it, without reading it. */
export function findHelperFile(arch: string): string {
  const name = `slipway-pod-linux-${arch}`
  let directory = dirname(fileURLToPath(import.meta.url))
  for (let level = 0; level < parentsMax; level++) {
    const path = join(directory, 'helper', 'dist', name)
    if (existsSync(path)) return path
    directory = dirname(directory)
  }
  throw new SlipwayError(
    'driver_unsupported',
    `there is no helper for ${arch}: helper/dist/${name} is missing (npm run build:helper makes it, with Go)`,
  )
}

async function readBinary(arch: string): Promise<HelperBinary> {
  const path = findHelperFile(arch)
  const bytes = await readFile(path)
  return { path, bytes, sha256: createHash('sha256').update(bytes).digest('hex') }
}
