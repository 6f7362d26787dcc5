// What a version left: `test/fixtures/<version>/` has a data directory, packed, and what is in it, as people would say it. Its keys
// are for tests; they open nothing else.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'

export type FixtureFacts = {
  readonly version: string
  readonly projectRef: string
  /** What the secret `deploy/token` is. */
  readonly secret: string
  /** Name and what it ended with, or where it is, by the id of the run. */
  readonly runs: Readonly<Record<string, { readonly name: string; readonly phase: string; readonly result: string }>>
  readonly log: { readonly runId: string; readonly taskId: string; readonly text: string }
  /** Runs by what they are good for. */
  readonly cold: string
  readonly running: string
  readonly queued: string
  readonly waitingApproval: string
  readonly executor: { readonly id: string; readonly token: string }
  /** Of the user ann. */
  readonly userToken: string
  readonly deliveryStates: readonly string[]
  /** Of the project: a webhook that has told of a run, and of another one not yet. */
  readonly receiver: { readonly id: string; readonly secret: string }
  /** A repository at a provider that is gone since, its project, and the account of ann there. */
  readonly remote: { readonly projectRef: string; readonly repositoryPath: string; readonly account: string }
  /** Of ann's working tree; it waits for an executor. `repository` is its path at the git server. */
  readonly directRun: { readonly runId: string; readonly repository: string; readonly commitSha: string }
}

const folder = join(import.meta.dirname, '../fixtures')

export function fixtureVersions(): readonly string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : []
}

export function packFixture(version: string, dataDir: string, facts: FixtureFacts): void {
  const place = join(folder, version)
  mkdirSync(place, { recursive: true })
  const tar = execFileSync('tar', ['-C', dataDir, '--owner=0', '--group=0', '-cf', '-', '.'], { maxBuffer: 1 << 28 })
  const level = { params: { [constants.ZSTD_c_compressionLevel]: 19 } }
  writeFileSync(join(place, 'data.tar.zst'), zstdCompressSync(tar, level))
  writeFileSync(join(place, 'facts.json'), `${JSON.stringify(facts, undefined, 2)}\n`)
}

/** Into an empty directory. */
export function unpackFixture(version: string, dataDir: string): FixtureFacts {
  const place = join(folder, version)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const tar = zstdDecompressSync(readFileSync(join(place, 'data.tar.zst')))
  execFileSync('tar', ['-C', dataDir, '--no-same-owner', '-xpf', '-'], { input: tar })
  return JSON.parse(readFileSync(join(place, 'facts.json'), 'utf8')) as FixtureFacts
}
