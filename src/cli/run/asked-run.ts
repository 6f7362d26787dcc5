// What a run was asked for: kept with the invocation, so that `--from-failed` repeats the same. Secrets are not in it: they
// are sealed in the run config.

import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { SlipwayError } from '../../lib/errors.ts'
import type { GitEvent } from '../../pipeline/event.ts'
import type { Value } from '../../pipeline/run-config.ts'
import type { Invocation } from '../../server/local/state-directory.ts'
import type { EventOptions } from '../event-options.ts'
import type { GivenVariables, VariableOptions } from '../variable-options.ts'

/** Of the options of `slipway run` those that say what is run; plain data, and no value of a secret. */
export type GivenOptions = EventOptions & VariableOptions & { readonly file?: string }

export type AskedRun = GivenVariables & {
  readonly ref: Pick<GitEvent, 'refType' | 'ref' | 'branch' | 'tag' | 'pullRequestId'>
  /** Names given by `--task`; none mean all. */
  readonly tasks: readonly string[]
  readonly file?: string
  /** The options it was asked with, for telling how to repeat it. */
  readonly given: GivenOptions
}

type Saved = Pick<AskedRun, 'ref' | 'tasks' | 'file' | 'given'> & {
  readonly format: 1
  readonly variables: readonly (readonly [string, Value])[]
}

const fileName = 'asked.json'

/** `cwd`: where a relative `file` begins; who repeats it may be elsewhere. */
export function saveAsked(invocation: Invocation, { ref, tasks, file, given, variables }: AskedRun, cwd: string): void {
  const saved: Saved = {
    format: 1,
    ref,
    tasks,
    ...(file === undefined ? {} : { file: resolve(cwd, file) }),
    given,
    variables: [...variables],
  }
  writeFileSync(join(invocation.dir, fileName), JSON.stringify(saved), { mode: 0o600 })
}

/** Without values of secrets. `run_not_found` when the invocation ended before it asked for anything. */
export function loadAsked(invocation: Pick<Invocation, 'dir'>): AskedRun {
  try {
    const text = readFileSync(join(invocation.dir, fileName), 'utf8')
    // Earlier versions did not write what was given.
    const { format: _, variables, given = { var: [], varFile: [] }, ...saved } = JSON.parse(text) as Saved
    return { ...saved, given, variables: new Map(variables), secrets: {} }
  } catch (cause) {
    throw new SlipwayError('run_not_found', 'the last run did not get far enough to be repeated: start a new one', {
      cause,
    })
  }
}

/** `more` given to repeat it: they count after, as variables given again replace those before. */
export function alsoGiven(before: GivenOptions, more: VariableOptions): GivenOptions {
  return { ...before, var: [...before.var, ...more.var], varFile: [...before.varFile, ...more.varFile] }
}

/** Those of all options of a command. */
export function givenOptionsOf({ branch, tag, pr, ref, var: variables, varFile, file }: GivenOptions): GivenOptions {
  return {
    ...(branch === undefined ? {} : { branch }),
    ...(tag === undefined ? {} : { tag }),
    ...(pr === undefined ? {} : { pr }),
    ...(ref === undefined ? {} : { ref }),
    var: variables,
    varFile,
    ...(file === undefined ? {} : { file }),
  }
}
