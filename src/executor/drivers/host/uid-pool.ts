// One unprivileged uid per task when the executor is root. A claim is a symlink named after the uid that points to where the
// pod's directory was made: made atomically, with its owner in it, in a place all executors of the machine share and a reboot
// clears.
//
//   460123           -> of-<hash>/<pod>    a claim
//   of-<hash>        -> <directory of an executor's pods>
//
// In two parts, because a symlink of less than 60 bytes needs no block of the disk, which takes long to be given back.
//
// Invariant: while a claim exists its pod does (made before the claim, removed after the release), so a claim without pod
// belongs to nobody. A pod that is renamed keeps its claim as it is.

import { existsSync, mkdirSync, readdirSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { SlipwayError } from '../../../lib/errors.ts'
import { shortHash } from './driver-directories.ts'

export type UidPool = {
  /** Claims a uid for the pod that is made in `podDir`, which exists. Its gid is the same number. Fails with `setup_failed`. */
  claim(podDir: string): number
  /**
   * `podDir` as it was claimed for. Idempotent; leaves the claims of other pods alone. Without a uid, of a pod that was not
   * recorded, all are looked at.
   */
  release(uid: number | undefined, podDir: string): void
}

// Outside of what systemd and Debian give to people, services (below 65,536) and containers (from 524,288), see
// systemd.io/UIDS-GIDS.
export const taskUids = { first: 460_000, count: 4096 } as const

export const uidClaimsDir = '/run/slipway-uids'

/** `random` gives numbers in [0, 1); `isPodThere` says whether the pod made in that directory exists, wherever it is now. */
export function openUidPool(options: {
  readonly claimsDir: string
  readonly uids: { readonly first: number; readonly count: number }
  readonly random: () => number
  readonly isPodThere: (podDir: string) => boolean
}): UidPool {
  const { claimsDir, uids } = options
  mkdirSync(claimsDir, { recursive: true, mode: 0o700 })
  dropOrphans()
  return {
    claim(podDir) {
      const uid = claimFrom(podDir)
      if (uid !== undefined) return uid
      dropOrphans()
      return claimFrom(podDir) ?? allTaken()
    },
    release(uid, podDir) {
      for (const name of uid === undefined ? readdirSync(claimsDir) : [String(uid)]) {
        const path = join(claimsDir, name)
        if (targetOf(path) === claimOf(podDir)) removeLink(path)
      }
    },
  }

  function dropOrphans(): void {
    for (const name of readdirSync(claimsDir)) {
      const path = join(claimsDir, name)
      const target = targetOf(path)
      const isWanted = name.startsWith(executorPrefix) ? existsSync : options.isPodThere
      if (target !== undefined && !isWanted(resolve(claimsDir, target))) removeLink(path)
    }
  }

  /** Starts at a random place, so that executors rarely meet. */
  function claimFrom(podDir: string): number | undefined {
    const claim = claimOf(podDir)
    makeLink(dirname(podDir), join(claimsDir, dirname(claim)))
    const start = Math.floor(options.random() * uids.count)
    for (let step = 0; step < uids.count; step++) {
      const uid = uids.first + ((start + step) % uids.count)
      if (makeLink(claim, join(claimsDir, String(uid)))) return uid
    }
    return undefined
  }

  function allTaken(): never {
    throw new SlipwayError(
      'setup_failed',
      `host driver: all ${uids.count} uids of tasks are taken, remove pods or ${claimsDir}`,
    )
  }
}

/** What the claim of a pod points to. */
function claimOf(podDir: string): string {
  return `${executorPrefix}${shortHash(dirname(podDir))}/${basename(podDir)}`
}

const executorPrefix = 'of-'

/** False when there is one of that name. */
function makeLink(target: string, path: string): boolean {
  try {
    symlinkSync(target, path)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
}

function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

function removeLink(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
  }
}

const isCode = (error: unknown, code: string) => error instanceof Error && 'code' in error && error.code === code
