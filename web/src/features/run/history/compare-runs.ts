// What is different between a run and an earlier one. Values in, values out.

import type { Run, RunSummary } from '../../../api/types.ts'
import { commitOf, safeLink } from '../../runs/run-state.ts'
import { configText } from './config-text.ts'
import { type DiffLine, diffLines } from './line-diff.ts'

export type ExpandedConfig = { readonly tasks: readonly Readonly<Record<string, unknown>>[] }

export type TaskComparison = {
  readonly name: string
  /** Milliseconds; undefined where it did not run. */
  readonly beforeMs: number | undefined
  readonly afterMs: number | undefined
  readonly change: 'same' | 'changed' | 'added' | 'removed'
}

export type RunComparison = {
  /** In the order of the run; removed ones last. */
  readonly tasks: readonly TaskComparison[]
  readonly variables: { readonly added: readonly string[]; readonly removed: readonly string[] }
  /** Empty when nothing changed. */
  readonly definition: readonly DiffLine[]
}

type Side = { readonly run: Pick<Run, 'tasks'>; readonly config: ExpandedConfig }

export function compareRuns(before: Side, after: Side): RunComparison {
  const texts = { before: byName(before.config), after: byName(after.config) }
  const times = { before: durationsOf(before.run), after: durationsOf(after.run) }
  const names = [...texts.after.keys(), ...[...texts.before.keys()].filter((name) => !texts.after.has(name))]
  const text = { before: configText(before.config.tasks), after: configText(after.config.tasks) }
  return {
    tasks: names.map((name) => ({
      name,
      beforeMs: times.before.get(name),
      afterMs: times.after.get(name),
      change: changeOf(texts.before.get(name), texts.after.get(name)),
    })),
    variables: namesChanged(variableNames(before.config), variableNames(after.config)),
    definition: text.before === text.after ? [] : diffLines(text.before, text.after),
  }
}

function changeOf(before: string | undefined, after: string | undefined): TaskComparison['change'] {
  if (before === undefined) return 'added'
  if (after === undefined) return 'removed'
  return before === after ? 'same' : 'changed'
}

function byName({ tasks }: ExpandedConfig): ReadonlyMap<string, string> {
  return new Map(tasks.map((task) => [String(task.name), configText(task)]))
}

function durationsOf({ tasks }: Pick<Run, 'tasks'>): ReadonlyMap<string, number> {
  return new Map(
    tasks.flatMap(({ name, startedAt, endedAt }) =>
      startedAt === undefined || endedAt === undefined ? [] : [[name, Date.parse(endedAt) - Date.parse(startedAt)]],
    ),
  )
}

/** Of everything that is set for tasks, steps and containers. */
function variableNames(config: ExpandedConfig): ReadonlySet<string> {
  const names = new Set<string>()
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    for (const [key, member] of Object.entries(value)) {
      if (key === 'environment' && typeof member === 'object' && member !== null)
        for (const name of Object.keys(member)) names.add(name)
      else look(member)
    }
  }
  look(config.tasks)
  return names
}

function namesChanged(before: ReadonlySet<string>, after: ReadonlySet<string>) {
  return {
    added: [...after].filter((name) => !before.has(name)).sort(),
    removed: [...before].filter((name) => !after.has(name)).sort(),
  }
}

/** Where the provider shows the commits between: its pages for commits and for ranges differ by one word. */
export function compareLink(before: RunSummary, after: RunSummary): string | undefined {
  const from = commitOf(before).sha
  const { sha: to, link } = commitOf(after)
  if (link === undefined || from === '' || from === to || !link.endsWith(`/commit/${to}`)) return undefined
  return safeLink(`${link.slice(0, -`/commit/${to}`.length)}/compare/${from}...${to}`)
}
