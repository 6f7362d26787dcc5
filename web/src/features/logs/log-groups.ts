// Parts of a log that can be folded: groups that the output marks, and commands that a shell tells (`set -x`).

import { plainText } from './terminal-text.ts'

export type GroupMarks = {
  /** Line numbers, ascending. */
  readonly begins: readonly number[]
  readonly ends: readonly number[]
  readonly commands: readonly number[]
}

/** The line `head` is always shown, those from `head + 1` to `last` when it is open. */
export type LogGroup = { readonly head: number; readonly last: number; readonly kind: 'group' | 'command' }

/**
 * Groups end where they say, at the next group, or at the end. They do not nest; commands end at the next command and where a group
 * begins or ends. What has nothing to fold is none.
 */
export function groupsOf({ begins, ends, commands }: GroupMarks, lineCount: number): readonly LogGroup[] {
  const marks = [
    ...begins.map((line) => ({ line, kind: 'begin' as const })),
    ...ends.map((line) => ({ line, kind: 'end' as const })),
    ...commands.map((line) => ({ line, kind: 'command' as const })),
  ].sort((a, b) => a.line - b.line)
  const found: LogGroup[] = []
  let group: number | undefined
  let command: number | undefined
  const close = (head: number | undefined, last: number, kind: LogGroup['kind']) => {
    if (head !== undefined && last > head) found.push({ head, last, kind })
  }
  for (const { line, kind } of marks) {
    close(command, line - 1, 'command')
    command = undefined
    if (kind === 'command') command = line
    else {
      close(group, kind === 'end' ? line : line - 1, 'group')
      group = kind === 'begin' ? line : undefined
    }
  }
  close(command, lineCount - 1, 'command')
  close(group, lineCount - 1, 'group')
  return found.sort((a, b) => a.head - b.head)
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
