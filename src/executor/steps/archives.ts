// Packing and unpacking in the pod, for workspaces and caches alike.

import { limits } from '../../lib/limits.ts'
import type { ArchiveContent } from '../../pipeline/run-config.ts'
import { compressed, decompressed } from '../archive-codec.ts'
import { joinWorkingDir } from './run-step.ts'
import type { StepContext } from './step-context.ts'

export const archiveLimits = { sizeBytesMax: limits.archiveBytes.value, entriesMax: limits.archiveEntries.value }

/** A compressed archive of what matches, read from the pod as it is pulled; what is left out is told in the log. */
export function packFiles(contents: readonly ArchiveContent[], context: StepContext): AsyncIterable<Uint8Array> {
  const { order, pod, log, signal } = context
  const tar = pod.archive(
    {
      contents,
      workingDir: order.workingDir,
      environment: order.environment,
      limits: archiveLimits,
      note: (line) => log.line(line),
    },
    signal,
  )
  return compressed(tar)
}

/** Unpacks a compressed archive into a directory of the pod. A file that is there already fails the step. */
export async function unpackFiles(
  destDir: string,
  data: AsyncIterable<Uint8Array>,
  context: StepContext,
): Promise<void> {
  const { order, pod, signal } = context
  await pod.unarchive(
    {
      destDir: joinWorkingDir(order.workingDir, destDir),
      workingDir: order.workingDir,
      environment: order.environment,
      existing: context.isResumed ? 'overwrite' : 'refuse',
      limits: archiveLimits,
    },
    decompressed(data),
    signal,
  )
}

/** 1536 -> `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power]}`
}
