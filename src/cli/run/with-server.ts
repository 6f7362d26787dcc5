// Runs work with the parts of Slipway open, and waits until nothing is executed or torn down any more.

import { silentLogger } from '../../lib/log.ts'
import { type LocalServer, openLocalServer } from '../../server/local/local-server.ts'
import type { Invocation } from '../../server/local/state-directory.ts'
import type { RunContext } from './run-context.ts'
import type { Source } from './source.ts'

export async function withServer(
  { options, io, repository, state, output, stopping, clock }: RunContext,
  invocation: Invocation,
  { frozen, event, cloneUrl }: Source,
  work: (server: LocalServer) => Promise<number>,
): Promise<number> {
  await using server = await openLocalServer(
    {
      state,
      invocation,
      execution: {
        driver: options.driver,
        jobs: options.jobs,
        keepFailed: options.keepFailed ?? false,
        pull: options.pull,
        environment: io.environment,
        cloneSource: {
          url: frozen.path,
          ref: frozen.ref,
          commitSha: frozen.commitSha,
          branch: event.branch,
          originUrl: cloneUrl,
          mirrorKey: repository.id,
          submoduleUrls: frozen.submoduleUrls,
        },
      },
    },
    { clock, logger: silentLogger, notice: (message) => void output.write({ type: 'notice', message }) },
  )
  stopping.throwIfAborted()
  const status = await work(server)
  await server.idle()
  return status
}
