// Parts of a log that can be folded: groups that the output marks, and commands that a shell tells (`set -x`).

import { plainText } from './terminal-text.ts'

export type GroupMarks = {
  /** Line numbers, ascending. */
  readonly begins: readonly number[]
  readonly ends: readonly number[]
  readonly commands: readonly number[]
}

/** The line `head` is always shown, those from `head + 1` to `last` when it and all that it is in are open. */
export type LogGroup = {
  readonly head: number
  readonly last: number
  readonly kind: 'group' | 'command'
  /** Of how many others it is a part. */
  readonly depth: number
}

type Open = { readonly head: number; last: number | undefined; readonly depth: number }

/**
 * An end closes the innermost group that is open. One that nothing closes ends at the next group, or with the one it is in: some
 * tools mark no ends. Commands end at the next command and where a group begins or ends. What has nothing to fold is none.
 */
export function groupsOf({ begins, ends, commands }: GroupMarks, lineCount: number): readonly LogGroup[] {
  const closedBy = matchEnds(begins, ends)
  const marks = [
    ...begins.map((line) => ({ line, kind: 'begin' as const })),
    ...ends.map((line) => ({ line, kind: 'end' as const })),
    ...commands.map((line) => ({ line, kind: 'command' as const })),
  ].sort((a, b) => a.line - b.line)
  const found: LogGroup[] = []
  const within: Open[] = []
  let command: number | undefined
  const add = (head: number, last: number, kind: LogGroup['kind'], depth: number) => {
    if (last > head) found.push({ head, last, kind, depth })
  }
  const closeUnclosed = (last: number) => {
    for (let open = within.at(-1); open !== undefined && open.last === undefined; open = within.at(-1)) {
      within.pop()
      add(open.head, last, 'group', open.depth)
    }
  }
  for (const { line, kind } of marks) {
    if (command !== undefined) add(command, line - 1, 'command', within.length)
    command = undefined
    if (kind === 'command') command = line
    else {
      closeUnclosed(line - 1)
      if (kind === 'begin') within.push({ head: line, last: closedBy.get(line), depth: within.length })
      else if (within.at(-1)?.last === line) {
        const { head, depth } = within.pop()!
        add(head, line, 'group', depth)
      }
    }
  }
  if (command !== undefined) add(command, lineCount - 1, 'command', within.length)
  closeUnclosed(lineCount - 1)
  return found.sort((a, b) => a.head - b.head)
}

/** By the lines of beginnings, those of their ends. */
function matchEnds(begins: readonly number[], ends: readonly number[]): ReadonlyMap<number, number> {
  const closedBy = new Map<number, number>()
  const open: number[] = []
  let next = 0
  for (const end of ends) {
    while (next < begins.length && begins[next]! < end) open.push(begins[next++]!)
    const begin = open.pop()
    if (begin !== undefined) closedBy.set(begin, end)
  }
  return closedBy
}

const begin = /^(?:##\[group\]|::group::|section_start:\d+:(?<section>[\w.-]+)(?:\[[^\]]*\])?\r?(?:\x1b\[0K)?)/
const anyMark = /^(?:##\[(?<kind>\w+)\]|::(?<command>\w+)(?: [^:]*)?::)/

/** What stands for a line that is a mark: the title of a group, nothing for its end. */
export function titleOf(raw: string): string | undefined {
  const found = begin.exec(raw.replace(/^(?:\x1b\[[0-9;]*m)+/, ''))
  if (found === null) return undefined
  const rest = plainText(raw.replace(/^(?:\x1b\[[0-9;]*m)+/, '').slice(found[0].length)).trim()
  return rest === '' ? (found.groups?.section ?? 'Group') : rest
}

/** Errors and warnings that the output marks, as a word. */
export function levelOf(text: string): 'error' | 'warning' | undefined {
  const groups = anyMark.exec(text)?.groups
  const level = groups?.kind ?? groups?.command
  return level === 'error' || level === 'warning' ? level : undefined
}
