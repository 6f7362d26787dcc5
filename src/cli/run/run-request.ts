// From a run of the definition to the request that creates it.

import { limits } from '../../lib/limits.ts'
import { newUuid } from '../../lib/uuid.ts'
import { runAnnotations } from '../../pipeline/annotations.ts'
import type { Config, ConfigRun } from '../../pipeline/config/config.ts'
import { expandRun } from '../../pipeline/expand.ts'
import { escapeSegment, runGroup } from '../../pipeline/group.ts'
import type { RunConfig } from '../../pipeline/run-config.ts'
import { staticEnvironment } from '../../pipeline/static-environment.ts'
import type { NewRunRequest } from '../../runservice/api.ts'
import type { AskedRun } from './asked-run.ts'
import type { RunEventSink } from './run-event.ts'
import type { Source } from './source.ts'

export type ExpandOptions = {
  readonly config: Config
  readonly asked: AskedRun
  readonly source: Source
  readonly output: RunEventSink
}

/** Expands a run, and tells of variables that have no value. */
export async function expandAsked(
  run: ConfigRun,
  { config, asked: { variables }, source: { event }, output }: ExpandOptions,
): Promise<RunConfig> {
  const { runConfig, undefinedVariables } = expandRun({ config, run, event, variables, newId: newUuid })
  if (undefinedVariables.length > 0) {
    const message = `Run ${run.name}: ${undefinedVariables.join(', ')} has no value and is empty; give it with --var`
    await output.write({ type: 'notice', message })
  }
  return runConfig
}

/** A person who gives a secret expects it to be masked; one so short is not, as it would hide half of every log. */
export async function tellShortSecrets({ secrets }: Pick<AskedRun, 'secrets'>, output: RunEventSink): Promise<void> {
  const bytesMin = limits.secretBytesMin.value
  const short = Object.entries(secrets).filter(([, value]) => value !== '' && Buffer.byteLength(value) < bytesMin)
  if (short.length === 0) return
  const names = short.map(([name]) => name).join(', ')
  await output.write({ type: 'notice', message: `Not masked in logs, with less than ${bytesMin} bytes: ${names}` })
}

export function newRunRequest(
  { name, tasks }: RunConfig,
  { secrets }: AskedRun,
  { event, cloneUrl }: Source,
): NewRunRequest {
  const owner = { type: 'user', id: 'local' } as const
  return {
    name,
    // Runs of one definition are independent here: each has a group of its own and none waits for another.
    group: `${runGroup(owner, event)}/run/${escapeSegment(name)}`,
    tasks,
    staticEnvironment: staticEnvironment({ event, cloneUrl, trust: 'trusted' }),
    annotations: runAnnotations({ owner, event, trigger: 'manual' }),
    secrets,
  }
}
