// `slipway run`: the runs of the definition that match the event.

import { randomBytes } from 'node:crypto'
import { planRuns } from '../../pipeline/plan.ts'
import type { NewRunRequest } from '../../runservice/api.ts'
import { newInvocation, removeInvocation } from '../../server/local/state-directory.ts'
import { refOf } from '../event-options.ts'
import { exitStatus } from '../exit-status.ts'
import { parseVariables } from '../variable-options.ts'
import { currentBranch } from '../working-tree/repository.ts'
import { type AskedRun, saveAsked } from './asked-run.ts'
import { followAll } from './follow-all.ts'
import type { RunContext } from './run-context.ts'
import { expandAsked, newRunRequest } from './run-request.ts'
import { freezeSource, readConfig } from './source.ts'
import { withServer } from './with-server.ts'

export async function startRuns(context: RunContext): Promise<number> {
  const { options, io, repository, state, output, clock } = context
  const asked: AskedRun = {
    ref: refOf(options, await currentBranch(repository)),
    tasks: options.task,
    ...(options.file === undefined ? {} : { file: options.file }),
    ...parseVariables(options, io.environment),
  }
  const config = await readConfig(asked, context)
  const invocation = newInvocation(state, clock.now(), randomBytes(3).toString('hex'))
  using _lock = invocation.lock
  let hasRuns = false
  await using _unused = {
    // One that started nothing is not "the last run".
    [Symbol.asyncDispose]: async () => (hasRuns ? undefined : removeInvocation(invocation)),
  }
  saveAsked(invocation, asked)
  const source = await freezeSource(asked, context, invocation)
  const requests: NewRunRequest[] = []
  for (const plan of planRuns(config, source.event)) {
    if (plan.kind !== 'created') continue
    requests.push(newRunRequest(await expandAsked(plan.run, { config, asked, source, output }), asked, source))
  }
  if (requests.length === 0) {
    const message = `No run of the definition matches ${asked.ref.ref}; \`slipway plan\` says why`
    await output.write({ type: 'notice', message })
    return exitStatus.success
  }
  return await withServer(context, invocation, source, async ({ runservice }) => {
    const runs = await runservice.createRuns(requests)
    hasRuns = true
    return await followAll(context, runservice, runs)
  })
}
