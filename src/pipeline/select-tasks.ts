// `--task`: the tasks named, and everything they depend on.

import { SlipwayError } from '../lib/errors.ts'
import type { Config, ConfigRun } from './config/config.ts'

/** A definition may have thousands. */
const namesListedMax = 20

/** The config reduced to those tasks; runs without one of them are left out. `request_invalid` for a name that no run has. */
export function selectTasks(config: Config, names: readonly string[]): Config {
  if (names.length === 0) return config
  const all = [...new Set(config.runs.flatMap((run) => run.tasks.map((task) => task.name)))]
  const unknown = names.filter((name) => !all.includes(name))
  if (unknown.length > 0)
    throw new SlipwayError('request_invalid', `no task ${quoted(unknown)}; there are ${listed(all)}`)
  return { ...config, runs: config.runs.map((run) => selectInRun(run, names)).filter((run) => run.tasks.length > 0) }
}

const quoted = (names: readonly string[]) => names.map((name) => `"${name}"`).join(', ')

function listed(names: readonly string[]): string {
  const more = names.length - namesListedMax
  return more <= 0 ? quoted(names) : `${quoted(names.slice(0, namesListedMax))} and ${more} more`
}

function selectInRun(run: ConfigRun, names: readonly string[]): ConfigRun {
  const wanted = new Set<string>()
  const open = run.tasks.filter((task) => names.includes(task.name)).map((task) => task.name)
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (wanted.has(name)) continue
    wanted.add(name)
    open.push(...(run.tasks.find((task) => task.name === name)?.depends.map((depend) => depend.task) ?? []))
  }
  return { ...run, tasks: run.tasks.filter((task) => wanted.has(task.name)) }
}
