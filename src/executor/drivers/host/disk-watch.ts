// Keeps tasks from filling the disk: while there are pods the free space is looked at, and when too little is left the
// pod that uses most is ended. Blocks that the file system keeps for root do not count as free.

import { statfsSync } from 'node:fs'
import type { Clock } from '../../../lib/clock.ts'
import { errorMessage } from '../../../lib/errors.ts'
import type { Logger } from '../../../lib/log.ts'
import { runProcess } from '../../../lib/process.ts'
import type { PodId } from '../../driver.ts'

export type DiskSpace = {
  readonly blocks: number
  readonly available: number
  readonly files: number
  readonly freeFiles: number
}

/** Whichever is scarcer, blocks or inodes. File systems without a fixed number of inodes report none. */
export function freePercent(space: DiskSpace): number {
  const ofBlocks = space.blocks === 0 ? 100 : (100 * space.available) / space.blocks
  const ofFiles = space.files === 0 ? 100 : (100 * space.freeFiles) / space.files
  return Math.min(ofBlocks, ofFiles)
}

export function readDiskSpace(path: string): DiskSpace {
  const { blocks, bavail, files, ffree } = statfsSync(path)
  return { blocks, available: bavail, files, freeFiles: ffree }
}

export type PodUsage = { readonly id: PodId; readonly kibibytes: number }

/** The pod to end next: the one that uses most, the newest id among equals. */
export function choosePodToEnd(usages: readonly PodUsage[]): PodUsage | undefined {
  return usages.reduce<PodUsage | undefined>(
    (most, usage) =>
      most === undefined ||
      usage.kibibytes > most.kibibytes ||
      (usage.kibibytes === most.kibibytes && usage.id > most.id)
        ? usage
        : most,
    undefined,
  )
}

export type DiskWatchOptions = {
  /** Any path of the watched file system. */
  readonly dir: string
  readonly freePercentMin: number
  readonly clock: Clock
  readonly logger: Logger
  /** Directories of the pods that can be ended, by id. */
  readonly pods: () => ReadonlyMap<PodId, string>
  readonly end: (id: PodId, message: string) => void
}

// A disk takes about 2 GB/s, so 200 ms are 400 MB: less than 5 % of any disk that a CI executor has.
const intervalMs = 200
/** An ended pod gives its space back only when it is removed; meanwhile the next one goes only if less and less is free. */
const patienceMs = 5_000
const measureMs = 2_000

/** Watches while there are pods; call `wake` when one was added. */
export class DiskWatch implements AsyncDisposable {
  readonly #options: DiskWatchOptions
  readonly #stop = new AbortController()
  #loop: Promise<void> | undefined

  constructor(options: DiskWatchOptions) {
    this.#options = options
  }

  wake(): void {
    this.#loop ??= this.#watch().finally(() => {
      this.#loop = undefined
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  async #watch(): Promise<void> {
    const { clock, dir, freePercentMin, logger, pods } = this.#options
    let last: { readonly at: number; readonly free: number } | undefined
    while (pods().size > 0 && !this.#stop.signal.aborted) {
      try {
        const free = freePercent(readDiskSpace(dir))
        const isBad = free < freePercentMin
        if (isBad && (last === undefined || free < last.free || clock.now() - last.at > patienceMs)) {
          await this.#endOne(free)
          last = { at: clock.now(), free }
        } else if (!isBad) last = undefined
      } catch (error) {
        logger.warn('free disk space cannot be read', { error })
      }
      await clock.sleep(intervalMs, this.#stop.signal).catch(() => {})
    }
  }

  async #endOne(free: number): Promise<void> {
    const { freePercentMin, pods, end } = this.#options
    const chosen = choosePodToEnd(await this.#measure(pods()))
    if (chosen === undefined || !pods().has(chosen.id)) return
    const used = chosen.kibibytes === 0 ? '' : ` (${Math.round(chosen.kibibytes / 1024)} MiB)`
    end(
      chosen.id,
      `the disk of the executor is nearly full (${free.toFixed(1)} % free, ${freePercentMin} % are kept): ` +
        `the task that used most of it${used} was stopped`,
    )
  }

  /** A single pod need not be measured. */
  async #measure(pods: ReadonlyMap<PodId, string>): Promise<readonly PodUsage[]> {
    const entries = [...pods]
    if (entries.length <= 1) return entries.map(([id]) => ({ id, kibibytes: 0 }))
    try {
      const paths = entries.map(([, path]) => path)
      const signal = this.#options.clock.timeout(measureMs)
      const { stdout } = await runProcess('du', ['-skx', '--', ...paths], { signal })
      return parseDiskUsage(stdout.toString('utf8'), pods)
    } catch (error) {
      this.#options.logger.warn('disk usage of pods cannot be measured', { error: errorMessage(error) })
      return entries.map(([id]) => ({ id, kibibytes: 0 }))
    }
  }
}

/** Lines `<KiB>\t<path>` of du(1). */
export function parseDiskUsage(text: string, pods: ReadonlyMap<PodId, string>): readonly PodUsage[] {
  const byPath = new Map([...pods].map(([id, path]) => [path, id]))
  return text.split('\n').flatMap((line) => {
    const [size, path] = [line.slice(0, line.indexOf('\t')), line.slice(line.indexOf('\t') + 1)]
    const id = byPath.get(path)
    return id === undefined ? [] : [{ id, kibibytes: Number(size) }]
  })
}
