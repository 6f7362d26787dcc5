// Slipway as `slipway run` composes it, for whole runs: embedded database and posix storage, synced, in a folder of its own.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../src/lib/clock.ts'
import { silentLogger } from '../src/lib/log.ts'
import type { NewRunRequest, RunView } from '../src/runservice/api.ts'
import type { CloneSource } from '../src/runservice/executor-api.ts'
import { openLocalServer } from '../src/server/local/local-server.ts'
import { newInvocation, openStateDirectory } from '../src/server/local/state-directory.ts'

export type LocalSlipwayOptions = {
  readonly driver: 'docker' | 'host'
  /** Tasks at once. */
  readonly jobs: number
  readonly cloneSource?: CloneSource
}

export interface LocalSlipway extends AsyncDisposable {
  /** Where everything is kept. */
  readonly folder: string
  /** Creates the run and resolves when it is finished; fails when it does not succeed. */
  run(request: NewRunRequest): Promise<RunView>
  /** Resolves when nothing is torn down any more. */
  idle(): Promise<void>
}

export const noSource: CloneSource = {
  url: '',
  ref: '',
  commitSha: '',
  branch: '',
  originUrl: '',
  mirrorKey: '',
  submoduleUrls: {},
}

export async function openLocalSlipway(options: LocalSlipwayOptions): Promise<LocalSlipway> {
  const { driver, jobs, cloneSource = noSource } = options
  await using undo = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-'))
  undo.defer(() => rm(folder, { recursive: true, force: true }))
  const state = openStateDirectory(folder)
  const invocation = newInvocation(state, Date.now(), 'bench')
  undo.use(invocation.lock)
  const server = undo.use(
    await openLocalServer(
      {
        state,
        invocation,
        execution: {
          driver,
          jobs,
          keepFailed: false,
          pull: 'if_missing',
          cloneSource: () => cloneSource,
          environment: process.env,
        },
      },
      { clock: systemClock, logger: silentLogger, notice: () => {} },
    ),
  )
  const owned = undo.move()
  return {
    folder: invocation.dir,
    async run(request) {
      const [created] = await server.runservice.createRuns([request])
      let last: RunView | undefined
      for await (const view of server.runservice.watchRun(created!.id, new AbortController().signal)) last = view
      if (last?.run.result !== 'success') throw new Error(`the run ended with ${last?.run.result}`)
      return last
    },
    idle: () => server.idle(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
