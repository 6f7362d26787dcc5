// A workspace of many files: from the pod of one task to storage, and from there into the pod of the next.

import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compressed, decompressed } from '../src/executor/archive-codec.ts'
import type { Driver, Pod } from '../src/executor/driver.ts'
import { openHostDriver } from '../src/executor/drivers/host/host-driver.ts'
import { findHelperBinary, hostArch } from '../src/executor/helper/helper-binary.ts'
import { systemClock } from '../src/lib/clock.ts'
import { silentLogger } from '../src/lib/log.ts'
import { openPosixObjectStorage } from '../src/objectstorage/posix.ts'
import { type Figure, figure } from './figure.ts'
import { packAndUnpack } from './floors/archive.ts'
import { makeFiles } from './inputs/files.ts'
import { interleaved } from './interleaved.ts'

const seed = 20_263
const input = { count: 10_000, totalBytes: 500_000_000 }
const sampleCount = 15
const limits = { sizeBytesMax: 1e9, entriesMax: 100_000 }
const { signal } = new AbortController()

/** Needs bubblewrap, tar and zstd. Takes some ten seconds per sample. */
export async function run(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-bench-'))
  try {
    const files = join(folder, 'files')
    mkdirSync(files)
    makeFiles(files, seed, input)
    await using ost = await openPosixObjectStorage({ root: join(folder, 'objects') })
    await using driver = await openHostDriver({
      dataDir: join(folder, 'host'),
      ownerId: 'bench',
      helperFile: (await findHelperBinary(hostArch())).path,
      allowUnsandboxed: false,
      readOnlyPaths: [],
      clock: systemClock,
      logger: silentLogger,
    })
    const source = await aPod(driver)
    await unpack(source, tarOf(files))
    const ours = async () => {
      const target = await aPod(driver)
      const key = `archives/${randomUUID()}`
      const begin = performance.now()
      const contents = [{ sourceDir: '~/files', destDir: '.', paths: ['**'] }]
      const archive = { contents, workingDir: '~', environment: {}, limits, note: () => {} }
      await ost.put(key, compressed(source.archive(archive, signal)))
      await unpack(target, decompressed(ost.read(key)))
      const ms = performance.now() - begin
      await target.remove(signal)
      await ost.delete(key)
      return ms
    }
    const bare = async () => {
      const target = join(folder, 'unpacked')
      const ms = await packAndUnpack(files, join(folder, 'archive'), target)
      rmSync(target, { recursive: true })
      return ms
    }
    const measured = await interleaved({ count: sampleCount }, ours, bare)
    await source.remove(signal)
    return [
      figure(
        { name: 'workspace of 10,000 files, 500 MB, saved and restored', unit: 'ms', ...measured },
        { of: 'ratio', most: 1.3 },
      ),
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function aPod(driver: Driver): Promise<Pod> {
  const container = { image: '', environment: {}, user: '', privileged: false, entrypoint: [], volumes: [] }
  return await driver.createPod(
    { id: randomUUID(), containers: [container], user: '', registryAuth: {}, pull: 'never' },
    { log: () => {}, signal },
  )
}

async function unpack(pod: Pod, tar: AsyncIterable<Uint8Array>): Promise<void> {
  const request = { destDir: '~/files', workingDir: '~', environment: {}, existing: 'refuse', limits } as const
  await pod.unarchive(request, tar, signal)
}

function tarOf(files: string): AsyncIterable<Uint8Array> {
  return spawn('tar', ['-C', files, '-cf', '-', '.'], { stdio: ['ignore', 'pipe', 'inherit'] }).stdout
}
