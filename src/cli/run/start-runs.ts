// `slipway run`: the runs of the definition that match the event.

import { randomBytes } from 'node:crypto'
import { planRuns } from '../../pipeline/plan.ts'
import type { NewRunRequest, RunserviceHost } from '../../runservice/api.ts'
import { newInvocation, removeInvocation } from '../../server/local/state-directory.ts'
import { refOf } from '../event-options.ts'
import { exitStatus } from '../exit-status.ts'
import { parseVariables } from '../variable-options.ts'
import { type AskedRun, givenOptionsOf, saveAsked } from './asked-run.ts'
import { followAll } from './follow-all.ts'
import { Questions } from './questions.ts'
import { approveModeOf, type RunContext } from './run-context.ts'
import { expandAsked, newRunRequest, tellShortSecrets } from './run-request.ts'
import { eventMessage, freezeSource, readConfig, type Source } from './source.ts'
import { withServer } from './with-server.ts'

export async function startRuns(context: RunContext): Promise<number> {
  const { options, io, repository, state, output, clock } = context
  const asked: AskedRun = {
    ref: refOf(options, repository.branch),
    tasks: options.task,
    ...(options.file === undefined ? {} : { file: options.file }),
    given: givenOptionsOf(options),
    ...parseVariables(options, io.environment),
  }
  await tellShortSecrets(asked, output)
  const config = await readConfig(asked, context)
  // Which runs match does not depend on the commit, which is not known yet.
  const matching = planRuns(config, { ...asked.ref, commitSha: '', message: eventMessage }).filter(
    (plan) => plan.kind === 'created',
  )
  if (matching.length === 0) {
    const message = `No run of the definition matches ${asked.ref.ref}; \`slipway plan\` says why`
    await output.write({ type: 'notice', message })
    return exitStatus.success
  }
  const invocation = newInvocation(state, clock.now(), randomBytes(3).toString('hex'))
  using _lock = invocation.lock
  let hasRuns = false
  await using _unused = {
    // One that started nothing is not "the last run".
    [Symbol.asyncDispose]: async () => (hasRuns ? undefined : removeInvocation(invocation)),
  }
  saveAsked(invocation, asked, io.cwd)
  const freeze = (stopping: AbortSignal) => freezeSource(asked, { ...context, stopping }, invocation)
  const work = async (runservice: RunserviceHost, source: Source) => {
    const requests: NewRunRequest[] = []
    for (const { run } of matching)
      requests.push(newRunRequest(await expandAsked(run, { config, asked, source, output }), asked, source))
    const runs = await runservice.createRuns(requests)
    hasRuns = true
    using questions = new Questions(io, output)
    return await followAll({ ...context, approve: approveModeOf(context), questions }, runservice, runs)
  }
  const tasksMax = matching.reduce((sum, { run }) => sum + run.tasks.length, 0)
  return await withServer(context, { invocation, freeze, work, tasksMax })
}
