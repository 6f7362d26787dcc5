// `slipway run --from-failed`: the failed runs of the last invocation again, with its options and in its state, so that what
// succeeded is there.

import { SlipwayError } from '../../lib/errors.ts'
import type { NewRunRequest, RunserviceHost } from '../../runservice/api.ts'
import { isFinishedRun } from '../../runservice/types.ts'
import { endOf } from '../../server/local/state-directory.ts'
import { parseVariables } from '../variable-options.ts'
import { type AskedRun, alsoGiven, loadAsked, saveAsked } from './asked-run.ts'
import { followAll } from './follow-all.ts'
import { keepUnchanged } from './keep-unchanged.ts'
import { lockLast, newestRuns } from './last-invocation.ts'
import { leftRunsEnded, stopLeftRuns } from './left-runs.ts'
import { Questions } from './questions.ts'
import { approveModeOf, type RunContext } from './run-context.ts'
import { expandAsked, newRunRequest, tellShortSecrets } from './run-request.ts'
import { freezeSource, readConfig, type Source } from './source.ts'
import { withServer } from './with-server.ts'

export async function repeatFailed(context: RunContext): Promise<number> {
  const { options, io, state, output } = context
  const invocation = lockLast(state)
  using _lock = invocation.lock
  const before = loadAsked(invocation)
  const given = parseVariables(options, io.environment)
  const asked: AskedRun = {
    ...before,
    given: alsoGiven(before.given, options),
    variables: new Map([...before.variables, ...given.variables]),
    secrets: given.secrets,
  }
  await tellShortSecrets(asked, output)
  const config = await readConfig(asked, context)
  const freeze = (stopping: AbortSignal) => freezeSource(asked, { ...context, stopping }, invocation)
  if (endOf(state, invocation.id) === undefined) await stopLeftRuns(context, invocation)
  const work = async (runservice: RunserviceHost, source: Source) => {
    await leftRunsEnded(runservice, context.stopping)
    const failed = newestRuns(runservice).filter((run) => isFinishedRun(run.phase) && run.result !== 'success')
    if (failed.length === 0)
      throw new SlipwayError('run_not_restartable', 'nothing failed in the last run: there is nothing to repeat')
    const requests: NewRunRequest[] = []
    for (const run of failed) {
      const definition = config.runs.find((candidate) => candidate.name === run.name)
      if (definition === undefined) {
        const message = `The definition has no run ${run.name} any more: it is not repeated`
        await output.write({ type: 'notice', message })
        continue
      }
      const view = runservice.findRun(run.id)!
      const runConfig = keepUnchanged(view, await expandAsked(definition, { config, asked, source, output }))
      const kept = view.tasks
        .filter(({ task }) => runConfig.tasks.some((candidate) => candidate.id === task.id))
        .map(({ config: { name } }) => name)
      if (kept.length > 0) {
        const isSame = run.annotations.commit_sha === source.event.commitSha
        const message = `Kept: ${kept.join(', ')}${isSame ? '' : ', which ran before the working tree changed'}`
        await output.write({ type: 'notice', message })
      }
      requests.push({ ...newRunRequest(runConfig, asked, source), keepFrom: run.id })
    }
    using questions = new Questions(io, output)
    const follow = { ...context, approve: approveModeOf(context), questions }
    const runs = await runservice.createRuns(requests)
    saveAsked(invocation, asked, io.cwd)
    return await followAll(follow, runservice, runs)
  }
  return await withServer(context, { invocation, freeze, work })
}
