// What a run was asked for: kept with the invocation, so that `--from-failed` repeats the same. Secrets are not in it: they
// are sealed in the run config.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SlipwayError } from '../../lib/errors.ts'
import type { GitEvent } from '../../pipeline/event.ts'
import type { Value } from '../../pipeline/run-config.ts'
import type { Invocation } from '../../server/local/state-directory.ts'
import type { GivenVariables } from '../variable-options.ts'

export type AskedRun = GivenVariables & {
  readonly ref: Pick<GitEvent, 'refType' | 'ref' | 'branch' | 'tag' | 'pullRequestId'>
  /** Names given by `--task`; none mean all. */
  readonly tasks: readonly string[]
  readonly file?: string
}

type Saved = Pick<AskedRun, 'ref' | 'tasks' | 'file'> & {
  readonly format: 1
  readonly variables: readonly (readonly [string, Value])[]
}

const fileName = 'asked.json'

export function saveAsked(invocation: Invocation, { ref, tasks, file, variables }: AskedRun): void {
  const saved: Saved = { format: 1, ref, tasks, ...(file === undefined ? {} : { file }), variables: [...variables] }
  writeFileSync(join(invocation.dir, fileName), JSON.stringify(saved), { mode: 0o600 })
}

/** Without values of secrets. `run_not_found` when the invocation ended before it asked for anything. */
export function loadAsked(invocation: Invocation): AskedRun {
  try {
    const { format: _, variables, ...saved } = JSON.parse(readFileSync(join(invocation.dir, fileName), 'utf8')) as Saved
    return { ...saved, variables: new Map(variables), secrets: {} }
  } catch (cause) {
    throw new SlipwayError('run_not_found', 'the last run did not get far enough to be repeated: start a new one', {
      cause,
    })
  }
}
